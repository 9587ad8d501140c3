"""What a paired test can see: its power by Student's t, the drop it finds, the n it needs."""

import math
from functools import lru_cache

__all__ = ["MOST_UNITS", "POWER", "clusters_needed", "detection_rate", "smallest_detectable"]

POWER = 0.8
"""Probability of detection at the smallest detectable drop."""

MOST_UNITS = 10**7
"""Beyond this no number of clusters is looked for."""


def detection_rate(drop: float, spread: float, num_clusters: int, significance: float) -> float:
    """Probability that the one-sided paired t-test finds a drop (Cohen 1988, noncentral t).

    Args:
        drop: true drop, above 0.
        spread: standard deviation of a cluster's effect, in the same unit.
        num_clusters: at least 2.
        significance: of the test.
    """
    return _power(drop / spread, num_clusters, significance)


def smallest_detectable(spread: float, num_clusters: int, significance: float) -> float:
    """The drop that the test finds with 80% power; infinite for fewer than two clusters."""
    if num_clusters < 2:
        return math.inf
    return spread * _smallest_effect(num_clusters, significance)


def clusters_needed(drop: float, spread: float, significance: float) -> int | None:
    """How many clusters the test needs to find this drop with 80% power.

    None where ten million do not suffice.
    """
    if spread == 0:
        return 2
    effect = drop / spread
    if effect <= 0 or _power(effect, MOST_UNITS, significance) < POWER:
        return None
    low, high = 1, 2
    while _power(effect, high, significance) < POWER:
        low, high = high, min(2 * high, MOST_UNITS)
    while high - low > 1:
        middle = (low + high) // 2
        if _power(effect, middle, significance) < POWER:
            low = middle
        else:
            high = middle
    return high


def _power(effect: float, num_clusters: int, significance: float) -> float:
    from scipy.stats import nct
    from scipy.stats import t as student

    degrees = num_clusters - 1
    critical = student.isf(significance, degrees)
    return float(nct.sf(critical, degrees, effect * math.sqrt(num_clusters)))


@lru_cache(maxsize=4096)
def _smallest_effect(num_clusters: int, significance: float) -> float:
    """In standard deviations."""
    from scipy.optimize import brentq
    from scipy.stats import t as student

    critical = float(student.isf(significance, num_clusters - 1))
    most = 10 * (critical + 1) / math.sqrt(num_clusters)
    while _power(most, num_clusters, significance) < POWER:
        most *= 10

    def shortfall(effect: float) -> float:
        return _power(effect, num_clusters, significance) - POWER

    return float(brentq(shortfall, 0.0, most, xtol=1e-6))
