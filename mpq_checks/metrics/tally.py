"""Sufficient statistics of samples: from them any subset or resample is aggregated exactly."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import MetricError

__all__ = [
    "Array",
    "Combine",
    "Proportion",
    "RankTally",
    "Sums",
    "Tally",
    "mean_tally",
    "ratio",
    "ratio_tally",
]

Array: TypeAlias = npt.NDArray[np.float64]

Combine: TypeAlias = Callable[[Array], Array]
"""From totals (... x columns) to the aggregate (...)."""

_STEP = 1e-6


class Tally(Protocol):
    """What one metric needs of n samples."""

    @property
    def num_samples(self) -> int:
        """Samples, n."""

    @property
    def columns(self) -> Array:
        """n x columns: what is tallied of each sample."""

    @property
    def infinite(self) -> npt.NDArray[np.bool_]:
        """Per sample, whether it makes the aggregate infinite; these are left out below."""

    @property
    def event(self) -> float | None:
        """For metrics of counted events: what one more in one sample costs; else None."""

    @property
    def outliers(self) -> int:
        """Further samples, as far out as the farthest seen, that an interval has to allow for.

        Above 0 where single samples fail wholly, and so rarely that n of them may hold none.
        """

    def value(self) -> float:
        """The aggregate over all samples, independent of their order."""

    def resampled(self, counts: Array) -> Array:
        """The aggregate of each resample. `counts`: resamples x n, how often a sample is in it."""

    def influence(self) -> Array:
        """First-order effect of each sample on the aggregate, n numbers of mean zero.

        The aggregate of a resample is about value + sum(counts * influence) / n.
        """


@dataclass(frozen=True, eq=False)
class Sums:
    """A smooth function of sums over samples: a mean, a ratio of sums, a mean of such ratios.

    Attributes:
        columns: n x columns, what is summed.
        combine: from totals to the aggregate; scaling all totals changes nothing.
        infinite: samples that make the aggregate infinite; their columns are finite and ignored.
        event: see `Tally`.
        outliers: see `Tally`.
    """

    columns: Array
    combine: Combine
    infinite: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    event: float | None = None
    outliers: int = 0

    def __post_init__(self) -> None:
        """Fill in that no sample is infinite."""
        if self.infinite.size == 0:
            object.__setattr__(self, "infinite", np.zeros(len(self.columns), dtype=bool))

    @property
    def num_samples(self) -> int:
        """Samples."""
        return len(self.columns)

    @cached_property
    def _totals(self) -> Array:
        return np.array([math.fsum(column) for column in self.columns.T])

    def value(self) -> float:
        """Infinite if any sample is."""
        return math.inf if self.infinite.any() else float(self.combine(self._totals))

    def resampled(self, counts: Array) -> Array:
        """One matrix product."""
        return self.combine(counts @ self.columns)

    def influence(self) -> Array:
        """Gradient of `combine` times each sample's distance from the mean."""
        mean = self._totals / self.num_samples
        steps = np.diag(_STEP * np.maximum(np.abs(mean), _STEP))
        slopes = (self.combine(mean + steps) - self.combine(mean - steps)) / (2 * np.diag(steps))
        linear = (self.columns - mean) @ slopes
        return np.asarray(linear - linear.mean(), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Proportion:
    """The share of samples that succeeded.

    Attributes:
        successes: n numbers, 0 or 1.
    """

    successes: Array

    @property
    def columns(self) -> Array:
        """The successes."""
        return self.successes[:, None]

    @property
    def num_samples(self) -> int:
        """Samples."""
        return self.successes.size

    @property
    def infinite(self) -> npt.NDArray[np.bool_]:
        """None."""
        return np.zeros(self.successes.size, dtype=bool)

    @property
    def event(self) -> float | None:
        """One success of n."""
        return 1.0 / self.successes.size

    @property
    def outliers(self) -> int:
        """None: a sample counts 0 or 1."""
        return 0

    def value(self) -> float:
        """Successes over samples."""
        return float(np.count_nonzero(self.successes)) / self.successes.size

    def resampled(self, counts: Array) -> Array:
        """Weighted share."""
        return np.asarray(counts @ self.successes / counts.sum(axis=1), dtype=np.float64)

    def influence(self) -> Array:
        """Success less the share of successes."""
        return np.asarray(self.successes - self.successes.mean(), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class RankTally:
    """The area under the ROC curve: how often a positive scores above a negative, ties half.

    Attributes:
        scores: n finite numbers.
        positive: n, whether a sample is a positive; both kinds occur.
    """

    scores: Array
    positive: npt.NDArray[np.bool_]

    @property
    def columns(self) -> Array:
        """The scores."""
        return self.scores[:, None]

    @property
    def num_samples(self) -> int:
        """Samples."""
        return self.scores.size

    @property
    def infinite(self) -> npt.NDArray[np.bool_]:
        """None."""
        return np.zeros(self.scores.size, dtype=bool)

    @property
    def event(self) -> float | None:
        """Ranks are not events."""
        return None

    @property
    def outliers(self) -> int:
        """None: ranks have no far ones."""
        return 0

    def value(self) -> float:
        """Exact: the sum is of half integers."""
        return float(self.resampled(np.ones((1, self.num_samples)))[0])

    def resampled(self, counts: Array) -> Array:
        """A resample without positives or without negatives gives NaN."""
        positives, negatives = self._by_score(counts)
        below = np.cumsum(negatives, axis=1) - negatives / 2
        pairs = positives.sum(axis=1) * negatives.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((positives * below).sum(axis=1) / pairs, dtype=np.float64)

    def influence(self) -> Array:
        """DeLong's structural components: a sample's own win rate less the mean one."""
        ones = np.ones((1, self.num_samples))
        (positives,), (negatives,) = self._by_score(ones)
        below = (np.cumsum(negatives) - negatives / 2) / negatives.sum()
        above = (positives.sum() - np.cumsum(positives) + positives / 2) / positives.sum()
        value = self.value()
        share = self.positive.mean()
        wins = np.where(self.positive, below[self._places], above[self._places])
        weight = np.where(self.positive, share, 1 - share)
        return np.asarray((wins - value) / weight, dtype=np.float64)

    @cached_property
    def _places(self) -> npt.NDArray[np.intp]:
        return np.unique(self.scores, return_inverse=True)[1]

    def _by_score(self, counts: Array) -> tuple[Array, Array]:
        """Counts of positives and of negatives at each distinct score, in rising order."""
        order = np.argsort(self._places, kind="stable")
        starts = np.searchsorted(self._places[order], np.arange(self._places.max() + 1))
        sums = [
            np.add.reduceat(np.where(kind, counts, 0.0)[:, order], starts, axis=1)
            for kind in (self.positive, ~self.positive)
        ]
        return sums[0], sums[1]


def mean_tally(values: Sequence[float | None], name: str) -> Sums:
    """The mean of one number a sample; None is left out, an infinite one makes the mean infinite.

    Raises:
        MetricError: no values, NaN or minus infinity.
    """
    present = np.array([value is not None for value in values], dtype=bool)
    numbers = np.array([0.0 if value is None else value for value in values], dtype=np.float64)
    infinite = np.isposinf(numbers)
    numbers = np.where(infinite, 0.0, numbers)
    if not present.any():
        raise MetricError(f"{name}: no samples to take the mean of")
    if not np.isfinite(numbers).all():
        raise MetricError(f"{name}: a sample's value is NaN or infinite")
    return Sums(np.stack([numbers, present.astype(np.float64)], axis=1), ratio, infinite)


def ratio_tally(
    numerators: Sequence[float], denominators: Sequence[float], name: str, *, events: bool = False
) -> Sums:
    """Sum of the numerators over the sum of the denominators.

    Args:
        numerators: errors, or nats, of each sample.
        denominators: words, or tokens, of each sample.
        name: of the metric, for messages.
        events: whether numerators count events. One event is then what a sample that has any has
            on average.

    Raises:
        MetricError: lists of different length, denominators that add up to nothing, or a value
            that is not finite.
    """
    if len(numerators) != len(denominators) or sum(denominators) <= 0:
        raise MetricError(
            f"{name}: {len(numerators)} samples with {sum(denominators)} words or tokens in all"
        )
    columns = np.stack([np.asarray(numerators, float), np.asarray(denominators, float)], axis=1)
    if not np.isfinite(columns).all():
        raise MetricError(f"{name}: a sample's value is NaN or infinite")
    event = None
    if events:
        some = columns[columns[:, 0] > 0, 0]
        event = float(some.mean() if some.size else 1.0) / float(columns[:, 1].sum())
    return Sums(columns, ratio, event=event)


def ratio(totals: Array) -> Array:
    """The first of two totals over the second."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[..., 0] / totals[..., 1], dtype=np.float64)
