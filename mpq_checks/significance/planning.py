"""How much noise to expect of a comparison, before there is a candidate to compare.

Measured by `benchmarks/canaries.py spread`; see docs/statistics.md.
"""

from collections.abc import Mapping

__all__ = ["PLANNED_SHARES", "planned_share"]

PLANNED_SHARES: Mapping[str, float] = {}

_UNKNOWN = 0.3


def planned_share(metric: str) -> float:
    """Standard deviation of the differences between two versions, per that between samples.

    For top-1 it is the share of samples that flip either way. Metrics that were not measured get
    the largest of the measured shares of continuous scores.
    """
    return PLANNED_SHARES.get(metric, _UNKNOWN)
