"""From evidence rows to the metrics of a case."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mpq_checks.errors import MetricError
from mpq_checks.evidence import Row
from mpq_checks.metrics.tally import Array, Sums, Tally, mean_tally, ratio
from mpq_checks.profiles.base import Case
from mpq_checks.tasks.base import Task

__all__ = ["aggregate", "aggregate_scores", "tallies"]


def tallies(case: Case, rows: Sequence[Row]) -> dict[str, Tally]:
    """What each metric of the case needs of these rows, by name, in the order of `case.metrics`.

    Rate, image PSNR and perceptual distance are means over samples. Audio PSNR is that of the
    mean squared error over samples. Both follow the paper. `case.counting` may say otherwise.

    Raises:
        MetricError: no rows, or a value that is NaN or missing.
    """
    if not rows:
        raise MetricError(f"{case.id}: no rows to aggregate")
    rate, psnr, perceptual, *task_scores = case.metrics
    of_task = case.task.tallies([row.statistics for row in rows])
    for score in task_scores:
        if score.name not in of_task:
            raise MetricError(f"{case.id}: the task gave no {score.name}")
    counting = case.counting
    judged = _judged(rows, counting.quality_samples)
    psnrs = [row.psnr_db if row.sample_id in judged else None for row in rows]
    distances = [row.perceptual if row.sample_id in judged else None for row in rows]
    distance_tally = _geometric_tally if counting.mean_of_logarithms else mean_tally
    return {
        rate.name: mean_tally([row.rate * counting.rate_factor for row in rows], rate.name),
        psnr.name: _psnr_tally(case.task.modality, psnrs, psnr.name),
        perceptual.name: distance_tally(distances, perceptual.name),
        **{score.name: of_task[score.name] for score in task_scores},
    }


def aggregate(case: Case, rows: Sequence[Row]) -> dict[str, float]:
    """Value of each metric over these rows. Raises MetricError as `tallies` does."""
    return {name: tally.value() for name, tally in tallies(case, rows).items()}


def aggregate_scores(task: Task, statistics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Value of each score of a task over the statistics of samples. Raises MetricError."""
    return {name: tally.value() for name, tally in task.tallies(statistics).items()}


def _judged(rows: Sequence[Row], quality_samples: int | None) -> set[str]:
    """Ids of the samples whose quality counts."""
    return set(sorted(row.sample_id for row in rows)[:quality_samples])


def _psnr_tally(modality: str, psnrs: Sequence[float | None], name: str) -> Sums:
    if modality == "image":
        return mean_tally(psnrs, name)
    present, numbers = _present(psnrs, name)
    mean_squares = 10.0 ** (-numbers / 10.0) * present
    return Sums(np.stack([mean_squares, present], axis=1), _pooled_psnr)


def _pooled_psnr(totals: Array) -> Array:
    mean_square = ratio(totals)
    with np.errstate(divide="ignore"):
        return np.asarray(-10.0 * np.log10(mean_square), dtype=np.float64)


def _geometric_tally(distances: Sequence[float | None], name: str) -> Sums:
    """The geometric mean; None is left out, and a zero makes it zero."""
    present, numbers = _present(distances, name)
    zero = present * (numbers == 0)
    logarithms = np.log(np.where(numbers > 0, numbers, 1.0)) * present
    return Sums(np.stack([logarithms, present, zero], axis=1), _geometric_mean)


def _geometric_mean(totals: Array) -> Array:
    mean = np.exp(ratio(totals))
    return np.asarray(np.where(totals[..., 2] > 0, 0.0, mean), dtype=np.float64)


def _present(values: Sequence[float | None], name: str) -> tuple[Array, Array]:
    """1 for each value that is there, else 0; and the values, 1 where there is none."""
    present = np.array([value is not None for value in values], dtype=np.float64)
    numbers = np.array([1.0 if value is None else value for value in values], dtype=np.float64)
    if np.isnan(numbers).any():
        raise MetricError(f"{name}: a sample's value is NaN or infinite")
    return present, numbers
