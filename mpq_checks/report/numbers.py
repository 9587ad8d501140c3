"""How numbers are written for people."""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["interval_numbers", "metric_number", "now_and_before"]


def metric_number(metric: Mapping[str, Any], key: str) -> str:
    """One number of a judged metric with the metric's decimals; a dash where there is none."""
    value = metric[key]
    if value is None:
        return "-"
    number = float(value)
    return str(number) if math.isinf(number) else f"{number:.{metric['decimals']}f}"


def interval_numbers(metric: Mapping[str, Any]) -> str:
    """`-0.003..0.021`: the interval of the drop with the metric's decimals."""
    if metric["interval"] is None:
        return "-"
    low, high = (metric_number({**metric, "end": end}, "end") for end in metric["interval"])
    return f"{low}..{high}"


def now_and_before(metric: Mapping[str, Any]) -> str:
    """`0.186 = ` where nothing moved at this precision, else `0.171 was 0.186`."""
    now = metric_number(metric, "value")
    before = metric_number(metric, "baseline")
    if metric["baseline"] is None:
        return f"{now} new"
    return f"{now} =" if now == before else f"{now} was {before}"
