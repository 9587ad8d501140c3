"""The paper's study of a run: points, correlations and findings. Plain data in, plain data out."""

from mpq_checks.analysis.correlation import Correlation, correlations
from mpq_checks.analysis.findings import Finding, findings
from mpq_checks.analysis.points import (
    Point,
    Study,
    points_of_printed,
    points_of_results,
    points_of_table,
)

__all__ = [
    "Correlation",
    "Finding",
    "Point",
    "Study",
    "correlations",
    "findings",
    "points_of_printed",
    "points_of_results",
    "points_of_table",
]
