"""The samples of a case beside those of its baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

from mpq_checks.evidence import Row
from mpq_checks.tasks.base import Task

__all__ = ["paired_samples"]


def paired_samples(
    task: Task, rows: Sequence[Row], baseline: Sequence[Row], uncompressed: Sequence[Row]
) -> list[dict[str, Any]]:
    """Each sample as it is now and as the baseline has it, in the order of measuring.

    `worse` and `worse_than_uncompressed` are the task's own measure of how much worse a sample
    got, above 0 is worse; None where there is nothing to compare with, or the sample changed.

    Args:
        task: what the samples were measured for.
        rows: of now.
        baseline: accepted rows; none where there is no baseline.
        uncompressed: rows of now of the same task without compression.
    """
    accepted, originals = _by_id(baseline), _by_id(uncompressed)
    return [
        {
            "sample_id": row.sample_id,
            "cluster": row.cluster,
            "content_sha256": row.content_sha256,
            "worse": _worse(task, accepted.get(row.sample_id), row),
            "worse_than_uncompressed": _worse(task, originals.get(row.sample_id), row),
            "now": _side(task, row),
            "baseline": (
                _side(task, accepted[row.sample_id]) if row.sample_id in accepted else None
            ),
        }
        for row in rows
    ]


def _by_id(rows: Sequence[Row]) -> Mapping[str, Row]:
    return {row.sample_id: row for row in rows}


def _worse(task: Task, before: Row | None, now: Row) -> float | None:
    if before is None or before.content_sha256 != now.content_sha256:
        return None
    try:
        return task.worse(before.statistics, now.statistics)
    except (KeyError, TypeError):  # statistics of another version of the task
        return None


def _side(task: Task, row: Row) -> dict[str, Any]:
    values = row.to_json()
    for shared in ("sample_id", "cluster", "content_sha256"):
        del values[shared]
    return {**values, "says": _says(task, row)}


def _says(task: Task, row: Row) -> str:
    try:
        return task.describe(row.statistics)
    except (KeyError, TypeError):
        return "statistics of another version of the task"
