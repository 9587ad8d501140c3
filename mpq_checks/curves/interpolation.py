"""Bjontegaard's averages: score at equal rate, and rate at equal score.

Source: G. Bjontegaard, "Calculation of average PSNR differences between RD-curves", ITU-T
VCEG-M33, 2001. The curve through the points is not its cubic polynomial but PCHIP, the monotone
piecewise cubic that the video standards moved to: it takes two points or more and does not
overshoot between them.

scipy interpolates here, not the package `bjontegaard`, which gives the same numbers
(tests/test_curves.py): that one imports matplotlib.pyplot (a second and 35 MB), warns where this
has to explain, and takes one score at a time, which a bootstrap cannot afford.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import CurveError

__all__ = [
    "Array",
    "Points",
    "common_rates",
    "drops_at_equal_rate",
    "points",
    "rate_difference_percent",
]

Array: TypeAlias = npt.NDArray[np.float64]

_MIN_SETTINGS = 2
_EQUAL = 1e-9
"""Numbers (log10 of rates, scores) closer than this are the same: rows have nine digits."""


@dataclass(frozen=True, eq=False)
class Points:
    """The settings of one codec on one side, by rising rate.

    Attributes:
        log_rates: settings, log10 of bits per pixel or sample.
        errors: settings x metrics, each in its own unit; lower is better.
    """

    log_rates: Array
    errors: Array


def points(rates: Sequence[float] | Array, errors: Sequence[Sequence[float]] | Array) -> Points:
    """Order the settings by rate.

    Args:
        rates: bits per pixel or sample of each setting.
        errors: settings x metrics; lower is better.

    Raises:
        CurveError: fewer than two settings, a rate of zero, or two equal rates.
    """
    given = np.asarray(rates, dtype=np.float64)
    if given.size < _MIN_SETTINGS:
        raise CurveError(f"a curve takes {_MIN_SETTINGS} settings, not {given.size}")
    if not (np.isfinite(given) & (given > 0)).all():
        raise CurveError(f"a rate is {given.min():g}")
    order = np.argsort(given, kind="stable")
    log_rates = np.log10(given[order])
    if (np.diff(log_rates) <= _EQUAL).any():
        first = int(np.argmin(np.diff(log_rates)))
        raise CurveError(f"two settings have the same rate, {given[order][first]:.4g}")
    return Points(log_rates, np.asarray(errors, dtype=np.float64)[order])


def common_rates(baseline: Points, candidate: Points) -> float:
    """Length of the common range of log rates over that of both together, 0..1."""
    low, high = _common(baseline.log_rates, candidate.log_rates)
    ends = np.concatenate([baseline.log_rates, candidate.log_rates])
    return max(0.0, high - low) / float(np.ptp(ends))


def drops_at_equal_rate(baseline: Points, candidate: Points) -> Array:
    """Mean difference of each metric over the common range of log rates; above 0 is worse.

    Raises:
        CurveError: the rates do not overlap.
    """
    low, high = _common(baseline.log_rates, candidate.log_rates)
    if high - low <= _EQUAL:
        raise CurveError(
            f"the rates do not overlap: {_range(baseline.log_rates)} before, "
            f"{_range(candidate.log_rates)} now"
        )
    before = _curve(baseline.log_rates, baseline.errors).integrate(low, high)
    after = _curve(candidate.log_rates, candidate.errors).integrate(low, high)
    return np.asarray((after - before) / (high - low), dtype=np.float64)


def rate_difference_percent(baseline: Points, candidate: Points, metric: int) -> float:
    """Mean difference of the log rate over the common range of a score, as percent; above 0 is
    more bits for the same score.

    Raises:
        CurveError: more bits do not always give a better score, or the scores do not overlap.
    """
    sides = []
    for name, side in (("before", baseline), ("now", candidate)):
        scores = -side.errors[:, metric]
        if (np.diff(scores) <= _EQUAL).any():
            raise CurveError(f"the score is not monotone {name}")
        sides.append((scores, side.log_rates))
    (old_scores, old_rates), (new_scores, new_rates) = sides
    low, high = _common(old_scores, new_scores)
    if high - low <= _EQUAL:
        raise CurveError("the scores do not overlap")
    before = _curve(old_scores, old_rates).integrate(low, high)
    after = _curve(new_scores, new_rates).integrate(low, high)
    return float((10.0 ** ((after - before) / (high - low)) - 1.0) * 100.0)


def _curve(x: Array, y: Array) -> Any:
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(x, y)


def _common(first: Array, second: Array) -> tuple[float, float]:
    return float(max(first[0], second[0])), float(min(first[-1], second[-1]))


def _range(log_rates: Array) -> str:
    return f"{10 ** log_rates[0]:.4g}..{10 ** log_rates[-1]:.4g}"
