"""Reading the statistics of samples."""

from collections.abc import Mapping, Sequence
from typing import Any

from mpq_checks.errors import MetricError

__all__ = ["column"]


def column(statistics: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """One field of all samples.

    Raises:
        MetricError: no samples, or one without the field.
    """
    if not statistics:
        raise MetricError(f"no samples to aggregate {key!r} over")
    for index, row in enumerate(statistics):
        if key not in row:
            raise MetricError(f"statistics of sample number {index} lack {key!r}")
    return [row[key] for row in statistics]
