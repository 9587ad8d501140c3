"""How much better one case of a task scores than another, and whether that is real."""

import math
from dataclasses import dataclass
from typing import Any

from mpq_checks.analysis.points import Interval, Point
from mpq_checks.analysis.samples import ScoredSamples

__all__ = ["PAIRED", "UNPAIRED", "Difference", "difference"]

PAIRED = "paired over the samples"
UNPAIRED = "from the intervals of the two values, not paired: wider than needed"
_ALONE = "the values alone"


@dataclass(frozen=True)
class Difference:
    """One case less another, in the direction of better: above 0 is better than the other.

    Attributes:
        better_by: in the score's unit.
        interval: two-sided, of 95%; None where nothing is known of the values' spread.
        p_better: one-sided p-value of "not better"; None where the samples could not be paired.
        method: what was used.
    """

    better_by: float
    interval: Interval | None
    p_better: float | None
    method: str

    @property
    def answer(self) -> bool | None:
        """Whether it is better; None where neither that nor the contrary is shown."""
        if self.interval is None:
            return None
        low, high = self.interval
        if low > 0:
            return True
        return False if high < 0 else None

    def to_json(self) -> dict[str, Any]:
        """Numbers and the method."""
        return {
            "better_by": self.better_by,
            "interval": None if self.interval is None else list(self.interval),
            "p_better": self.p_better,
            "method": self.method,
        }


def difference(point: Point, other: Point) -> Difference:
    """Of two cases of one task.

    Paired over the samples where both cases have the same ones: see
    `mpq_checks.significance.compare` for the test. Else from the intervals of the values: the
    difference lies between the nearest and the farthest ends, at a level of at least 95% where the
    values do not err in opposite directions.
    """
    better_by = point.sign * (point.value - other.value)
    mine, theirs = point.samples, other.samples
    if mine is not None and theirs is not None and mine.keys == theirs.keys:
        return _paired(mine, theirs, better_by, higher_is_better=point.higher_is_better)
    if "value" not in point.intervals or "value" not in other.intervals:
        return Difference(better_by, None, None, _ALONE)
    (low, high), (other_low, other_high) = point.intervals["value"], other.intervals["value"]
    ends = sorted((point.sign * (low - other_high), point.sign * (high - other_low)))
    return Difference(better_by, (ends[0], ends[1]), None, UNPAIRED)


def _paired(
    mine: ScoredSamples, theirs: ScoredSamples, better_by: float, *, higher_is_better: bool
) -> Difference:
    from mpq_checks.significance.paired import compare

    found = compare(theirs.tally, mine.tally, mine.clusters, higher_is_better=higher_is_better)
    low, high = found.interval
    method = f"{PAIRED}: {found.method}"
    if math.isnan(low) or math.isnan(high):
        return Difference(better_by, None, found.p_better, method)
    return Difference(better_by, (-high, -low), found.p_better, method)
