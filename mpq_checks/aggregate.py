"""From evidence rows to the metrics of a case."""

import math
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
    mean squared error over samples. Both follow the paper.

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
    return {
        rate.name: mean_tally([row.rate for row in rows], rate.name),
        psnr.name: _psnr_tally(case.task.modality, [row.psnr_db for row in rows], psnr.name),
        perceptual.name: mean_tally([row.perceptual for row in rows], perceptual.name),
        **{score.name: of_task[score.name] for score in task_scores},
    }


def aggregate(case: Case, rows: Sequence[Row]) -> dict[str, float]:
    """Value of each metric over these rows. Raises MetricError as `tallies` does."""
    return {name: tally.value() for name, tally in tallies(case, rows).items()}


def aggregate_scores(task: Task, statistics: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Value of each score of a task over the statistics of samples. Raises MetricError."""
    return {name: tally.value() for name, tally in task.tallies(statistics).items()}


def _psnr_tally(modality: str, psnrs: Sequence[float], name: str) -> Sums:
    if modality == "image":
        return mean_tally(psnrs, name)
    if any(math.isnan(psnr) for psnr in psnrs):
        raise MetricError(f"{name}: a sample's value is NaN or infinite")
    mean_squares = 10.0 ** (-np.asarray(psnrs, dtype=np.float64) / 10.0)
    return Sums(np.stack([mean_squares, np.ones(len(psnrs))], axis=1), _pooled_psnr)


def _pooled_psnr(totals: Array) -> Array:
    mean_square = ratio(totals)
    with np.errstate(divide="ignore"):
        return np.asarray(-10.0 * np.log10(mean_square), dtype=np.float64)
