"""--mpq-resume as a user has it: runs that are really killed, and what is left after a session."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

NUM_SAMPLES = 30

SLOW = f"""
import os, time

@dataclass(frozen=True)
class SlowJpeg(Jpeg):
    def encode(self, signal):
        time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
        line = hashlib.sha256(signal.pixels.tobytes()).hexdigest() + "\\n"
        with open(os.environ["TOY_CALLS"], "a") as calls:
            calls.write(line)
        return super().encode(signal)

dataset = ToyDataset(num_samples={NUM_SAMPLES})
tasks = [ToyTask(dataset=dataset), ToyTask("toy-b", dataset=dataset, gain=0.03)]
profile = Profile("toy", cases(tasks, [SlowJpeg(50), SlowJpeg(30)], MARGINS))
"""

BROKEN = """
class BrokenTask(ToyTask):
    def load(self, device):
        if not os.path.exists("model"):
            raise RuntimeError("no such model")
        return self

tasks = [tasks[0], BrokenTask("toy-b", dataset=dataset)]
profile = Profile("toy", cases(tasks, [SlowJpeg(50)], MARGINS))
"""

GateRun = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "calls.txt"
    monkeypatch.setenv("TOY_CALLS", str(path))
    return path


def num_calls(calls: Path) -> int:
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def kill_during_run(pytester: pytest.Pytester, workers: int, *, everything: bool) -> None:
    """Start the gate, and kill it without warning when a second case is under way."""
    words = [sys.executable, "-m", "pytest", "-n", str(workers), "--mpq-device", "cpu"]
    words += ["--mpq-resume", "kept", "--mpq-update-new"]
    environment = {**os.environ, "TOY_SECONDS": "0.05"}
    process = subprocess.Popen(words, cwd=pytester.path, env=environment, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while kept_samples(pytester) < NUM_SAMPLES + 6:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        own = psutil.Process(process.pid).children(recursive=True) if everything else []
        process.send_signal(signal.SIGKILL)
        for child in own:
            child.kill()
        process.wait()


def kept_samples(pytester: pytest.Pytester) -> int:
    files = (pytester.path / "kept").rglob("*.jsonl")
    return sum(max(0, file.read_bytes().count(b"\n") - 1) for file in files)


def baselines(folder: Path) -> dict[str, Any]:
    """All but seconds, which are never the same."""
    found = {}
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text())
        assert set(content.pop("seconds")) == {"load", "encode", "decode", "metrics", "model"}
        found[str(path.relative_to(folder))] = content
    return found


@pytest.mark.parametrize(
    ("workers", "everything"), [(0, True), (2, True), (2, False)], ids=["alone", "all", "parent"]
)
def test_a_killed_run_goes_on_and_gives_the_same_evidence(
    gate: GateRun, pytester: pytest.Pytester, calls: Path, workers: int, everything: bool
) -> None:
    """`parent`: the workers of xdist live on for a moment."""
    whole = gate(
        "--mpq-update-new",
        "--mpq-baselines",
        "whole",
        "--mpq-resume",
        "other",
        change=SLOW,
        workers=workers,
    )
    whole.assert_outcomes(passed=5)
    assert num_calls(calls) == 4 * NUM_SAMPLES
    calls.unlink()

    kill_during_run(pytester, workers, everything=everything)
    assert not (pytester.path / "baselines").exists()
    resumed = gate("--mpq-update-new", "--mpq-resume", "kept", change=SLOW, workers=workers)
    resumed.assert_outcomes(passed=5)
    expected = baselines(pytester.path / "whole")
    assert len(expected) == 4
    assert baselines(pytester.path / "baselines") == expected

    reused = [int(n) for n in re.findall(r"(\d+) of 30 samples were", resumed.stdout.str())]
    assert sum(reused) >= NUM_SAMPLES + 6
    lost = max(1, workers)  # a sample of each process was under way
    assert 4 * NUM_SAMPLES <= num_calls(calls) <= 4 * NUM_SAMPLES + lost
    assert list((pytester.path / "kept").iterdir()) == []


def test_after_a_whole_session_everything_is_measured_again(
    gate: GateRun, pytester: pytest.Pytester, calls: Path
) -> None:
    for run in (1, 2):
        result = gate("--mpq-update-new", "--mpq-resume", "kept", change=SLOW)
        result.assert_outcomes(passed=5)
        assert num_calls(calls) == run * 4 * NUM_SAMPLES
        assert list((pytester.path / "kept").iterdir()) == []
        result.stdout.no_fnmatch_line("*keeps what was measured*")
    failing = gate("--mpq-resume", "kept", "--mpq-baselines", "none", change=SLOW)
    failing.assert_outcomes(failed=4, passed=1)  # new cases; measured to the end
    assert list((pytester.path / "kept").iterdir()) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_measured_stays_while_a_case_cannot_be(
    gate: GateRun, pytester: pytest.Pytester, calls: Path, workers: int
) -> None:
    arguments = ("--mpq-update-new", "--mpq-resume", "kept")
    for _ in range(2):
        failed = gate(*arguments, change=SLOW + BROKEN, workers=workers)
        failed.assert_outcomes(failed=1, passed=2)
        failed.stdout.fnmatch_lines(["*kept keeps what was measured; the same command goes on*"])
        assert num_calls(calls) == NUM_SAMPLES
        assert kept_samples(pytester) == NUM_SAMPLES
    (pytester.path / "model").touch()
    gate(*arguments, change=SLOW + BROKEN, workers=workers).assert_outcomes(passed=3)
    assert num_calls(calls) == 2 * NUM_SAMPLES
    assert list((pytester.path / "kept").iterdir()) == []


def test_edited_code_is_measured_anew(
    gate: GateRun, pytester: pytest.Pytester, calls: Path
) -> None:
    gate("-x", "--mpq-resume", "kept", change=SLOW)
    assert num_calls(calls) == NUM_SAMPLES
    edited = SLOW.replace("return super().encode(signal)", "return super().encode(signal)  # same")
    result = gate("--mpq-update-new", "--mpq-resume", "kept", change=edited)
    assert num_calls(calls) == 5 * NUM_SAMPLES
    result.stdout.no_fnmatch_line("*by earlier runs*")
    assert list((pytester.path / "kept").iterdir()) == []


def test_a_session_that_stops_early_keeps_what_it_has(
    gate: GateRun, pytester: pytest.Pytester
) -> None:
    gate("-x", "--mpq-resume", "kept", change=SLOW).assert_outcomes(failed=1)
    assert kept_samples(pytester) == NUM_SAMPLES
    rest = gate("--mpq-resume", "kept", change=SLOW)
    rest.stdout.fnmatch_lines(["*30 of 30 samples were measured by earlier runs*"])
    assert list((pytester.path / "kept").iterdir()) == []


def test_results_that_cannot_be_written_are_measured_once(
    gate: GateRun, pytester: pytest.Pytester, calls: Path
) -> None:
    pytester.mkdir("taken.json")
    arguments = ("--mpq-update-new", "--mpq-resume", "kept", "--mpq-json")
    assert gate(*arguments, "taken.json", change=SLOW).ret == 1
    assert kept_samples(pytester) == 4 * NUM_SAMPLES
    assert gate(*arguments, "free.json", change=SLOW).ret == 0
    assert num_calls(calls) == 4 * NUM_SAMPLES
    assert list((pytester.path / "kept").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(
    gate: GateRun, pytester: pytest.Pytester, calls: Path
) -> None:
    (pytester.path / "file").write_text("")
    result = gate("--mpq-resume", "file/kept", change=SLOW)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mpq-resume *kept: cannot be made (Not a directory)*"])
    assert num_calls(calls) == 0
