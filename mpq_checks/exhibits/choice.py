"""Which samples of a task are worth showing."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

__all__ = ["chosen_samples"]


def chosen_samples(document: Mapping[str, Any], task: str, number: int) -> tuple[str, ...]:
    """Ids of at most `number` samples, the ones to look at first in front.

    First those that got worse than their baseline, the worst of each failing case in turn, then of
    each other case; then those that compression harms most, the worst of each codec in turn.

    Args:
        document: results of a run.
        task: its name.
        number: how many, at least 1.
    """
    cases = [case for case in document["cases"] if case["task"] == task]
    failing = [case for case in cases if not case["passed"]]
    passing = [case for case in cases if case["passed"]]
    ranked = chain(
        _in_turn([_worst(case, "worse") for case in failing]),
        _in_turn([_worst(case, "worse") for case in passing]),
        _in_turn([_worst(case, "worse_than_uncompressed") for case in cases]),
        (sample["sample_id"] for case in cases for sample in case["samples"]),
    )
    return tuple(dict.fromkeys(ranked))[:number]


def _worst(case: Mapping[str, Any], key: str) -> list[str]:
    """Ids of the samples that got worse, the worst first; of equal ones by id."""
    harmed = [sample for sample in case["samples"] if (sample[key] or 0) > 0]
    harmed.sort(key=lambda sample: (-sample[key], sample["sample_id"]))
    return [sample["sample_id"] for sample in harmed]


def _in_turn(lists: Sequence[Sequence[str]]) -> Iterator[str]:
    for ids in zip_longest(*lists):
        yield from (sample_id for sample_id in ids if sample_id is not None)
