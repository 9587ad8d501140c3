"""One setting of a codec, before and now, on the same samples."""

from collections.abc import Sequence
from dataclasses import dataclass

from mpq_checks.errors import CurveError
from mpq_checks.evidence import Row
from mpq_checks.profiles.base import Case

__all__ = ["Setting", "paired_setting", "require_same_samples"]


@dataclass(frozen=True)
class Setting:
    """A case with its rows on both sides, in the order of their ids.

    Attributes:
        case: codec and task.
        baseline: accepted rows.
        candidate: rows measured now, of the same samples.
    """

    case: Case
    baseline: tuple[Row, ...]
    candidate: tuple[Row, ...]

    @property
    def identical(self) -> bool:
        """Whether every number that a metric is made from is the same."""
        return [*map(_numbers, self.baseline)] == [*map(_numbers, self.candidate)]


def paired_setting(case: Case, baseline: Sequence[Row], candidate: Sequence[Row]) -> Setting:
    """Take the baseline's rows of the candidate's samples.

    Raises:
        CurveError: a sample that the baseline lacks, or has with other content.
    """
    old = {row.sample_id: row for row in baseline}
    new = sorted(candidate, key=lambda row: row.sample_id)
    absent = [row.sample_id for row in new if row.sample_id not in old]
    if absent:
        raise CurveError(f"the baseline of {case.codec.name} lacks sample {absent[0]!r}")
    changed = [
        row.sample_id for row in new if row.content_sha256 != old[row.sample_id].content_sha256
    ]
    if changed:
        raise CurveError(
            f"sample {changed[0]!r} is not the one that the baseline of {case.codec.name} has"
        )
    return Setting(case, tuple(old[row.sample_id] for row in new), tuple(new))


def require_same_samples(settings: Sequence[Setting]) -> None:
    """Raise CurveError where two settings were measured on other samples."""
    first, *others = settings
    ids = [row.sample_id for row in first.candidate]
    for other in others:
        if [row.sample_id for row in other.candidate] != ids:
            raise CurveError(
                f"{first.case.codec.name} and {other.case.codec.name} have other samples "
                f"({len(ids)} and {len(other.candidate)})"
            )


def _numbers(row: Row) -> tuple[object, ...]:
    return (row.sample_id, row.rate, row.psnr_db, row.perceptual, dict(row.statistics))
