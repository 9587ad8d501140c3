"""What a comparison of so many samples can see."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mpq_checks.significance import power, proportions
from mpq_checks.significance.power import POWER
from mpq_checks.significance.resampling import Effects, detectable_drops

__all__ = ["EffectNoise", "Noise", "PairNoise", "ShareNoise"]


class Noise(Protocol):
    """How far two versions differ by chance; its power follows."""

    def smallest_detectable(self, significance: float) -> float:
        """The drop that is found with 80% power by a one-sided test of this significance."""

    def detection_rate(self, drop: float, significance: float) -> float:
        """Probability that a drop is found."""

    def units_needed(self, drop: float, significance: float) -> int | None:
        """Clusters (samples, where they are independent) to find this drop with 80% power."""


@dataclass(frozen=True, eq=False)
class EffectNoise:
    """Effects of clusters as they were seen.

    Attributes:
        effects: of at least two clusters.
    """

    effects: Effects

    def smallest_detectable(self, significance: float) -> float:
        """By resampling the effects, so that their skew counts."""
        return max(0.0, float(np.quantile(detectable_drops(self.effects, significance), POWER)))

    def detection_rate(self, drop: float, significance: float) -> float:
        """By resampling the effects."""
        return float(np.mean(detectable_drops(self.effects, significance) <= drop))

    def units_needed(self, drop: float, significance: float) -> int | None:
        """By Student's t, for which the number does not have to be the one at hand."""
        return power.clusters_needed(drop, self.effects.spread, significance)


@dataclass(frozen=True)
class PairNoise:
    """Differences of clusters of which only the spread is known.

    Attributes:
        spread: their standard deviation, in the metric's unit.
        num_clusters: at least 2.
    """

    spread: float
    num_clusters: int

    def smallest_detectable(self, significance: float) -> float:
        """By Student's t."""
        return power.smallest_detectable(self.spread, self.num_clusters, significance)

    def detection_rate(self, drop: float, significance: float) -> float:
        """By Student's t."""
        if self.spread == 0:
            return 1.0 if drop > 0 else 0.0
        return power.detection_rate(drop, self.spread, self.num_clusters, significance)

    def units_needed(self, drop: float, significance: float) -> int | None:
        """By Student's t."""
        return power.clusters_needed(drop, self.spread, significance)


@dataclass(frozen=True)
class ShareNoise:
    """Flips of successes.

    Attributes:
        background: share of samples that are won by chance; as many more are lost.
        num_samples: n.
    """

    background: float
    num_samples: int

    def smallest_detectable(self, significance: float) -> float:
        """By the exact McNemar test."""
        return proportions.smallest_detectable(
            self.background, self.num_samples, significance, POWER
        )

    def detection_rate(self, drop: float, significance: float) -> float:
        """By the exact McNemar test."""
        return proportions.detection_rate(drop, self.background, self.num_samples, significance)

    def units_needed(self, drop: float, significance: float) -> int | None:
        """By the exact McNemar test; rounded up to the next of 2% steps."""
        if drop <= 0:
            return None
        size = 2.0
        while size < power.MOST_UNITS:
            found = proportions.detection_rate(drop, self.background, math.ceil(size), significance)
            if found >= POWER:
                return math.ceil(size)
            size *= 1.02 if found > POWER / 2 else 1.2
        return None
