"""Metrics: one module each. Importing them brings in no torch; the networks load when used."""

from mpq_checks.metrics.base import Metric, PerceptualDistance, PerceptualMetric
from mpq_checks.metrics.cdpam import Cdpam
from mpq_checks.metrics.lpips import Lpips

__all__ = ["Cdpam", "Lpips", "Metric", "PerceptualDistance", "PerceptualMetric"]
