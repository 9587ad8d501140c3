"""Planning figures for power: how far two versions of a case differ, sample by sample.

A comparison pairs each sample with itself. Its noise is the spread of the paired differences, here
as a share of the spread between the samples of the baseline, under small changes of a codec.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from canary_base import Change, base_case
from canary_changes import CHANGES, TASKS
from canary_store import path_of, read_evidence, stored_baseline
from markdown_table import table

from mpq_checks.aggregate import tallies
from mpq_checks.evidence import Row, cluster_numbers

__all__ = ["main", "shares"]

Shares: TypeAlias = tuple[Change, dict[str, float]]


def main() -> int:
    """Print one table a task: share of each metric under each small change, and flips of top-1."""
    found: list[Shares] = []
    for task in TASKS:
        changes = [change for change in CHANGES if _is_planning(change, task)]
        if changes:
            of_task = [(change, shares(change)) for change in changes]
            print(f"### {task}\n")
            print(_task_table(of_task))
            found += of_task
    print("### All tasks\n")
    print(_metric_table(found))
    return 0


def shares(change: Change) -> dict[str, float]:
    """By metric, sd of the paired differences over sd of the baseline, over clusters.

    Values are influences on the aggregate: for a mean, a sample's own value; for ratios and AUC,
    its first-order effect. For top1 it is the share of samples that flip either way.
    """
    case = base_case(change.case_id)
    stored = {row.sample_id: row for row in stored_baseline(change).rows}
    new_rows = read_evidence(change).rows
    old_rows = [stored[row.sample_id] for row in new_rows]
    places = np.array(cluster_numbers(new_rows))
    new, old = tallies(case, new_rows), tallies(case, old_rows)
    found = {}
    for name, tally in old.items():
        if name == "top1":
            flips = zip(old_rows, new_rows, strict=True)
            found[name] = float(np.mean([_correct(a) != _correct(b) for a, b in flips]))
        elif tally.infinite.any() or new[name].infinite.any():
            found[name] = math.nan
        else:
            found[name] = _share(tally.influence(), new[name].influence(), places)
    return found


def _correct(row: Row) -> int:
    return int(row.statistics["correct"])


def _share(
    old: npt.NDArray[np.float64], new: npt.NDArray[np.float64], places: npt.NDArray[np.intp]
) -> float:
    before, after = (np.bincount(places, weights=values) for values in (old, new))
    return float(np.std(after - before, ddof=1) / np.std(before, ddof=1))


def _is_planning(change: Change, task: str) -> bool:
    lossy = not change.case_id.endswith("/none")
    return change.small and lossy and change.case_id.startswith(f"{task}/") and _there(change)


def _there(change: Change) -> bool:
    return path_of(change).exists()


def _task_table(found: Sequence[Shares]) -> str:
    metrics = list(found[0][1])
    rows = [
        [change.what, change.case_id.split("/")[1], *(f"{of[name]:.3f}" for name in metrics)]
        for change, of in found
    ]
    return table(["change", "codec", *map(_title, metrics)], rows)


def _metric_table(found: Sequence[Shares]) -> str:
    by_metric: dict[str, list[float]] = {}
    for _, of in found:
        for name, share in of.items():
            by_metric.setdefault(name, []).append(share)
    rows = [
        [_title(name), str(len(s)), f"{np.median(s):.3f}", f"{max(s):.3f}"]
        for name, s in by_metric.items()
    ]
    return table(["metric", "changes", "median", "largest"], rows)


def _title(metric: str) -> str:
    return "top1 (share of flips)" if metric == "top1" else metric
