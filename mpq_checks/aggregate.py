"""From evidence rows to the metrics of a case."""

import math
from collections.abc import Sequence

from mpq_checks.errors import MetricError
from mpq_checks.evidence import Row
from mpq_checks.profiles.base import Case

__all__ = ["aggregate"]


def aggregate(case: Case, rows: Sequence[Row]) -> dict[str, float]:
    """Each metric of the case over these rows, by name, in the order of `case.metrics`.

    Rate, image PSNR and perceptual distance are means over samples. Audio PSNR is that of the
    mean squared error over samples. Both follow the paper. The task's scores are aggregated
    from sufficient statistics.

    Raises:
        MetricError: no rows, or a value that is NaN or missing.
    """
    if not rows:
        raise MetricError(f"{case.id}: no rows to aggregate")
    rate, psnr, perceptual, *scores = case.metrics
    values = {
        rate.name: math.fsum(row.rate for row in rows) / len(rows),
        psnr.name: _pooled_psnr(case.task.modality, [row.psnr_db for row in rows]),
        perceptual.name: math.fsum(row.perceptual for row in rows) / len(rows),
    }
    task_values = case.task.aggregate([row.statistics for row in rows])
    for score in scores:
        if score.name not in task_values:
            raise MetricError(f"{case.id}: the task gave no {score.name}")
        values[score.name] = float(task_values[score.name])
    for name, value in values.items():
        if math.isnan(value):
            raise MetricError(f"{case.id}: {name} is NaN")
    return values


def _pooled_psnr(modality: str, psnrs: Sequence[float]) -> float:
    if modality == "image":
        return sum(psnrs) / len(psnrs)
    mean_square = math.fsum(10.0 ** (-psnr / 10.0) for psnr in psnrs) / len(psnrs)
    return math.inf if mean_square == 0 else -10.0 * math.log10(mean_square)
