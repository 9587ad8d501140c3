"""What the samples of a case scored, as far as two cases can be paired by them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpq_checks.errors import MetricError
from mpq_checks.evidence import Row, cluster_numbers
from mpq_checks.metrics.classification import top1_tally
from mpq_checks.metrics.sdr import decode_db, mean_db
from mpq_checks.metrics.segmentation import mean_iou_tally
from mpq_checks.metrics.tally import Tally, mean_tally
from mpq_checks.metrics.wer import wra_tally
from mpq_checks.tasks.statistics import column

__all__ = ["ScoredSamples", "scored_samples"]

Statistics = Sequence[Mapping[str, Any]]

_SAME_VALUE = 1e-6


@dataclass(frozen=True, eq=False)
class ScoredSamples:
    """The samples of one case in the order of their ids.

    Attributes:
        keys: of each sample, its id and the hash of its content.
        clusters: of each sample, its cluster: 0, 1, 2 and so on.
        tally: of the task's main score, over the samples in this order.
    """

    keys: tuple[tuple[str, str], ...]
    clusters: tuple[int, ...]
    tally: Tally


def scored_samples(case: Mapping[str, Any], score: str) -> ScoredSamples | None:
    """The samples of a case of a results document.

    None where the document has no samples, the score is not one that is known here, or its
    statistics do not give the value that the document states: then it is another score of the same
    name.

    Raises:
        EvidenceError: a sample that is not whole.
        KeyError: likewise.
    """
    tally_of = _TALLIES.get(score)
    if tally_of is None or not case["samples"]:
        return None
    rows = sorted(map(_row, case["samples"]), key=lambda row: row.sample_id)
    try:
        tally = tally_of([row.statistics for row in rows])
    except (MetricError, KeyError, TypeError):  # of a task that keeps other statistics
        return None
    stated = float(case["metrics"][score]["value"])
    if not math.isclose(tally.value(), stated, rel_tol=_SAME_VALUE, abs_tol=_SAME_VALUE):
        return None
    keys = tuple((row.sample_id, row.content_sha256) for row in rows)
    return ScoredSamples(keys, tuple(cluster_numbers(rows)), tally)


def _row(sample: Mapping[str, Any]) -> Row:
    shared = {name: sample[name] for name in ("sample_id", "cluster", "content_sha256")}
    measured = {name: value for name, value in sample["now"].items() if name != "says"}
    return Row.from_json({**shared, **measured}, f"sample {sample['sample_id']!r}")


def _sdr_tally(statistics: Statistics) -> Tally:
    """Mean over frames, then stems, then samples; a sample in which nothing sounds is left out."""
    of_samples = [
        mean_db([mean_db([decode_db(frame) for frame in frames]) for frames in stems.values()])
        for stems in column(statistics, "frames_db")
    ]
    return mean_tally(of_samples, "sdr_db")


# The document's samples carry what the tasks tallied, but not the tasks. These are the main scores
# of the tasks shipped here; `scored_samples` checks that they give the stated value.
_TALLIES: Mapping[str, Callable[[Statistics], Tally]] = {
    "top1": lambda samples: top1_tally(column(samples, "correct")),
    "mean_iou": lambda samples: mean_iou_tally(
        column(samples, "intersection"), column(samples, "union")
    ),
    "wra": lambda samples: wra_tally(column(samples, "errors"), column(samples, "words")),
    "sdr_db": _sdr_tally,
}
