"""How well the samples know a value by itself, whatever it is compared with."""

import math
from collections.abc import Sequence

import numpy as np

from mpq_checks.metrics.tally import Array, Proportion, Tally
from mpq_checks.significance.paired_tests import LEVEL, cluster_sums, finite_value
from mpq_checks.significance.resampling import Effects, interval

__all__ = ["value_interval", "wilson"]


def value_interval(tally: Tally, clusters: Sequence[int]) -> tuple[float, float] | None:
    """Two-sided 95% interval of an aggregate; None where it is infinite or knows no spread.

    Of a share of independent samples Wilson's (1927); else the wider of Student's and the
    studentised bootstrap's, over clusters.

    Args:
        tally: n samples.
        clusters: of each sample, its cluster: 0, 1, 2 and so on without gaps.
    """
    places = np.asarray(clusters)
    num_clusters = int(places.max()) + 1
    independent = num_clusters == places.size
    if isinstance(tally, Proportion) and independent:
        return wilson(int(tally.successes.sum()), tally.num_samples)
    if num_clusters < 2 or not math.isfinite(tally.value()):
        return None
    influence = cluster_sums(tally.influence(), places) * (num_clusters / places.size)
    effects = Effects(drop=finite_value(tally), influence=influence)

    def resampled(counts: Array) -> Array:
        return tally.resampled(counts if independent else counts[:, places])

    return interval(effects, LEVEL, resampled)


def wilson(successes: int, num_samples: int) -> tuple[float, float]:
    """Wilson's two-sided 95% interval of a share of independent samples."""
    from scipy.stats import binomtest

    found = binomtest(successes, num_samples).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)
