"""The section on rate and quality at the end of a run."""

import textwrap
from collections.abc import Sequence

from mpq_checks.curves import Curve, CurveMetric

__all__ = ["curve_lines"]

_HEADING = "rate and quality, beside the verdicts: drop (above 0 is worse) with its 95% interval"

_WIDTH = 100
_LITTLE_IN_COMMON = 0.75
"""Common range of rates below which it is told; the package bjontegaard warns there too."""

_LEAST_PERCENT = 0.05


def curve_lines(curves: Sequence[Curve]) -> list[str]:
    """A heading, and lines of at most 100 columns; nothing where there are no curves.

    A curve that did not move, or cannot be compared, is one line.
    """
    if not curves:
        return []
    return [_HEADING] + [line for curve in curves for line in _curve(curve)]


def _curve(curve: Curve) -> list[str]:
    name = f"{curve.task} {curve.codec} ({len(curve.settings)} settings)"
    if curve.missing:
        return _wrapped(f"{name}: no comparison, because {curve.missing}")
    if curve.identical:
        return _wrapped(f"{name}: all rates and scores are those of the baselines")
    if all(map(_unmoved, curve.metrics)):
        return _wrapped(f"{name}: as the baselines at this precision")
    common = curve.common_rates
    part = (
        "" if common is None or common >= _LITTLE_IN_COMMON else f" over {common:.0%} of the rates"
    )
    width = max(len(metric.name) for metric in curve.metrics)
    lines = _wrapped(f"{name}{part}:")
    for metric in curve.metrics:
        lines += _wrapped(f"  {metric.name:<{width}} {_metric(metric)}", " " * (width + 3))
    return lines


def _metric(metric: CurveMetric) -> str:
    if metric.drop is None:
        return f"no comparison, because {metric.missing['drop']}"
    if metric.interval is None:
        interval = f"no interval, because {metric.missing['interval']}"
    else:
        interval = "..".join(_signed(end, metric.decimals) for end in metric.interval)
    return f"{_signed(metric.drop, metric.decimals)} ({interval}) at equal rate; {_bits(metric)}"


def _bits(metric: CurveMetric) -> str:
    percent = metric.rate_difference_percent
    if percent is None:
        return f"bits unknown: {metric.missing['rate_difference_percent']}"
    if abs(percent) < _LEAST_PERCENT:
        return "the same bits at equal score"
    return f"{abs(percent):.1f}% {'more' if percent > 0 else 'fewer'} bits at equal score"


def _signed(value: float, decimals: int) -> str:
    text = f"{value:+.{decimals}f}"
    return text if float(text) != 0 else text[1:]


def _unmoved(metric: CurveMetric) -> bool:
    if metric.drop is None:
        return False
    shown = [_signed(end, metric.decimals) for end in (metric.drop, *(metric.interval or ()))]
    percent = metric.rate_difference_percent or 0.0
    return all(float(text) == 0 for text in shown) and abs(percent) < _LEAST_PERCENT


def _wrapped(line: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(
        line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    )
