"""Interval of the drops: a paired bootstrap over samples, or over clusters of them.

A resample draws clusters with replacement, the same ones for all settings and for both sides, so
that what is easy or hard about a sample cancels. Percentiles are those of the expanded percentile
interval (T. Hesterberg, "What teachers should know about the bootstrap", The American
Statistician 69, 2015), which is as wide as Student's t where there are few clusters.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpq_checks.curves.interpolation import Array, Points, drops_at_equal_rate
from mpq_checks.curves.side import Side
from mpq_checks.errors import CurveError
from mpq_checks.metrics.base import Metric
from mpq_checks.significance.resampling import NUM_RESAMPLES, SEED, cluster_counts

__all__ = ["LEVEL", "METHOD", "intervals"]

LEVEL = 0.95

METHOD = (
    f"PCHIP over log10 of the rate; {LEVEL:.0%} expanded percentile interval, "
    f"{NUM_RESAMPLES} paired resamples, seed {SEED}"
)

_MIN_DEFINED = 0.9
"""The share of resamples in which a drop must be defined for an interval."""


def intervals(
    before: Side, after: Side, metrics: Sequence[Metric], clusters: npt.NDArray[np.intp]
) -> list[tuple[float, float] | str]:
    """Interval of each metric's drop, or why there is none.

    Args:
        before: of the baselines.
        after: of the candidates, on the same samples in the same order.
        metrics: finite ones.
        clusters: number of each sample's cluster, 0 and up.
    """
    num_clusters = int(clusters.max()) + 1
    if num_clusters < 2:
        return ["all samples are one cluster"] * len(metrics)
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite is left out
        drops = _resampled_drops(before, after, metrics, clusters)
    return [_interval(column, num_clusters) for column in drops.T]


def _resampled_drops(
    before: Side, after: Side, metrics: Sequence[Metric], clusters: npt.NDArray[np.intp]
) -> Array:
    """Drop of each metric in each resample, resamples x metrics; NaN where it has none."""
    drops = []
    for counts in cluster_counts(int(clusters.max()) + 1):
        of_samples = counts[:, clusters]
        pairs = zip(
            before.resampled(metrics, of_samples), after.resampled(metrics, of_samples), strict=True
        )
        drops += [_drops(old, new, len(metrics)) for old, new in pairs]
    return np.stack(drops)


def _drops(before: Points | None, after: Points | None, num_metrics: int) -> Array:
    nothing = np.full(num_metrics, np.nan)
    if before is None or after is None:
        return nothing
    defined = (np.isfinite(before.errors) & np.isfinite(after.errors)).all(axis=0)
    if not defined.all():  # the interpolation refuses what is not finite
        before = Points(before.log_rates, np.where(defined, before.errors, 0.0))
        after = Points(after.log_rates, np.where(defined, after.errors, 0.0))
    try:
        return np.where(defined, drops_at_equal_rate(before, after), np.nan)
    except CurveError:
        return nothing


def _interval(drops: Array, num_clusters: int) -> tuple[float, float] | str:
    from scipy.special import ndtr, stdtrit

    defined = np.sort(drops[~np.isnan(drops)])
    if defined.size < _MIN_DEFINED * drops.size:
        return f"only {defined.size / drops.size:.0%} of the resamples have a drop"
    degrees = num_clusters - 1
    quantile = stdtrit(degrees, (1 - LEVEL) / 2) * np.sqrt(num_clusters / degrees)
    # Ranks are counted alike from both ends, so that a changed sign mirrors the interval.
    rank = int(ndtr(quantile) * defined.size)
    return float(defined[rank]), float(defined[-1 - rank])
