"""How a task's score goes with the quality of the signal: Pearson, Spearman and Kendall.

Both sides are oriented so that a coefficient above 0 means: better quality, better score. Quality
is the PSNR, or the closeness -10 log10 of LPIPS or CDPAM. Within a task the score itself is
correlated; across tasks its change from the uncompressed signal as a share of the uncompressed
score, since scores have units of their own. The original is no point: its PSNR is infinite.
"""

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.analysis.points import Interval, Point, compressed

__all__ = ["COEFFICIENTS", "QUALITIES", "Correlation", "Group", "correlations", "groups"]

LEVEL = 0.95
MIN_POINTS = 3
MIN_POINTS_INTERVAL = 4

QUALITIES = ("psnr_db", "closeness_db")
"""Attributes of a point that its score is correlated with."""

COEFFICIENTS = ("pearson", "spearman", "kendall")


@dataclass(frozen=True)
class Group:
    """Points that are correlated together.

    Attributes:
        kind: `task`, `modality` or `all`.
        name: of the task or modality, or `all`.
        points: compressed cases with finite values.
        scores: of each point: its score within a task, else its relative change; oriented.
        left_out: ids of compressed cases that have no finite value, or no uncompressed score to
            relate theirs to.
    """

    kind: str
    name: str
    points: tuple[Point, ...]
    scores: tuple[float, ...]
    left_out: tuple[str, ...]

    def quality(self, name: str) -> tuple[float, ...]:
        """One of `QUALITIES` of each point."""
        return tuple(getattr(point, name) for point in self.points)

    def quality_name(self, name: str) -> str:
        """`psnr_db`, or the distances: `lpips`, `cdpam`, or `lpips and cdpam`."""
        if name == "psnr_db":
            return name
        return " and ".join(dict.fromkeys(point.perceptual for point in self.points)) or name


@dataclass(frozen=True)
class Correlation:
    """One coefficient of one group.

    Attributes:
        kind: of the group.
        group: its name.
        quality: `psnr_db` or `closeness_db`.
        quality_name: `psnr_db`, `lpips`, `cdpam` or `lpips and cdpam`.
        coefficient: `pearson`, `spearman` or `kendall`.
        n: points.
        value: -1 to 1; None where it is not defined.
        interval: two-sided, of 95%; None where there is none.
        method: of coefficient and interval.
        missing: why there is no value, or no interval; else empty.
        left_out: compressed cases that are no points.
    """

    kind: str
    group: str
    quality: str
    quality_name: str
    coefficient: str
    n: int
    value: float | None
    interval: Interval | None
    method: str
    missing: str
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return {
            **vars(self),
            "interval": None if self.interval is None else list(self.interval),
            "left_out": list(self.left_out),
        }


def groups(points: Sequence[Point]) -> tuple[Group, ...]:
    """Each task, then each modality, then all; in the order of the points."""
    tasks = dict.fromkeys(point.task for point in points)
    modalities = dict.fromkeys(point.modality for point in points)
    return (
        *(_of_task(name, [point for point in points if point.task == name]) for name in tasks),
        *(
            _across("modality", name, [point for point in points if point.modality == name])
            for name in modalities
        ),
        _across("all", "all", points),
    )


def correlations(
    points: Sequence[Point], kinds: Container[str] = ("task", "modality", "all")
) -> tuple[Correlation, ...]:
    """Every coefficient of every group with PSNR and with closeness.

    The intervals are of Fisher's z: for Pearson's r with standard error 1/sqrt(n - 3); for
    Spearman's with sqrt((1 + r^2/2) / (n - 3)), after Bonett and Wright (Psychometrika 65, 2000);
    for Kendall's tau-b with sqrt(0.437 / (n - 4)), after Fieller, Hartley and Pearson (Biometrika
    44, 1957). A bootstrap is no way out for the three to five codecs of a task: its resamples hold
    one or two of them so often that the coefficient is undefined in many and +1 or -1 in more.

    Args:
        points: of one study; those without compression are no points of a correlation.
        kinds: of groups: `task`, `modality`, `all`.
    """
    return tuple(
        _correlation(group, quality, coefficient)
        for group in groups(points)
        if group.kind in kinds
        for quality in QUALITIES
        for coefficient in COEFFICIENTS
    )


def _of_task(name: str, points: Sequence[Point]) -> Group:
    used = compressed(points)
    scores = tuple(point.sign * point.value for point in used)
    return Group("task", name, used, scores, _left_out(points, used))


def _across(kind: str, name: str, points: Sequence[Point]) -> Group:
    related = [
        (point, change)
        for point in compressed(points)
        if (change := point.relative_change) is not None
    ]
    used = tuple(point for point, _ in related)
    return Group(kind, name, used, tuple(change for _, change in related), _left_out(points, used))


def _left_out(points: Sequence[Point], used: Sequence[Point]) -> tuple[str, ...]:
    kept = {point.case_id for point in used}
    return tuple(p.case_id for p in points if not p.uncompressed and p.case_id not in kept)


def _correlation(group: Group, quality: str, coefficient: str) -> Correlation:
    value, interval, missing = _coefficient(group.quality(quality), group.scores, coefficient)
    return Correlation(
        kind=group.kind,
        group=group.name,
        quality=quality,
        quality_name=group.quality_name(quality),
        coefficient=coefficient,
        n=len(group.points),
        value=value,
        interval=interval,
        method=_METHODS[coefficient],
        missing=missing,
        left_out=group.left_out,
    )


def _coefficient(
    qualities: Sequence[float], scores: Sequence[float], coefficient: str
) -> tuple[float | None, Interval | None, str]:
    n = len(scores)
    if n < MIN_POINTS:
        return None, None, f"{n} points are too few for a coefficient, which needs {MIN_POINTS}"
    x, y = np.asarray(qualities, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    for values, what in ((x, "quality"), (y, "score")):
        if _constant(values):
            return None, None, f"the {what} is the same in all {n} points"
    value = _VALUES[coefficient](x, y)
    least = MIN_POINTS_INTERVAL + (coefficient == "kendall")
    if n < least:
        return value, None, f"{n} points are too few for an interval, which needs {least}"
    if abs(value) >= 1 - 1e-12:
        return value, None, "the points agree perfectly, which the interval's formula does not hold"
    return value, _fisher_interval(value, _STANDARD_ERRORS[coefficient](value, n)), ""


def _constant(values: npt.NDArray[np.float64]) -> bool:
    """Whether the values differ by no more than the rounding of floats."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())


def _fisher_interval(value: float, standard_error: float) -> Interval:
    from scipy.stats import norm

    centre, reach = math.atanh(value), float(norm.ppf((1 + LEVEL) / 2)) * standard_error
    return math.tanh(centre - reach), math.tanh(centre + reach)


def _pearson(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    from scipy.stats import pearsonr

    return float(pearsonr(x, y).statistic)


def _spearman(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic)


def _kendall(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(x, y).statistic)


_VALUES: dict[str, Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], float]] = {
    "pearson": _pearson,
    "spearman": _spearman,
    "kendall": _kendall,
}

_STANDARD_ERRORS: dict[str, Callable[[float, int], float]] = {
    "pearson": lambda value, n: 1 / math.sqrt(n - 3),
    "spearman": lambda value, n: math.sqrt((1 + value**2 / 2) / (n - 3)),
    "kendall": lambda value, n: math.sqrt(0.437 / (n - 4)),
}

_METHODS = {
    "pearson": "Pearson's r, interval by Fisher's z",
    "spearman": "Spearman's rho, interval by Fisher's z after Bonett and Wright (2000)",
    "kendall": "Kendall's tau-b, interval by Fisher's z after Fieller, Hartley and Pearson (1957)",
}
