"""One sample under the codecs of its task, with what a caption says of it."""

from dataclasses import dataclass
from typing import Any

from mpq_checks.errors import DatasetError
from mpq_checks.metrics.psnr import psnr_db
from mpq_checks.metrics.rate import bits_per_unit, rate_metric
from mpq_checks.profiles.base import Case, Profile
from mpq_checks.signals import Signal
from mpq_checks.tasks.base import Task

__all__ = ["Decoded", "Example", "examples"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded signal. Without a rate it is the original.

    Attributes:
        codec: its name, or `original`.
        signal: what was decoded.
        rate: bits per pixel or sample.
        psnr_db: in dB.
        perceptual: LPIPS or CDPAM distance.
    """

    codec: str
    signal: Signal
    rate: float | None = None
    psnr_db: float | None = None
    perceptual: float | None = None


@dataclass(frozen=True, eq=False)
class Example:
    """A sample of a task: the original, then each codec in the profile's order."""

    task: Task
    sample_id: str
    shown: tuple[Decoded, ...]

    def caption(self, decoded: Decoded) -> str:
        """Codec, rate, PSNR and perceptual distance, in two lines."""
        if decoded.rate is None:
            return f"{decoded.codec}\n{self.task.name} {self.sample_id}"
        metric = self.task.perceptual.metric
        rate = rate_metric(self.task.modality)
        return (
            f"{decoded.codec}  {decoded.rate:.3f} {rate.unit}\n"
            f"{decoded.psnr_db:.1f} dB  {metric.name.upper()} {decoded.perceptual:.3f}"
        )


def examples(profile: Profile, chosen: dict[str, str], device: str = "cpu") -> list[Example]:
    """One sample a task, coded by each codec of the profile but `none`.

    Args:
        profile: which tasks and codecs.
        chosen: sample id by task name; a task that is not in it shows its first sample.
        device: where the perceptual metric runs.

    Raises:
        DatasetError: a task or sample that does not exist.
        CodecError: a codec that fails.
    """
    by_task: dict[str, list[Case]] = {}
    for case in profile.cases:
        by_task.setdefault(case.task.name, []).append(case)
    unknown = sorted(set(chosen) - set(by_task))
    if unknown:
        raise DatasetError(f"profile {profile.name} has no task {unknown[0]!r}")
    return [_example(cases, chosen.get(name), device) for name, cases in by_task.items()]


def _example(cases: list[Case], sample_id: str | None, device: str) -> Example:
    task = cases[0].task
    known = task.dataset.sample_ids()
    if sample_id is not None and sample_id not in known:
        raise DatasetError(f"dataset {task.dataset.name} has no sample {sample_id!r}")
    sample = task.dataset.load(sample_id or known[0])
    perceptual = task.perceptual.load(device)
    shown = [Decoded("original", sample.signal)]
    shown += [
        _decoded(case.codec, sample.signal, perceptual)
        for case in cases
        if case.codec.nominal_rate is None
    ]
    return Example(task, sample.sample_id, tuple(shown))


# Any: codec, signal and metric are of one modality.
def _decoded(codec: Any, signal: Any, perceptual: Any) -> Decoded:
    encoded = codec.encode(signal)
    decoded = codec.decode(encoded)
    return Decoded(
        codec.name,
        decoded,
        bits_per_unit(len(encoded), signal),
        psnr_db(signal, decoded),
        perceptual.distance(signal, decoded),
    )
