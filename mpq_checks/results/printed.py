"""What was measured beside what a paper printed."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mpq_checks.evidence import decode_floats, numbered_clusters
from mpq_checks.outcome import Outcome
from mpq_checks.printed import (
    METHOD,
    Comparison,
    Printed,
    PrintedMetric,
    closeness_tally,
    comparison,
    printed_files,
)
from mpq_checks.significance.estimates import value_interval

__all__ = ["PAPER", "has_printed", "printed_comparisons"]

PAPER = "paper-as-published"
"""The folder of baselines that holds the paper's own numbers."""


def has_printed(outcomes: Iterable[Outcome], baselines: Path) -> bool:
    """Whether there are printed numbers of a task of the run."""
    return any((baselines / PAPER / outcome.task).is_dir() for outcome in outcomes)


def printed_comparisons(document: Mapping[str, Any], baselines: Path) -> dict[str, dict[str, Any]]:
    """By case id and name of a metric, what was measured beside what was printed: JSON values.

    A case is found by its task and its codec's family, so that the corrected protocol stands beside
    the same numbers as the one that repeats the paper's.

    Args:
        document: the results, as far as they are made.
        baselines: folder that holds a folder `paper-as-published`; without one nothing is found.

    Raises:
        BaselineError: a file of printed numbers that is not whole.
    """
    printed = {
        (one.task, one.family): one
        for task in document["tasks"]
        for one in printed_files(baselines / PAPER / task)
    }
    found = {}
    for case in document["cases"]:
        one = printed.get((case["task"], _family(case)))
        if one is not None and case["metrics"]:
            found[f"{case['task']}/{case['codec']}"] = {
                name: compared.to_json() for name, compared in _compared(case, one)
            }
    return found


def _compared(case: Mapping[str, Any], printed: Printed) -> Iterator[tuple[str, Comparison]]:
    for name, one in printed.metrics.items():
        measured = case["metrics"].get(name)
        if measured is not None:
            yield name, _of_metric(one, measured, case["n"])
        elif name in {"lpips_db", "cdpam_db"} and case["samples"]:
            distances = [sample["now"]["perceptual"] for sample in case["samples"]]
            tally = closeness_tally(printed.modality, distances, name)
            interval = value_interval(tally, _clusters(case))
            yield name, comparison(one, tally.value(), interval, case["n"])


def _of_metric(one: PrintedMetric, metric: Mapping[str, Any], num_samples: int) -> Comparison:
    value = float(decode_floats(metric["value"]))
    if metric["method"] == METHOD:
        known = metric["interval"] is not None
        return Comparison(one, value, metric["margin"] - one.last_digit if known else None)
    interval = metric["value_interval"]
    if interval is None:
        return comparison(one, value, None, num_samples)
    low, high = (float(decode_floats(end)) for end in interval)
    return comparison(one, value, (low, high), num_samples)


def _clusters(case: Mapping[str, Any]) -> list[int]:
    return numbered_clusters((one["sample_id"], one["cluster"]) for one in case["samples"])


def _family(case: Mapping[str, Any]) -> str:
    return "none" if case["uncompressed"] else str(case["identities"].get("codec", {}).get("codec"))
