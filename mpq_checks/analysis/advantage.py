"""How much closer a score follows deep similarity than PSNR."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.analysis.correlation import COEFFICIENTS, LEVEL, Group, correlations, groups
from mpq_checks.analysis.points import Interval, Point

__all__ = ["Advantage", "advantages"]

Array = npt.NDArray[np.float64]

_ROUNDING = 1e-12
MIN_TASKS = 3
MIN_CASES = 8
RESAMPLES = 9999
SEED = 20240

_OVER_TASKS = "mean over tasks of each task's coefficient; paired Student's t over tasks"
_OVER_CASES = f"over cases; paired BCa bootstrap, {RESAMPLES} resamples, seed {SEED}"


@dataclass(frozen=True)
class Advantage:
    """A coefficient of the score with closeness, less that with PSNR.

    Attributes:
        kind: `tasks` for the mean of the coefficients within tasks; else `modality` or `all`, of
            one coefficient over the cases of several tasks.
        group: `tasks`, the modality, or `all`.
        quality_name: the deep similarity: `lpips`, `cdpam` or both.
        coefficient: `pearson`, `spearman`, or for the kind `tasks` also `kendall`.
        n: tasks, or cases.
        closeness: coefficient with -10 log10 of the distance.
        psnr: coefficient with PSNR.
        value: the former less the latter.
        interval: two-sided, of 95%; None where there is none.
        method: of value and interval.
        missing: why there is no value, or no interval; else empty.
    """

    kind: str
    group: str
    quality_name: str
    coefficient: str
    n: int
    closeness: float | None
    psnr: float | None
    value: float | None
    interval: Interval | None
    method: str
    missing: str

    def to_json(self) -> dict[str, Any]:
        """The attributes as JSON values."""
        return {**vars(self), "interval": None if self.interval is None else list(self.interval)}


def advantages(points: Sequence[Point]) -> tuple[Advantage, ...]:
    """The mean over tasks first, then pooled over each modality and over all cases.

    Pooled cases compare what does not compare: PSNR levels of different data, LPIPS with CDPAM. A
    coefficient over them mixes how codecs rank with how tasks differ. The mean of the coefficients
    within tasks does not; and tasks are independent of each other, which cases of one task, with
    their common samples and model, are not.

    Pooled intervals resample cases with replacement, each with its score, PSNR and closeness, by
    BCa because the difference of two bounded numbers is skewed. Below 8 cases too many resamples
    repeat a few cases for an interval to mean much.
    """
    pooled = [group for group in groups(points) if group.kind != "task"]
    return (
        *(_over_tasks(points, coefficient) for coefficient in COEFFICIENTS),
        *(_over_cases(group, name) for group in pooled for name in _ALONG_ROWS),
    )


def _over_tasks(points: Sequence[Point], coefficient: str) -> Advantage:
    of_tasks: dict[str, dict[str, float]] = {}
    names: dict[str, None] = {}
    for found in correlations(points, kinds=("task",)):
        if found.coefficient == coefficient and found.value is not None:
            of_tasks.setdefault(found.group, {})[found.quality] = found.value
            if found.quality == "closeness_db":
                names[found.quality_name] = None
    pairs = np.array(
        [(task["closeness_db"], task["psnr_db"]) for task in of_tasks.values() if len(task) == 2]
    ).reshape(-1, 2)
    closeness, psnr = pairs.mean(axis=0) if len(pairs) else (math.nan, math.nan)
    interval, missing = _student(pairs[:, 0] - pairs[:, 1])
    return Advantage(
        kind="tasks",
        group="tasks",
        quality_name=" and ".join(names),
        coefficient=coefficient,
        n=len(pairs),
        closeness=_number(closeness),
        psnr=_number(psnr),
        value=_number(closeness - psnr),
        interval=interval,
        method=_OVER_TASKS,
        missing=missing,
    )


def _student(differences: Array) -> tuple[Interval | None, str]:
    n = differences.size
    if n < MIN_TASKS:
        return None, f"{n} tasks with both coefficients are too few, {MIN_TASKS} are needed"
    spread = float(differences.std(ddof=1))
    if spread <= _ROUNDING:
        return None, f"the difference is the same in all {n} tasks"
    from scipy.stats import t

    centre = float(differences.mean())
    reach = float(t.ppf((1 + LEVEL) / 2, n - 1)) * spread / math.sqrt(n)
    return (centre - reach, centre + reach), ""


def _over_cases(group: Group, coefficient: str) -> Advantage:
    correlate = _ALONG_ROWS[coefficient]
    scores, psnrs, near = (
        np.asarray(values, dtype=np.float64)
        for values in (group.scores, group.quality("psnr_db"), group.quality("closeness_db"))
    )
    closeness, psnr = (_defined(correlate, scores, quality) for quality in (near, psnrs))
    value: float | None = None
    interval: Interval | None = None
    if closeness is None or psnr is None:
        missing = f"over {scores.size} cases one of the coefficients is not defined"
    else:
        value = closeness - psnr
        interval, missing = _bootstrapped(correlate, scores, psnrs, near)
    return Advantage(
        kind=group.kind,
        group=group.name,
        quality_name=group.quality_name("closeness_db"),
        coefficient=coefficient,
        n=scores.size,
        closeness=closeness,
        psnr=psnr,
        value=value,
        interval=interval,
        method=_OVER_CASES,
        missing=missing,
    )


def _defined(correlate: Callable[[Array, Array], Array], x: Array, y: Array) -> float | None:
    return _number(float(correlate(x, y))) if x.size > 2 else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bootstrapped(
    correlate: Callable[[Array, Array], Array], scores: Array, psnrs: Array, near: Array
) -> tuple[Interval | None, str]:
    if scores.size < MIN_CASES:
        return None, f"{scores.size} cases are too few for an interval, which needs {MIN_CASES}"
    from scipy.stats import DegenerateDataWarning, bootstrap

    undefined = False

    def statistic(of_scores: Array, of_psnrs: Array, of_near: Array, axis: int) -> Array:
        nonlocal undefined
        found = correlate(of_scores, of_near) - correlate(of_scores, of_psnrs)
        undefined |= not np.isfinite(found).all()
        return np.nan_to_num(found)

    # A statistic that is the same in all resamples has no interval, and scipy warns of it.
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            (scores, psnrs, near),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            confidence_level=LEVEL,
            method="BCa",
            random_state=np.random.default_rng(SEED),
        ).confidence_interval
    if undefined:
        return None, "in some resamples a coefficient is not defined"
    low, high = float(found.low), float(found.high)
    if not (math.isfinite(low) and math.isfinite(high)):
        return None, "the difference is the same in all resamples"
    return (low, high), ""


def _pearson(x: Array, y: Array) -> Array:
    """Along the last axis; NaN where one side is constant."""
    across = x - x.mean(axis=-1, keepdims=True)
    down = y - y.mean(axis=-1, keepdims=True)
    scale = np.sqrt((across**2).sum(axis=-1) * (down**2).sum(axis=-1))
    # A constant side is 0 but for the rounding of its mean.
    defined = scale > 1e-12 * np.abs(x).max(axis=-1) * np.abs(y).max(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(defined, (across * down).sum(axis=-1) / scale, np.nan))


def _spearman(x: Array, y: Array) -> Array:
    from scipy.stats import rankdata

    return _pearson(rankdata(x, axis=-1), rankdata(y, axis=-1))


# Of many resamples at once, which scipy's functions are too slow for.
_ALONG_ROWS: dict[str, Callable[[Array, Array], Array]] = {
    "pearson": _pearson,
    "spearman": _spearman,
}
