"""One point a case: its rate, its quality, and what its task scored. The material of the study."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpq_checks.analysis.samples import ScoredSamples, scored_samples
from mpq_checks.errors import EvidenceError, ResultsError
from mpq_checks.evidence import decode_floats
from mpq_checks.printed import Printed, printed_files
from mpq_checks.significance.estimates import wilson

__all__ = [
    "Interval",
    "Point",
    "Study",
    "closeness_db",
    "compressed",
    "points_of_printed",
    "points_of_results",
    "points_of_table",
]

Interval = tuple[float, float]

_PRINTED_NAMES = {
    "image": ("bits_per_pixel", "lpips"),
    "audio": ("bits_per_sample", "cdpam"),
}
_NOMINAL_RATES = {"image": 24.0, "audio": 16.0}


@dataclass(frozen=True)
class Point:
    """A case as the study sees it. Intervals are two-sided, of 95%; None where not known.

    Attributes:
        task: its name.
        codec: its name.
        family: what the codec's identity says under `codec`, such as `hific`; else its name.
        modality: `image` or `audio`.
        uncompressed: whether this is the task without compression.
        rate: bits per pixel or sample.
        psnr_db: infinite for the original.
        perceptual: name of the distance, `lpips` or `cdpam`.
        closeness_db: -10 log10 of the distance, as the paper reports it: larger is closer to the
            original. Infinite at distance 0.
        score: name of the task's main score.
        value: of the score.
        higher_is_better: direction of the score.
        original: the score of the same task without compression; None where there is none.
        distance: the distance itself; None where only its logarithm is known.
        unit: of the score.
        decimals: that the score is printed with.
        intervals: by `rate`, `psnr_db`, `closeness_db` and `value`, where known.
        samples: what pairs this case with others of its task; None where not known.
    """

    task: str
    codec: str
    family: str
    modality: str
    uncompressed: bool
    rate: float
    psnr_db: float
    perceptual: str
    closeness_db: float
    score: str
    value: float
    higher_is_better: bool = True
    original: float | None = None
    distance: float | None = None
    unit: str = ""
    decimals: int = 3
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    samples: ScoredSamples | None = field(default=None, compare=False, repr=False)

    @property
    def case_id(self) -> str:
        """`task/codec`."""
        return f"{self.task}/{self.codec}"

    @property
    def sign(self) -> int:
        """1 where a higher score is better, else -1."""
        return 1 if self.higher_is_better else -1

    @property
    def change(self) -> float | None:
        """How much better than without compression, in the score's unit; negative is worse."""
        if self.original is None or not math.isfinite(self.value - self.original):
            return None
        return self.sign * (self.value - self.original)

    @property
    def relative_change(self) -> float | None:
        """The change as a share of the score without compression, which must not be 0."""
        if self.change is None or not self.original:
            return None
        return self.change / abs(self.original)

    @property
    def finite(self) -> bool:
        """Whether PSNR, closeness and score are finite; else no correlation can hold the point."""
        return all(map(math.isfinite, (self.psnr_db, self.closeness_db, self.value)))

    def to_json(self) -> dict[str, Any]:
        """Numbers and names; an infinite number is `inf`, None where not known."""
        numbers = {
            "rate": self.rate,
            "psnr_db": self.psnr_db,
            "distance": self.distance,
            "closeness_db": self.closeness_db,
            "value": self.value,
            "original": self.original,
            "change": self.change,
            "relative_change": self.relative_change,
        }
        return {
            "task": self.task,
            "codec": self.codec,
            "family": self.family,
            "modality": self.modality,
            "uncompressed": self.uncompressed,
            "perceptual": self.perceptual,
            "score": self.score,
            **{name: _finite_or_text(number) for name, number in numbers.items()},
            "value_interval": list(self.intervals["value"]) if "value" in self.intervals else None,
        }


@dataclass(frozen=True)
class Study:
    """The points of a run.

    Attributes:
        points: of the cases that have values, in the order of the run.
        without_values: ids of the cases that could not be judged, and are left out.
    """

    points: tuple[Point, ...]
    without_values: tuple[str, ...] = ()


def closeness_db(distance: float) -> float:
    """-10 log10 of a distance of at least 0; infinite at 0."""
    return math.inf if distance == 0 else -10 * math.log10(distance)


def compressed(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those that correlations are of: compressed, and with finite values."""
    return tuple(point for point in points if not point.uncompressed and point.finite)


def points_of_results(document: Mapping[str, Any]) -> Study:
    """One point for each case of a results document that has values.

    Args:
        document: as `mpq_checks.results.read_results` gives it.

    Raises:
        ResultsError: a case that lacks a field; the message names both.
    """
    cases = document["cases"]
    judged = [case for case in cases if _has_values(case)]
    originals = {case["task"]: case for case in reversed(judged) if case["uncompressed"]}
    return Study(
        tuple(_point(case, document["tasks"], originals.get(case["task"])) for case in judged),
        tuple(f"{case['task']}/{case['codec']}" for case in cases if not _has_values(case)),
    )


def points_of_table(rows: Sequence[Mapping[str, Any]]) -> Study:
    """Points of a printed table, of which neither samples nor distances are known.

    Args:
        rows: the fields of `Point` by name. `family` is the codec's name where it is missing,
            `original` the value of the task's row with `uncompressed`; a row without compression
            needs no `psnr_db` and `closeness_db`.

    Raises:
        ResultsError: a row that lacks a field or has an unknown one.
    """
    originals = {row.get("task"): row.get("value") for row in rows if row.get("uncompressed")}
    return Study(tuple(_point_of_row(row, originals.get(row.get("task"))) for row in rows))


def points_of_printed(folder: Path) -> Study:
    """Points of the stored numbers of a paper.

    A row without compression has the nominal rate of its modality, 24 bits a pixel or 16 a sample,
    which papers do not print. Tasks of which no quality was printed are left out. An accuracy is a
    share of a known number of samples, so it has Wilson's interval; nothing else has one.

    Args:
        folder: of one profile, such as `baselines/paper-as-published`.

    Raises:
        BaselineError: a file that is not whole.
        ResultsError: printed numbers that lack one that a point needs, or no file of them.
    """
    found = list(printed_files(folder))
    tasks = {printed.task for printed in found if "psnr_db" in printed.metrics}
    if not tasks:
        raise ResultsError(f"{folder}: no printed numbers with a quality are there")
    rows = [_row_of_printed(printed) for printed in found if printed.task in tasks]
    return points_of_table(rows)


def _row_of_printed(printed: Printed) -> dict[str, Any]:
    rate, perceptual = _PRINTED_NAMES[printed.modality]
    named = {"rate": rate, "psnr_db": "psnr_db", "closeness_db": f"{perceptual}_db"}
    scores = [name for name in printed.metrics if name not in named.values()]
    row: dict[str, Any] = {
        "task": printed.task,
        "codec": printed.codec,
        "family": printed.family,
        "modality": printed.modality,
        "perceptual": perceptual,
    }
    row |= {
        field: printed.metrics[name].value
        for field, name in named.items()
        if name in printed.metrics
    }
    if printed.family == "none":
        row |= {"uncompressed": True, "rate": _NOMINAL_RATES[printed.modality]}
    if len(scores) != 1:
        raise ResultsError(
            f"printed numbers of {printed.task}/{printed.codec}: "
            f"{len(scores)} scores, not one: {', '.join(scores)}"
        )
    score = printed.metrics[scores[0]]
    if scores[0] == "top1":
        hits = round(score.value * score.num_samples)
        row["intervals"] = {"value": wilson(hits, score.num_samples)}
    return {**row, "score": scores[0], "value": score.value, "decimals": score.decimals}


def _point_of_row(row: Mapping[str, Any], original: float | None) -> Point:
    missing = {"uncompressed": False, "family": row.get("codec"), "original": original}
    if row.get("uncompressed"):
        missing |= {"psnr_db": math.inf, "closeness_db": math.inf}
    try:
        return Point(**{**missing, **row})
    except TypeError as error:
        raise ResultsError(
            f"row {row.get('task')}/{row.get('codec')} of a table is not a point: {error}"
        ) from None


def _has_values(case: Mapping[str, Any]) -> bool:
    metrics = case.get("metrics") or {}
    return bool(metrics) and all(metric.get("value") is not None for metric in metrics.values())


def _point(
    case: Mapping[str, Any], tasks: Mapping[str, Any], original: Mapping[str, Any] | None
) -> Point:
    try:
        names = tasks[case["task"]]
        roles = {
            "rate": names["rate"],
            "psnr_db": names["distortion"],
            "distance": names["perceptual"],
            "value": names["scores"][0],
        }
        metrics = {role: case["metrics"][name] for role, name in roles.items()}
        score = metrics["value"]
        values = {role: float(metric["value"]) for role, metric in metrics.items()}
        return Point(
            task=case["task"],
            codec=case["codec"],
            family=_family(case),
            modality=case["modality"],
            uncompressed=case["uncompressed"],
            rate=values["rate"],
            psnr_db=values["psnr_db"],
            perceptual=roles["distance"],
            closeness_db=closeness_db(values["distance"]),
            score=roles["value"],
            value=values["value"],
            higher_is_better=score["higher_is_better"],
            original=(
                None if original is None else float(original["metrics"][roles["value"]]["value"])
            ),
            distance=values["distance"],
            unit=score["unit"],
            decimals=score["decimals"],
            intervals=_intervals(metrics),
            samples=scored_samples(case, roles["value"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, EvidenceError) as error:
        raise ResultsError(
            f"case {case.get('task')}/{case.get('codec')} of the results is not whole: {error!r}; "
            "write the file again with --mpq-json"
        ) from error


def _family(case: Mapping[str, Any]) -> str:
    codec = case["identities"].get("codec", {})
    return str(codec.get("codec") or case["codec"])


def _intervals(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Interval]:
    found: dict[str, Interval] = {}
    for role, metric in metrics.items():
        ends = metric.get("value_interval")
        if ends is not None:
            low, high = (float(decode_floats(end)) for end in ends)
            found[role] = (low, high)
    if "distance" in found:
        near, far = found.pop("distance")
        # A symmetric interval may reach below 0, which no distance does.
        found["closeness_db"] = (closeness_db(far), closeness_db(max(near, 0.0)))
    return found


def _finite_or_text(number: float | None) -> float | str | None:
    return str(number) if number is not None and not math.isfinite(number) else number
