"""Compare two tallies of the same samples: the drop, its interval, its one-sided p-values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import MetricError
from mpq_checks.metrics.tally import Proportion, Tally
from mpq_checks.significance.proportions import exact_interval, mcnemar_p
from mpq_checks.significance.resampling import Effects, interval, one_sided_p
from mpq_checks.significance.sensitivity import Noise, PairNoise, ShareNoise

__all__ = ["LEVEL", "Comparison", "PairedTest", "compare", "paired_test", "planned_noise"]

Array: TypeAlias = npt.NDArray[np.float64]

LEVEL = 0.95
"""Of the two-sided intervals."""

_EXACT = "exact McNemar test, Buehler interval"
_BOOTSTRAP = "paired t-test, wider of t and studentised bootstrap interval"
_FEW_EVENTS = "paired t-test, interval by the number of changed samples"
_CERTAIN = "certain: one side is infinite"

# With fewer changed clusters than this, one resample in fifty holds none of them, and the
# bootstrap has nothing to say at the ends of a 95% interval.
_FEW_CHANGED = 4


@dataclass(frozen=True)
class Comparison:
    """One metric, baseline against candidate.

    Attributes:
        drop: how much worse the candidate is, in the metric's unit; below 0 is better.
        interval: two-sided 95% interval of the drop; infinite where nothing bounds it.
        p_worse: one-sided p-value of "the candidate is not worse".
        p_better: of "the candidate is not better".
        noise: what the power of the comparison follows from; None where too few samples changed,
            or the outcome is certain.
        method: test and interval.
    """

    drop: float
    interval: tuple[float, float]
    p_worse: float
    p_better: float
    noise: Noise | None
    method: str


def compare(
    baseline: Tally,
    candidate: Tally,
    clusters: Sequence[int],
    *,
    higher_is_better: bool,
    floor: float = 0.0,
) -> Comparison:
    """Compare on the same samples in the same order.

    Args:
        baseline: n samples.
        candidate: the same n samples.
        clusters: of each sample, its cluster: 0, 1, 2 and so on without gaps.
        higher_is_better: direction of better.
        floor: float noise of one cluster's value, in the metric's unit.

    Raises:
        MetricError: tallies of different length, or no samples.
    """
    if not baseline.num_samples == candidate.num_samples == len(clusters) > 0:
        raise MetricError(
            f"{baseline.num_samples} samples of the baseline, {candidate.num_samples} of the "
            f"candidate and {len(clusters)} clusters cannot be paired"
        )
    certain = _certain(baseline, candidate, 1.0 if higher_is_better else -1.0)
    if certain is not None:
        return certain
    test = paired_test(
        baseline, candidate, clusters, higher_is_better=higher_is_better, floor=floor
    )
    return Comparison(
        drop=test.drop,
        interval=test.interval(),
        p_worse=test.p_worse(),
        p_better=test.p_better(),
        noise=test.noise(),
        method=test.method,
    )


def paired_test(
    baseline: Tally,
    candidate: Tally,
    clusters: Sequence[int],
    *,
    higher_is_better: bool,
    floor: float = 0.0,
) -> "PairedTest":
    """The test for these tallies, all of whose values are finite; arguments as of `compare`."""
    sign = 1.0 if higher_is_better else -1.0
    places = np.asarray(clusters)
    independent = int(places.max()) + 1 == places.size
    if isinstance(baseline, Proportion) and isinstance(candidate, Proportion) and independent:
        return _FlipTest.of(baseline, candidate, sign)
    return _EffectTest.of(baseline, candidate, sign, places, floor)


class PairedTest(Protocol):
    """A paired comparison whose parts are computed when asked for."""

    @property
    def drop(self) -> float:
        """The estimate."""

    @property
    def method(self) -> str:
        """Test and interval."""

    def interval(self) -> tuple[float, float]:
        """Two-sided, of level `LEVEL`."""

    def p_worse(self) -> float:
        """One-sided, of "not worse"."""

    def p_better(self) -> float:
        """One-sided, of "not better"."""

    def noise(self) -> Noise | None:
        """What its power follows from; None where too few samples changed to tell."""


@dataclass(frozen=True)
class _FlipTest:
    """Of two proportions of independent samples."""

    losses: int
    gains: int
    num_samples: int
    method: str = _EXACT

    @classmethod
    def of(cls, baseline: Proportion, candidate: Proportion, sign: float) -> "_FlipTest":
        fell = int(np.count_nonzero(baseline.successes > candidate.successes))
        rose = int(np.count_nonzero(baseline.successes < candidate.successes))
        losses, gains = (fell, rose) if sign > 0 else (rose, fell)
        return cls(losses, gains, baseline.num_samples)

    @property
    def drop(self) -> float:
        return (self.losses - self.gains) / self.num_samples

    def interval(self) -> tuple[float, float]:
        return exact_interval(self.losses, self.gains, self.num_samples, LEVEL)

    def p_worse(self) -> float:
        return mcnemar_p(self.losses, self.gains)

    def p_better(self) -> float:
        return mcnemar_p(self.gains, self.losses)

    def noise(self) -> Noise | None:
        if self.losses + self.gains < _FEW_CHANGED:
            return None
        return ShareNoise(min(self.losses, self.gains) / self.num_samples, self.num_samples)


@dataclass(frozen=True, eq=False)
class _EffectTest:
    """Of aggregates through the effects of clusters."""

    baseline: Tally
    candidate: Tally
    sign: float
    places: npt.NDArray[np.integer]
    effects: Effects
    changed: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        baseline: Tally,
        candidate: Tally,
        sign: float,
        places: npt.NDArray[np.integer],
        floor: float,
    ) -> "_EffectTest":
        influence = sign * (baseline.influence() - candidate.influence())
        num_clusters = int(places.max()) + 1
        effects = Effects(
            drop=sign * (_finite_value(baseline) - _finite_value(candidate)),
            influence=_cluster_sums(influence, places) * (num_clusters / places.size),
            floor=floor,
        )
        moved = (baseline.columns != candidate.columns).any(axis=1)
        changed = _cluster_sums(moved.astype(np.float64), places) > 0
        return cls(baseline, candidate, sign, places, effects, changed)

    @property
    def drop(self) -> float:
        return self.effects.drop

    @property
    def method(self) -> str:
        return _FEW_EVENTS if self._few_events else _BOOTSTRAP

    def interval(self) -> tuple[float, float]:
        if self._few_events:
            event = max(self.baseline.event or 0.0, self.candidate.event or 0.0)
            return _few_events_interval(self.effects, self.changed, event)
        return interval(self.effects, LEVEL, self._resampled)

    def p_worse(self) -> float:
        return one_sided_p(self.effects)

    def p_better(self) -> float:
        return one_sided_p(replace(self.effects, drop=-self.effects.drop))

    def noise(self) -> Noise | None:
        if np.count_nonzero(self.changed) < _FEW_CHANGED:
            return None
        return PairNoise(self.effects.spread, self.effects.num_clusters)

    @property
    def _few_events(self) -> bool:
        few = np.count_nonzero(self.changed) < _FEW_CHANGED
        return self.baseline.event is not None and bool(few)

    def _resampled(self, counts: Array) -> Array:
        independent = self.places.size == counts.shape[1]
        of_samples = counts if independent else counts[:, self.places]
        return self.sign * (
            self.baseline.resampled(of_samples) - self.candidate.resampled(of_samples)
        )


def planned_noise(baseline: Tally, clusters: Sequence[int], share: float) -> Noise | None:
    """The noise to expect of a comparison with this baseline, before there is a candidate.

    None where the samples of the baseline do not differ, as in the rate of uncompressed signals.

    Args:
        baseline: n samples.
        clusters: see `compare`.
        share: spread of the differences between two versions as a share of the spread between
            samples; of a proportion, the share of samples that flip either way.
    """
    places = np.asarray(clusters)
    num_clusters = int(places.max()) + 1
    if isinstance(baseline, Proportion) and num_clusters == places.size:
        return ShareNoise(share / 2, baseline.num_samples)
    if num_clusters < 2 or not math.isfinite(_finite_value(baseline)):
        return None
    influence = _cluster_sums(baseline.influence(), places) * (num_clusters / places.size)
    spread = share * float(np.std(influence, ddof=1))
    return PairNoise(spread, num_clusters) if spread > 0 else None


def _cluster_sums(values: Array, clusters: npt.NDArray[np.integer]) -> Array:
    """Sum of the values of each cluster."""
    return np.asarray(np.bincount(clusters, weights=values), dtype=np.float64)


def _certain(baseline: Tally, candidate: Tally, sign: float) -> Comparison | None:
    """The outcome where a sample or an aggregate is infinite on one side only."""
    lost = (baseline.infinite & ~candidate.infinite).any()
    won = (candidate.infinite & ~baseline.infinite).any()
    before, after = _finite_value(baseline), _finite_value(candidate)
    if not lost and not won and math.isfinite(before) and math.isfinite(after):
        return None
    if lost or won:
        drop = math.inf if (lost if sign > 0 else won) else -math.inf
    else:
        drop = 0.0 if before == after else sign * (before - after)
    return Comparison(
        drop=drop,
        interval=(drop, drop),
        p_worse=0.0 if drop > 0 else 1.0,
        p_better=0.0 if drop < 0 else 1.0,
        noise=None,
        method=_CERTAIN,
    )


def _finite_value(tally: Tally) -> float:
    """The aggregate without the samples that make it infinite."""
    return float(tally.resampled(np.ones((1, tally.num_samples)))[0])


def _few_events_interval(
    effects: Effects, changed: npt.NDArray[np.bool_], event: float
) -> tuple[float, float]:
    """Bounds by how many clusters may change at all (Clopper & Pearson 1934), times an effect.

    The effect of a change is the mean of those seen, or that of one event where it is larger.
    Changes the other way are not set against it. Student's bounds hold too.
    """
    if effects.num_clusters < 2:
        return -np.inf, np.inf
    low, high = interval(effects, LEVEL, _no_resamples)
    return (
        min(low, -_bound(effects, changed & (effects.influence < 0), event)),
        max(high, _bound(effects, changed & (effects.influence > 0), event)),
    )


def _bound(effects: Effects, chosen: npt.NDArray[np.bool_], event: float) -> float:
    from scipy.stats import beta

    size, count = effects.num_clusters, int(np.count_nonzero(chosen))
    share = 1.0 if count == size else float(beta.isf((1 - LEVEL) / 2, count + 1, size - count))
    seen = float(np.abs(effects.influence[chosen]).mean()) / size if count else 0.0
    return share * size * max(seen, event)


def _no_resamples(counts: Array) -> Array:
    return np.full(len(counts), np.nan)
