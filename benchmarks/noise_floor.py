"""How far do the floats of one sample move when only the CPU's kernels change?

Measures cases of the mini profile under several float environments, compares every row with the
same row of the reference environment, and writes the largest differences, and a proposed noise
floor for each metric, to docs/explanation/noise.md. Evidence is kept under runs/noise/; what is
already there is not measured again.

    python benchmarks/noise_floor.py [--images 40] [--masks 100] [--speech 6] [--music 3]
"""

import argparse
import json
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mpq_checks.aggregate import aggregate
from mpq_checks.evidence import Evidence, Row
from mpq_checks.metrics.sdr import EXACT
from mpq_checks.profiles import Case, load_profile

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "runs" / "noise"
PAGE = ROOT / "docs" / "explanation" / "noise.md"
PROFILE = "mini"

# A floor is ten times the largest difference that was measured.
SAFETY = 10
# The least floor of a float: about ten units in the last place of a float32 near 1.
LEAST = 1e-6
# SDRs are stored to this step, in dB. Any noise may carry one over to the next step.
SDR_STEP = 1e-4
SDR_FIELDS = ("frames_db", "global_db", "magnitude_db", "mixture_db")


@dataclass(frozen=True)
class FloatEnvironment:
    """What decides which kernels a process picks, and in how many pieces they add."""

    name: str
    title: str
    threads: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)
    numpy_without: tuple[str, ...] = ()
    mkldnn: bool = True


REFERENCE = FloatEnvironment("reference", "as is, 1 thread")
ENVIRONMENTS = (
    FloatEnvironment("again", "the reference a second time"),
    FloatEnvironment("threads-2", "2 threads", threads=2),
    FloatEnvironment(
        "avx2",
        "AVX2",
        variables={
            "ATEN_CPU_CAPABILITY": "avx2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "OPENBLAS_CORETYPE": "Haswell",
        },
        numpy_without=("AVX512", "X86_V4"),
    ),
    FloatEnvironment(
        "sse",
        "SSE4",
        variables={
            "ATEN_CPU_CAPABILITY": "default",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "OPENBLAS_CORETYPE": "Nehalem",
        },
        numpy_without=("AVX", "FMA", "F16C", "X86_V3", "X86_V4"),
    ),
    FloatEnvironment("no-mkldnn", "oneDNN off", mkldnn=False),
)
ALL = (REFERENCE, *ENVIRONMENTS)


@dataclass(frozen=True)
class Plan:
    """Which samples and codecs are measured."""

    images: int
    masks: int
    speech: int
    music: int
    codecs: int

    @classmethod
    def read(cls, words: Sequence[str] | None = None) -> "tuple[Plan, str | None]":
        """From the command line; with the environment that this process is to measure, if any."""
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--images", type=int, default=40, help="of each image classification")
        parser.add_argument("--masks", type=int, default=100, help="of each segmentation")
        parser.add_argument("--speech", type=int, default=6, help="sentences")
        parser.add_argument("--music", type=int, default=3, help="clips")
        parser.add_argument("--codecs", type=int, default=2, help="of each other task, none first")
        parser.add_argument("--measure", help=argparse.SUPPRESS)
        parsed = vars(parser.parse_args(words))
        name = parsed.pop("measure")
        return cls(**parsed), name

    def words(self) -> list[str]:
        """The options that `read` takes."""
        return [word for name, value in vars(self).items() for word in (f"--{name}", str(value))]

    def cases(self) -> list[Case]:
        """The first codecs of each task; all of a segmentation, whose pixels rarely move."""
        chosen: dict[str, list[Case]] = {}
        for case in load_profile(PROFILE).cases:
            of_task = chosen.setdefault(case.task.name, [])
            if case.task.kind == "segmentation" or len(of_task) < self.codecs:
                of_task.append(case)
        return [case for of_task in chosen.values() for case in of_task]

    def sample_ids(self, case: Case) -> tuple[str, ...]:
        """The first samples of a case."""
        counts = {
            "image_classification": self.images,
            "segmentation": self.masks,
            "speech_recognition": self.speech,
            "source_separation": self.music,
        }
        return case.task.dataset.sample_ids()[: counts[case.task.kind]]


# Measuring


def run(environment: FloatEnvironment, plan: Plan) -> None:
    """Measure in a process of its own: kernels are picked when libraries load."""
    command = [sys.executable, __file__, "--measure", environment.name, *plan.words()]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, **variables(environment)})


def variables(environment: FloatEnvironment) -> dict[str, str]:
    """Environment variables for the process."""
    threads = str(environment.threads)
    libraries = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    found = dict.fromkeys(libraries, threads)
    found["OMP_WAIT_POLICY"] = "PASSIVE"  # threads that wait leave the cores to other processes
    disabled = [name for name in numpy_features() if name.startswith(environment.numpy_without)]
    if disabled and environment.numpy_without:
        found["NPY_DISABLE_CPU_FEATURES"] = " ".join(disabled)
    return {**found, **environment.variables}


def numpy_features() -> list[str]:
    """The CPU features for which numpy has kernels that it uses here."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    return list(config["SIMD Extensions"].get("found", []))


def measure_all(environment: FloatEnvironment, plan: Plan) -> None:
    """Measure what is missing, in this process."""
    import torch

    torch.set_num_threads(environment.threads)
    if not environment.mkldnn:
        kernels: Any = torch.backends.mkldnn  # Any: torch types the flag as its descriptor
        kernels.enabled = False
    for case in plan.cases():
        path = evidence_path(environment, case)
        wanted = plan.sample_ids(case)
        stored = read(path, case)
        known = {row.sample_id for row in stored.rows} if stored else set()
        missing = [sample_id for sample_id in wanted if sample_id not in known]
        if missing:
            print(f"{environment.name}: {case.id}, {len(missing)} samples", flush=True)
            store(path, case, missing, stored)


def store(path: Path, case: Case, missing: Sequence[str], stored: Evidence | None) -> None:
    """Measure samples and add them to what is stored."""
    from mpq_checks.measure import measure

    evidence = measure(case, missing, profile=PROFILE)
    if stored is not None:
        evidence = replace(evidence, rows=(*stored.rows, *evidence.rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(evidence.to_json(), indent=1), encoding="utf-8")
    part.replace(path)


def evidence_path(environment: FloatEnvironment, case: Case) -> Path:
    """Where the evidence of a case lies."""
    return EVIDENCE / environment.name / case.task.name / f"{case.codec.name}.json"


def read(path: Path, case: Case) -> Evidence | None:
    """Stored evidence; None where there is none or it is of another codec, model or library."""
    if not path.is_file():
        return None
    evidence = Evidence.from_json(json.loads(path.read_text(encoding="utf-8")))
    identities = {
        "codec": case.codec.identity(),
        "task": case.task.identity(),
        "perceptual": case.task.perceptual.identity(),
    }
    return evidence if evidence.identities == identities else None


# Comparing


@dataclass(frozen=True)
class Difference:
    """One value of one sample in two environments; `absolute` is 1 for unequal text."""

    metric: str
    environment: str
    case: str
    sample: str
    absolute: float
    relative: float
    number: bool
    integer: bool


def differences(environment: FloatEnvironment, plan: Plan) -> Iterator[Difference]:
    """Every value of every sample against the reference."""
    for case in plan.cases():
        for new, old in pairs(environment, plan, case):
            values, before = quantities(case, new), quantities(case, old)
            if values.keys() != before.keys():
                raise ValueError(f"{case.id}, {new.sample_id}: statistics of another form")
            for (metric, place), value in values.items():
                size, share = distance(value, before[metric, place])
                yield Difference(
                    metric,
                    environment.name,
                    case.id,
                    new.sample_id,
                    size,
                    share,
                    number=isinstance(value, (int, float)),
                    integer=isinstance(value, int),
                )


def pairs(environment: FloatEnvironment, plan: Plan, case: Case) -> list[tuple[Row, Row]]:
    """Rows of one case in the environment and in the reference."""
    wanted = plan.sample_ids(case)
    found = [rows_by_id(one, case) for one in (environment, REFERENCE)]
    return [(found[0][sample_id], found[1][sample_id]) for sample_id in wanted]


def rows_by_id(environment: FloatEnvironment, case: Case) -> dict[str, Row]:
    """Stored rows of a case."""
    evidence = read(evidence_path(environment, case), case)
    return {row.sample_id: row for row in evidence.rows} if evidence else {}


def quantities(case: Case, row: Row) -> dict[tuple[str, str], Any]:
    """All values of a row by metric and place in the row."""
    rate, _, perceptual = case.metrics[:3]
    found = {
        (rate.name, ""): row.rate,
        ("psnr_db", ""): row.psnr_db,
        (perceptual.name, ""): row.perceptual,
        ("encoded_sha256", ""): row.encoded_sha256,
        ("decoded_sha256", ""): row.decoded_sha256,
    }
    for name, value in row.statistics.items():
        found |= {(name, place): number_of(leaf) for place, leaf in leaves(value)}
    if "nll_sum" in row.statistics:
        found["token_nll", ""] = row.statistics["nll_sum"] / row.statistics["tokens"]
    if "union" in row.statistics:
        found |= {("class_iou", place): share for place, share in shares(row.statistics)}
    return found


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The values inside nested data, each with its place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{place}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{place}/{index}")
    else:
        yield place, value


def number_of(value: Any) -> Any:
    """The value, but infinity for an exact copy's SDR."""
    return math.inf if value == EXACT else value


def shares(statistics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Intersection as a share of the union, of each class that occurs."""
    for index, (hits, whole) in enumerate(
        zip(statistics["intersection"], statistics["union"], strict=True)
    ):
        if whole:
            yield f"/{index}", hits / whole


def distance(new: Any, old: Any) -> tuple[float, float]:
    """Absolute and relative difference; 1 for values that are no numbers and not equal."""
    if new == old:
        return 0.0, 0.0
    if isinstance(new, (int, float)) and isinstance(old, (int, float)):
        size = abs(new - old)
        return size, size / abs(old) if old else math.inf
    return 1.0, 1.0


# Reporting


@dataclass(frozen=True)
class Summary:
    """The differences of one metric over all environments."""

    metric: str
    values: int
    moved: int
    largest: Difference
    relative: float
    by_environment: Mapping[str, float]

    @property
    def is_float(self) -> bool:
        """Whether it is a number that is no count."""
        return self.largest.number and not self.largest.integer


def summarise(found: Iterable[Difference]) -> list[Summary]:
    """By metric, in the order of the cases."""
    by_metric: dict[str, list[Difference]] = {}
    for difference in found:
        by_metric.setdefault(difference.metric, []).append(difference)
    return [_summary(metric, of_metric) for metric, of_metric in by_metric.items()]


def _summary(metric: str, found: Sequence[Difference]) -> Summary:
    by_environment = dict.fromkeys((one.name for one in ENVIRONMENTS), 0.0)
    for difference in found:
        name = difference.environment
        by_environment[name] = max(by_environment[name], difference.absolute)
    return Summary(
        metric,
        len(found),
        sum(difference.absolute > 0 for difference in found),
        max(found, key=lambda difference: difference.absolute),
        max(difference.relative for difference in found),
        by_environment,
    )


def floor_of(summary: Summary) -> float:
    """Ten times the largest difference, rounded up to one digit; of a count what moved."""
    largest = summary.largest.absolute
    if not summary.is_float:
        return largest
    if summary.metric.startswith("bits_per_"):  # two integers divided: no float noise at all
        return round_up(SAFETY * largest)
    least = SAFETY * SDR_STEP if summary.metric in SDR_FIELDS else LEAST
    return max(least, round_up(SAFETY * largest))


def round_up(value: float) -> float:
    """To one significant digit."""
    if value == 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    digit = math.ceil(value / 10.0**exponent - 1e-6)  # 3.0000001 is 3: what was measured is rounded
    return float(f"{digit}e{exponent}")


def aggregate_changes(plan: Plan) -> dict[str, tuple[float, str, str]]:
    """By metric of a case: its largest change, and in which environment and case."""
    found: dict[str, tuple[float, str, str]] = {}
    for environment in ENVIRONMENTS:
        for case in plan.cases():
            both = pairs(environment, plan, case)
            values = aggregate(case, [new for new, _ in both])
            before = aggregate(case, [old for _, old in both])
            for name, value in values.items():
                size, _ = distance(value, before[name])
                if name not in found or size > found[name][0]:
                    found[name] = (size, environment.name, case.id)
    return found


def page(plan: Plan) -> str:
    """The page, in Markdown."""
    found = [one for environment in ENVIRONMENTS for one in differences(environment, plan)]
    summaries = summarise(found)
    numbers = [one for one in summaries if one.largest.number]
    texts = [one for one in summaries if not one.largest.number]
    parts = [
        "# Float noise",
        _introduction(plan),
        _environment_table(plan),
        "## Numbers\n\n" + _number_table(numbers),
        "## Where from\n\n" + _source_table(numbers),
        "## Hashes and text\n\n" + _text_table(texts),
        "## By task\n\n" + _task_table(found),
        "## Aggregates of a case\n\n" + _aggregate_table(plan),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(plan: Plan) -> str:
    names = ", ".join(case.id for case in plan.cases())
    return "\n\n".join(
        [
            _wrapped(
                "The same code gives slightly different floats when a library picks other kernels "
                "or adds in another order. This page measures how much for single samples, so that "
                "float noise can be told from drift. It is written by"
            ),
            "<!-- docs-test: skip because it measures for long -->\n"
            f"```sh\npython benchmarks/noise_floor.py {' '.join(plan.words())}\n```",
            _wrapped(
                f"which ran the `{PROFILE}` cases {names}, on the first "
                f"samples of each dataset: {_sample_counts(plan)}. {_versions(plan)}. Each "
                "environment is a process of its own. Every value of every row is compared with "
                "the same value of the same sample in the reference. Uncompressed, PSNR, LPIPS and "
                "CDPAM are those of equal signals, which cannot move, so that only the lossy cases "
                "tell anything about these three."
            ),
            _wrapped(
                "Encoders and decoders (Pillow, ffmpeg) and the resampler (soxr) pick their "
                "kernels by the CPU itself; these settings do not reach them. That the hashes are "
                "equal is therefore no proof for another CPU."
            ),
        ]
    )


def _sample_counts(plan: Plan) -> str:
    counts = {case.task.name: len(plan.sample_ids(case)) for case in plan.cases()}
    return ", ".join(f"{count} of {name}" for name, count in counts.items())


def _versions(plan: Plan) -> str:
    case = plan.cases()[0]
    evidence = read(evidence_path(REFERENCE, case), case)
    found = evidence.environment if evidence else {}
    return ", ".join(f"{name} {found[name]}" for name in ("torch", "numpy", "transformers"))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _environment_table(plan: Plan) -> str:
    rows = []
    for environment in ALL:
        said = {evidence_environment(environment, case) for case in plan.cases()}
        settings = [f"`{key}={value}`" for key, value in environment.variables.items()]
        if environment.numpy_without:
            settings.append("numpy without " + ", ".join(environment.numpy_without))
        if not environment.mkldnn:
            settings.append("`torch.backends.mkldnn.enabled = False`")
        rows.append((f"`{environment.name}`", environment.title, " ".join(settings), *sorted(said)))
    return _table(("environment", "what", "settings", "torch says"), rows)


def evidence_environment(environment: FloatEnvironment, case: Case) -> str:
    """What torch said of its kernels and threads."""
    evidence = read(evidence_path(environment, case), case)
    if evidence is None:
        raise ValueError(f"{case.id} was not measured under {environment.name}")
    found = evidence.environment
    return f"{found['cpu_capability']}, threads: {found['threads']}"


def _number_table(summaries: Sequence[Summary]) -> str:
    rows = [
        (
            f"`{one.metric}`",
            one.values,
            one.moved,
            _shown(one.largest.absolute),
            _shown(one.relative),
            f"**{_shown(floor_of(one))}**",
        )
        for one in summaries
    ]
    head = ("value", "compared", "moved", "largest difference", "largest relative", "floor")
    text = _wrapped(
        f"A floor is {SAFETY} times the largest difference of one sample, rounded up to one digit, "
        f"and at least {LEAST:g} for a float. SDRs are stored to {SDR_STEP:g} dB, so theirs is at "
        f"least {SAFETY * SDR_STEP:g} dB. Of a count it is how far the count moved. `class_iou` is "
        "intersection / union of one class in one sample, `token_nll` is `nll_sum` / `tokens`."
    )
    return f"{text}\n\n{_table(head, rows)}"


def _source_table(summaries: Sequence[Summary]) -> str:
    names = [one.name for one in ENVIRONMENTS]
    rows = []
    for one in summaries:
        moved = one.largest.absolute > 0
        where = f"{one.largest.case}, {one.largest.sample}" if moved else ""
        sizes = (_shown(one.by_environment[name]) for name in names)
        rows.append((f"`{one.metric}`", *sizes, where))
    head = ("value", *(f"`{name}`" for name in names), "largest in")
    return "The largest difference in each environment.\n\n" + _table(head, rows)


def _text_table(summaries: Sequence[Summary]) -> str:
    rows = [
        (
            f"`{one.metric}`",
            one.values,
            one.moved,
            ", ".join(name for name, size in one.by_environment.items() if size) or "none",
        )
        for one in summaries
    ]
    return _table(("value", "compared", "not equal", "environments"), rows)


def _task_table(found: Sequence[Difference]) -> str:
    largest: dict[tuple[str, str], Difference] = {}
    for one in found:
        key = (one.metric, one.case.split("/", maxsplit=1)[0])
        if one.number and (key not in largest or one.absolute > largest[key].absolute):
            largest[key] = one
    rows = [
        (f"`{metric}`", f"`{task}`", _shown(one.absolute), one.environment)
        for (metric, task), one in largest.items()
        if one.absolute > 0
    ]
    rows.sort()
    return "The largest difference in each task, where there is any.\n\n" + _table(
        ("value", "task", "largest difference", "environment"), rows
    )


def _aggregate_table(plan: Plan) -> str:
    rows = [
        (f"`{name}`", _shown(size), *((where, case) if size else ("", "")))
        for name, (size, where, case) in aggregate_changes(plan).items()
    ]
    return _table(("metric", "largest change", "environment", "case"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _shown(value: float) -> str:
    return f"{value:.1e}".replace(".0e", "e") if 0 < value < 1 else f"{value:g}"


def main() -> int:
    """Measure what is missing, then write the page."""
    plan, name = Plan.read()
    if name is not None:
        measure_all(next(one for one in ALL if one.name == name), plan)
        return 0
    for environment in ALL:
        run(environment, plan)
    PAGE.write_text(page(plan), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
