"""Can this machine run a profile? One finding per thing that a run needs."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mpq_checks import assets
from mpq_checks.baselines import Baseline, baseline_path, read_baseline, unused_files
from mpq_checks.environment import available_cores, environment
from mpq_checks.errors import MpqError
from mpq_checks.printed import checked_printed, is_printed, read_printed
from mpq_checks.profiles import Case, Profile
from mpq_checks.profiles.requirements import requirements
from mpq_checks.verdict import judge_new

__all__ = ["Finding", "Sensitivity", "examine", "sensitivities"]

_GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        what: the thing.
        state: how it is; where it is not well, what to do.
        ok: whether it is well.
    """

    what: str
    state: str
    ok: bool = True


@dataclass(frozen=True)
class Sensitivity:
    """What one metric of a case can show, by its stored baseline.

    Attributes:
        case_id: `task/codec`.
        metric: name.
        num_samples: n.
        margin: the drop that is accepted, in the metric's unit.
        smallest_detectable_drop: see `mpq_checks.verdict.MetricJudgement`.
        samples_needed: to show a drop of the margin.
    """

    case_id: str
    metric: str
    num_samples: int
    margin: float
    smallest_detectable_drop: float | None
    samples_needed: int | None

    @property
    def suffices(self) -> bool:
        """Whether a drop of the margin can be shown."""
        least = self.smallest_detectable_drop
        return least is None or least <= self.margin


def sensitivities(profile: Profile, baselines: Path) -> list[Sensitivity]:
    """Of every metric of every case that has a readable baseline."""
    return [
        Sensitivity(
            case_id=case.id,
            metric=metric.name,
            num_samples=len(stored.evidence.rows),
            margin=metric.margin,
            smallest_detectable_drop=metric.smallest_detectable_drop,
            samples_needed=metric.samples_needed,
        )
        for case, stored in _readable_baselines(profile, baselines)
        for metric in judge_new(case, stored.evidence, profile.family_size).metrics
    ]


def _readable_baselines(profile: Profile, folder: Path) -> Iterator[tuple[Case, Baseline]]:
    for case in profile.cases:
        try:
            path = baseline_path(folder, profile.name, case.task.name, case.codec.name)
            yield case, read_baseline(path)
        except MpqError:
            continue  # `examine` tells


def examine(profile: Profile, baselines: Path) -> list[Finding]:
    """Look at the machine, the libraries, the assets and the baselines."""
    return [
        *_machine(),
        *_assets(profile),
        *_others(profile),
        *_codecs(profile),
        *_baselines(profile, baselines),
    ]


def _machine() -> Iterator[Finding]:
    import psutil

    from mpq_checks.torch_stack import prepare

    prepare()
    yield Finding("environment", ", ".join(f"{k} {v}" for k, v in environment("cpu").items()))
    memory = psutil.virtual_memory().available / _GIB
    yield Finding("cores, memory", f"{available_cores()} cores, {memory:.1f} GiB free")


def _assets(profile: Profile) -> Iterator[Finding]:
    folder = assets.cache_dir()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / _GIB
    yield Finding("asset cache", f"{folder}, {free:.1f} GiB free (MPQ_CACHE_DIR names another)")
    manifest = assets.load_manifest()
    for name in profile.assets():
        licence = f"licence {manifest[name].licence}"
        if not assets.is_cached(name):
            yield Finding(f"asset {name}", f"not fetched yet; run `mpq fetch`; {licence}")
            continue
        try:
            assets.verify(name)
        except MpqError as error:
            yield Finding(f"asset {name}", str(error), ok=False)
        else:
            yield Finding(f"asset {name}", f"intact; {licence}")


def _others(profile: Profile) -> Iterator[Finding]:
    """Published datasets, models of the hub, official files: what is no asset of the manifest."""
    pinned = set(profile.assets())
    for need in requirements(profile):
        if need.name not in pinned:
            state = need.missing or f"{need.where}; licence {need.licence}"
            yield Finding(f"{need.kind} {need.name}", state, ok=not need.missing)


def _codecs(profile: Profile) -> Iterator[Finding]:
    for codec in dict.fromkeys(case.codec for case in profile.cases):
        try:
            identity = codec.identity()
        except MpqError as error:
            yield Finding(f"codec {codec.name}", str(error), ok=False)
        else:
            yield Finding(f"codec {codec.name}", ", ".join(f"{k} {v}" for k, v in identity.items()))


def _baselines(profile: Profile, folder: Path) -> Iterator[Finding]:
    for case in profile.cases:
        yield _baseline(profile, folder, case)
    for path in unused_files(folder, profile):
        yield Finding(f"baseline {path}", "no case uses it; delete it", ok=False)


def _baseline(profile: Profile, folder: Path, case: Case) -> Finding:
    try:
        path = baseline_path(folder, profile.name, case.task.name, case.codec.name)
        if is_printed(path):
            source = checked_printed(read_printed(path), path, case).source
            return Finding(f"baseline {case.id}", f"printed, not measured: {source}")
        stored = read_baseline(path)
    except MpqError as error:
        return Finding(f"baseline {case.id}", str(error), ok=False)
    last = stored.history[-1].date if stored.history else "unknown date"
    return Finding(f"baseline {case.id}", f"{len(stored.evidence.rows)} samples, accepted {last}")
