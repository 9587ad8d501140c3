"""Manners of measuring a case that must not change its verdict."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from canary_base import whole

from mpq_checks.aggregate import aggregate
from mpq_checks.baselines import Baseline, baseline_path, read_baseline, write_baseline
from mpq_checks.evidence import Evidence
from mpq_checks.measure import measure
from mpq_checks.profiles.base import Case
from mpq_checks.profiles.mini import profile

ROOT = Path(__file__).resolve().parent.parent

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
TWO_THREADS = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
OTHER_LOCALE = {
    "PYTHONHASHSEED": "4711",
    "LC_ALL": "POSIX",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "TZ": "Asia/Kathmandu",
}

_GATE_SECONDS = 1800


def reversed_order(case: Case) -> Evidence:
    """The last sample first."""
    return measure(case, case.task.dataset.sample_ids()[::-1], profile=profile.name)


def two_shards(case: Case) -> Evidence:
    """Every other sample, then the rest, and both joined."""
    ids = case.task.dataset.sample_ids()
    first, second = (measure(case, shard, profile=profile.name) for shard in (ids[::2], ids[1::2]))
    return replace(first, rows=first.rows + second.rows)


def second_time(case: Case) -> Evidence:
    """Once more with everything in memory: samples, model, references of the metric."""
    whole(case)
    return whole(case)


def through_json(case: Case) -> Evidence:
    """Through JSON text and back."""
    text = json.dumps(whole(case).to_json(), allow_nan=False)
    return Evidence.from_json(json.loads(text))


def through_a_baseline(case: Case) -> Evidence:
    """Written as a baseline and read back."""
    evidence = whole(case)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.json")
        write_baseline(path, Baseline(aggregate(case, evidence.rows), evidence, ()))
        return read_baseline(path).evidence


def denormals_flushed(case: Case) -> Evidence:
    """torch counts denormal numbers as 0."""
    import torch

    torch.set_flush_denormal(True)
    try:
        return whole(case)
    finally:
        torch.set_flush_denormal(False)


def without_onednn(case: Case) -> Evidence:
    """torch's own convolutions in place of oneDNN's."""
    import torch

    with torch.backends.mkldnn.flags(enabled=False):  # type: ignore[no-untyped-call]
        return whole(case)


def gate_with_two_workers(case: Case) -> Evidence:
    """`pytest suites/ -n 2` accepts new baselines of the task in a folder; this case's is read."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "suites/", "-n", "2", "-q"]
        command += ["-k", case.task.name, "-p", "no:cacheprovider"]
        command += ["--mpq-baselines", folder, "--mpq-update-new", "--mpq-device", "cpu"]
        subprocess.run(
            command, cwd=ROOT, env=_environment(), check=True, timeout=_GATE_SECONDS, stdout=2
        )
        path = baseline_path(Path(folder), profile.name, case.task.name, case.codec.name)
        return read_baseline(path).evidence


@contextmanager
def resaved(folder: Path) -> Iterator[Path]:
    """A copy of a transformers model whose weights are the same tensors in another file."""
    from safetensors.torch import load_file, save_file

    with tempfile.TemporaryDirectory() as copy:
        for path in folder.iterdir():
            if path.suffix == ".json":
                Path(copy, path.name).write_bytes(path.read_bytes())
        tensors: dict[str, Any] = load_file(folder / "model.safetensors")
        weights = Path(copy, "model.safetensors")
        save_file(tensors, weights, metadata={"format": "pt", "saved": "again"})
        if weights.read_bytes() == (folder / "model.safetensors").read_bytes():
            raise RuntimeError("the file saved again is the same, byte for byte")
        yield Path(copy)


def with_weights_resaved(case: Case) -> Evidence:
    """The task's transformers model from a copy with another file hash."""
    task: Any = case.task
    with resaved(Path(task.model.path)) as folder:
        model = replace(task.model, path=folder)
        return whole(replace(case, task=replace(task, model=model)))


def _environment() -> dict[str, str]:
    """This process's, without what a pytest above it left there."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
