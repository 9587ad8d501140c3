"""A curve of now against that of the baselines. It informs; no verdict follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from mpq_checks.curves.interpolation import (
    Points,
    common_rates,
    drops_at_equal_rate,
    rate_difference_percent,
)
from mpq_checks.curves.resampling import METHOD, intervals
from mpq_checks.curves.setting import Setting, require_same_samples
from mpq_checks.curves.side import Side
from mpq_checks.errors import CurveError, MpqError
from mpq_checks.evidence import cluster_numbers
from mpq_checks.metrics.base import Metric

__all__ = ["Curve", "CurveMetric", "compare", "no_curve"]


@dataclass(frozen=True)
class CurveMetric:
    """One metric along the curve.

    Attributes:
        name: `psnr_db`, `nll` and so on.
        unit: of drop and interval.
        higher_is_better: direction of better.
        decimals: digits to show.
        drop: mean over the common rates (their logarithm) of how much worse now is, below 0 is
            better; None where it cannot be had.
        interval: 95% interval of the drop; None where it cannot be had.
        rate_difference_percent: mean over the common scores of how many more bits now takes,
            below 0 is fewer; None where it cannot be had.
        missing: why, by the name of each attribute that is None.
    """

    name: str
    unit: str
    higher_is_better: bool
    decimals: int
    drop: float | None
    interval: tuple[float, float] | None
    rate_difference_percent: float | None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Curve:
    """The settings of one codec under one task.

    Attributes:
        task: name of the task.
        codec: name of the codec's family: `jpeg`.
        settings: names of the codecs, in the order of the profile.
        identical: whether all numbers are those of the baselines.
        missing: why there is no comparison, or empty.
        num_samples: that each setting was measured on; 0 without a comparison.
        num_clusters: independent samples, or groups of them.
        common_rates: length of the common range of log rates over that of both together, 0..1.
        method: of the comparison.
        metrics: all but the rate, in the order of the case.
    """

    task: str
    codec: str
    settings: tuple[str, ...]
    identical: bool = False
    missing: str = ""
    num_samples: int = 0
    num_clusters: int = 0
    common_rates: float | None = None
    method: str = METHOD
    metrics: tuple[CurveMetric, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Builtin types and JSON values only; the metrics by name."""
        values = asdict(self)
        values["metrics"] = {metric.pop("name"): metric for metric in values["metrics"]}
        return values


def no_curve(task: str, codec: str, settings: Sequence[str], why: str) -> Curve:
    """A curve that cannot be compared."""
    return Curve(task, codec, tuple(settings), missing=why)


def compare(task: str, codec: str, settings: Sequence[Setting]) -> Curve:
    """Compare the curve through the candidates with that through the baselines.

    It never raises: what cannot be had says why.

    Args:
        task: name of the task.
        codec: name of the codec's family.
        settings: two or more, of one task, so of the same metrics.
    """
    names = [setting.case.codec.name for setting in settings]
    try:
        require_same_samples(settings)
        return _compared(Curve(task, codec, tuple(names)), settings)
    except MpqError as error:
        return no_curve(task, codec, names, str(error))
    except Exception as error:
        # A baseline of another version of a task can raise anything, and must not end the run.
        why = f"the samples do not give these metrics ({type(error).__name__}: {error})"
        return no_curve(task, codec, names, why)


def _compared(curve: Curve, settings: Sequence[Setting]) -> Curve:
    clusters = np.array(cluster_numbers(settings[0].baseline))
    metrics = settings[0].case.metrics[1:]
    curve = replace(curve, num_samples=clusters.size, num_clusters=int(clusters.max()) + 1)
    if all(setting.identical for setting in settings):
        same = tuple(_metric(metric, 0.0, (0.0, 0.0), 0.0) for metric in metrics)
        return replace(curve, identical=True, common_rates=1.0, metrics=same)
    cases = [setting.case for setting in settings]
    before = Side.of(cases, [setting.baseline for setting in settings])
    after = Side.of(cases, [setting.candidate for setting in settings])
    infinite = {
        metric.name: before.infinite(metric) or after.infinite(metric) for metric in metrics
    }
    finite = [metric for metric in metrics if not infinite[metric.name]]
    old, new = before.points(finite), after.points(finite)
    drops = drops_at_equal_rate(old, new)
    found = {
        metric.name: _metric(metric, float(drops[column]), ends, _rate(old, new, column))
        for column, (metric, ends) in enumerate(
            zip(finite, intervals(before, after, finite, clusters), strict=True)
        )
    }
    for metric in metrics:
        if metric not in finite:
            why = f"{metric.name} is infinite at {infinite[metric.name]}"
            found[metric.name] = _metric(metric, why, why, why)
    return replace(
        curve,
        common_rates=common_rates(old, new),
        metrics=tuple(found[metric.name] for metric in metrics),
    )


def _rate(before: Points, after: Points, column: int) -> float | str:
    try:
        return rate_difference_percent(before, after, column)
    except CurveError as error:
        return str(error)


def _metric(
    metric: Metric,
    drop: float | str,
    interval: tuple[float, float] | str,
    rate_difference: float | str,
) -> CurveMetric:
    """Numbers, or in their place why there are none."""
    parts = {"drop": drop, "interval": interval, "rate_difference_percent": rate_difference}
    return CurveMetric(
        name=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        decimals=metric.decimals,
        drop=None if isinstance(drop, str) else drop,
        interval=None if isinstance(interval, str) else interval,
        rate_difference_percent=None if isinstance(rate_difference, str) else rate_difference,
        missing={name: part for name, part in parts.items() if isinstance(part, str)},
    )
