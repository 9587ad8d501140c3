"""The paired tests: of flips of independent samples, and of the effects of clusters."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.metrics.tally import Proportion, Tally
from mpq_checks.significance.proportions import exact_interval, mcnemar_p
from mpq_checks.significance.resampling import Effects, interval, one_sided_p, student_interval
from mpq_checks.significance.sensitivity import EffectNoise, Noise, PairNoise, ShareNoise

__all__ = ["LEVEL", "EffectTest", "FlipTest", "PairedTest", "cluster_sums", "finite_value"]

Array: TypeAlias = npt.NDArray[np.float64]

LEVEL = 0.95
"""Of the two-sided intervals."""

_EXACT = "exact McNemar test, Buehler interval"
_BOOTSTRAP = "paired t-test, wider of t and studentised bootstrap interval"
_FEW_CHANGES = "paired t-test, interval by the number of changed samples"

# With fewer clusters than this that matter, one resample in fifty holds none of them, and the
# bootstrap has nothing to say at the ends of a 95% interval.
_FEW_CHANGED = 4

_ENOUGH_FOR_FEW = 20
"""Below this number of clusters, a few that changed do not tell how large a change can be."""

_MANY_CLUSTERS = 1000
"""Beyond this the skew of the effects no longer matters for the power."""

_MATTERS = 0.05
"""Share of the largest effect below which a cluster's effect does not matter."""


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
        """What its power follows from; None for a single cluster."""

    @property
    def few(self) -> bool:
        """Whether too few samples changed to know the noise by them alone."""


@dataclass(frozen=True)
class FlipTest:
    """Of two proportions of independent samples.

    Attributes:
        losses: samples that only the baseline got right.
        gains: samples that only the candidate got right.
        num_samples: all samples.
        method: test and interval.
    """

    losses: int
    gains: int
    num_samples: int
    method: str = _EXACT

    @classmethod
    def of(cls, baseline: Proportion, candidate: Proportion, sign: float) -> "FlipTest":
        """`sign`: 1 where successes are good, -1 where they are bad."""
        fell = int(np.count_nonzero(baseline.successes > candidate.successes))
        rose = int(np.count_nonzero(baseline.successes < candidate.successes))
        losses, gains = (fell, rose) if sign > 0 else (rose, fell)
        return cls(losses, gains, baseline.num_samples)

    @property
    def drop(self) -> float:
        """The estimate."""
        return (self.losses - self.gains) / self.num_samples

    def interval(self) -> tuple[float, float]:
        """Two-sided, of level `LEVEL`."""
        return exact_interval(self.losses, self.gains, self.num_samples, LEVEL)

    def p_worse(self) -> float:
        """One-sided, of "not worse"."""
        return mcnemar_p(self.losses, self.gains)

    def p_better(self) -> float:
        """One-sided, of "not better"."""
        return mcnemar_p(self.gains, self.losses)

    @property
    def few(self) -> bool:
        """Whether fewer than four samples flipped."""
        return self.losses + self.gains < _FEW_CHANGED

    def noise(self) -> Noise | None:
        """By the flips in the rarer direction."""
        return ShareNoise(min(self.losses, self.gains) / self.num_samples, self.num_samples)


@dataclass(frozen=True, eq=False)
class EffectTest:
    """Of aggregates through the effects of clusters.

    Attributes:
        baseline: n samples.
        candidate: the same.
        sign: 1 where higher is better, else -1.
        places: of each sample, its cluster.
        effects: of the clusters on the drop.
        changed: of each cluster, whether its events differ; where nothing is counted, whether
            its effect matters.
    """

    baseline: Tally
    candidate: Tally
    sign: float
    places: npt.NDArray[np.integer[Any]]
    effects: Effects
    changed: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        baseline: Tally,
        candidate: Tally,
        sign: float,
        places: npt.NDArray[np.integer[Any]],
        floor: float,
    ) -> "EffectTest":
        """`sign`: 1 where higher is better, else -1; `places`: the cluster of each sample."""
        influence = sign * (baseline.influence() - candidate.influence())
        num_clusters = int(places.max()) + 1
        effects = Effects(
            drop=sign * (finite_value(baseline) - finite_value(candidate)),
            influence=cluster_sums(influence, places) * (num_clusters / places.size),
            floor=floor,
        )
        if baseline.event is None:
            changed = _matters(effects.influence)
        else:
            moved = (baseline.columns != candidate.columns).any(axis=1)
            changed = cluster_sums(moved.astype(np.float64), places) > 0
        return cls(baseline, candidate, sign, places, effects, changed)

    @property
    def drop(self) -> float:
        """The estimate."""
        return self.effects.drop

    @property
    def method(self) -> str:
        """Test and interval."""
        return _FEW_CHANGES if self.few else _BOOTSTRAP

    def interval(self) -> tuple[float, float]:
        """Two-sided, of level `LEVEL`."""
        if not self.few:
            return self._bootstrap_interval()
        event = max(self.baseline.event or 0.0, self.candidate.event or 0.0)
        low, high = _few_changes_interval(self.effects, self.changed, event)
        if self.effects.num_clusters >= _ENOUGH_FOR_FEW:
            return low, high
        lower, higher = self._bootstrap_interval()
        return min(low, lower), max(high, higher)

    def _bootstrap_interval(self) -> tuple[float, float]:
        return self._with_outliers(*interval(self.effects, LEVEL, self._resampled))

    def _with_outliers(self, low: float, high: float) -> tuple[float, float]:
        share = self.baseline.outliers / self.effects.num_clusters
        influence = self.effects.influence
        return low + share * float(influence.min()), high + share * float(influence.max())

    def p_worse(self) -> float:
        """One-sided, of "not worse"."""
        return one_sided_p(self.effects)

    def p_better(self) -> float:
        """One-sided, of "not better"."""
        return one_sided_p(replace(self.effects, drop=-self.effects.drop))

    def noise(self) -> Noise | None:
        """None for a single cluster."""
        if self.effects.num_clusters < 2:
            return None
        if self.effects.num_clusters > _MANY_CLUSTERS:
            return PairNoise(self.effects.spread, self.effects.num_clusters)
        return EffectNoise(self.effects)

    @property
    def few(self) -> bool:
        """Whether fewer than four clusters matter."""
        return bool(np.count_nonzero(self.changed) < _FEW_CHANGED)

    def _resampled(self, counts: Array) -> Array:
        independent = self.places.size == counts.shape[1]
        of_samples = counts if independent else counts[:, self.places]
        return self.sign * (
            self.baseline.resampled(of_samples) - self.candidate.resampled(of_samples)
        )


def cluster_sums(values: Array, clusters: npt.NDArray[np.integer[Any]]) -> Array:
    """Sum of the values of each cluster."""
    return np.asarray(np.bincount(clusters, weights=values), dtype=np.float64)


def _matters(influence: Array) -> npt.NDArray[np.bool_]:
    """Whether a cluster's effect is more than next to nothing beside the largest one.

    Clusters that did not change have about the median: minus the drop.
    """
    apart = np.abs(influence - np.median(influence))
    return np.asarray(apart >= _MATTERS * apart.max(), dtype=np.bool_)


def finite_value(tally: Tally) -> float:
    """The aggregate without the samples that make it infinite."""
    return float(tally.resampled(np.ones((1, tally.num_samples)))[0])


def _few_changes_interval(
    effects: Effects, changed: npt.NDArray[np.bool_], event: float
) -> tuple[float, float]:
    """Bounds by how many clusters may change so much (Clopper & Pearson 1934), times an effect.

    The effect of a change is the largest of those seen, or that of one event where it is larger.
    Changes the other way are not set against it. What all clusters have in common, the effect of
    the median one, is added. Student's bounds hold too.
    """
    if effects.num_clusters < 2:
        return -np.inf, np.inf
    low, high = student_interval(effects, LEVEL)
    common = 0.0 if event else effects.drop + float(np.median(effects.influence))
    return (
        min(low, common - _bound(effects, changed & (effects.influence < 0), event)),
        max(high, common + _bound(effects, changed & (effects.influence > 0), event)),
    )


def _bound(effects: Effects, chosen: npt.NDArray[np.bool_], event: float) -> float:
    from scipy.stats import beta

    size, count = effects.num_clusters, int(np.count_nonzero(chosen))
    share = 1.0 if count == size else float(beta.isf((1 - LEVEL) / 2, count + 1, size - count))
    seen = float(np.abs(effects.influence[chosen]).max()) / size if count else 0.0
    return share * size * max(seen, event)
