"""Before or now: the tallies of all settings, from which any resample's curve follows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mpq_checks.aggregate import tallies
from mpq_checks.curves.interpolation import Array, Points, points
from mpq_checks.errors import CurveError
from mpq_checks.evidence import Row
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.tally import Tally
from mpq_checks.profiles.base import Case

__all__ = ["Side"]


@dataclass(frozen=True, eq=False)
class Side:
    """What rate and metrics need of the samples, for each setting.

    Attributes:
        cases: the settings.
        tallies: by name of the metric, of each setting.
    """

    cases: tuple[Case, ...]
    tallies: tuple[dict[str, Tally], ...]

    @classmethod
    def of(cls, cases: Sequence[Case], rows: Sequence[Sequence[Row]]) -> "Side":
        """Tally the rows of each case. Raises MetricError as `tallies` does."""
        return cls(tuple(cases), tuple(map(tallies, cases, rows)))

    def infinite(self, metric: Metric) -> str:
        """The setting at which a metric is not finite, or empty."""
        for case, of_case in zip(self.cases, self.tallies, strict=True):
            if not math.isfinite(of_case[metric.name].value()):
                return case.codec.name
        return ""

    def points(self, metrics: Sequence[Metric]) -> Points:
        """The curve of these metrics. Raises CurveError as `points` does."""
        rate = self.cases[0].metrics[0]
        rates = [of_case[rate.name].value() for of_case in self.tallies]
        errors = [
            [_error(metric, of_case[metric.name].value()) for metric in metrics]
            for of_case in self.tallies
        ]
        return points(rates, errors)

    def resampled(self, metrics: Sequence[Metric], counts: Array) -> Iterator[Points | None]:
        """The curve of each resample; None where it has none.

        Args:
            metrics: finite ones. One that a resample does not define is NaN there.
            counts: resamples x samples, how often a sample is in it.
        """
        rate = self.cases[0].metrics[0]
        rates = np.stack([of_case[rate.name].resampled(counts) for of_case in self.tallies], axis=1)
        errors = np.zeros((*rates.shape, len(metrics)))
        for place, of_case in enumerate(self.tallies):
            for column, metric in enumerate(metrics):
                values = of_case[metric.name].resampled(counts)
                errors[:, place, column] = -values if metric.higher_is_better else values
        for some_rates, some_errors in zip(rates, errors, strict=True):
            try:
                yield points(some_rates, some_errors)
            except CurveError:
                yield None


def _error(metric: Metric, value: float) -> float:
    return -value if metric.higher_is_better else value
