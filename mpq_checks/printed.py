"""What a paper printed, as baselines of aggregates only: `<folder>/<profile>/<task>/<codec>.json`.

Such a file has no samples. A measured case is compared with its numbers one by one; nothing can be
paired, and no measurement replaces it. See docs/reference/file-formats.md.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mpq_checks.aggregate import tallies
from mpq_checks.errors import BaselineError
from mpq_checks.evidence import Evidence, Row, cluster_numbers, encode_floats
from mpq_checks.json_files import read_json
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.tally import Array, Sums, Tally, mean_tally, ratio
from mpq_checks.profiles.base import Case
from mpq_checks.significance.estimates import value_interval
from mpq_checks.verdict import Judgement, MetricJudgement, Verdict, judge_new, worst_of

__all__ = [
    "METHOD",
    "SCHEMA",
    "Comparison",
    "Printed",
    "PrintedMetric",
    "checked_printed",
    "closeness_tally",
    "comparison",
    "is_printed",
    "judge_printed",
    "printed_files",
    "read_printed",
]

SCHEMA = "mpq-printed/1"

_MAX_BYTES = 1024 * 1024
_MAX_DECIMALS = 9
_HEAD_BYTES = 4096
_SCHEMA_IN_HEAD = re.compile(rb'"schema"\s*:\s*"mpq-printed/')
_LEVEL = 0.95
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_TEXTS = ("profile", "task", "codec", "family", "modality", "source")
_FIELDS = {"schema", "metrics", *_TEXTS}
_METRIC_FIELDS = {"value", "decimals", "num_samples", "errata"}

METHOD = "a printed number; 95% interval of the measured value, and one unit of the last digit"
"""What `MetricJudgement.method` says of a metric that was judged by a printed number."""


@dataclass(frozen=True)
class PrintedMetric:
    """One printed number.

    Attributes:
        value: as printed.
        decimals: digits after the point as printed.
        num_samples: that the number was computed from; 2 or more.
        errata: names of the errors that are known to have shaped it; docs/explanation/errata.md.
    """

    value: float
    decimals: int
    num_samples: int
    errata: tuple[str, ...] = ()

    @property
    def last_digit(self) -> float:
        """One unit of the last printed digit."""
        return 10.0**-self.decimals

    def __str__(self) -> str:
        """As printed."""
        return f"{self.value:.{self.decimals}f}"


@dataclass(frozen=True)
class Printed:
    """What was printed of one case.

    Attributes:
        profile: that repeats how it was measured.
        task: name of the task.
        codec: name of the codec.
        family: what the codec's identity says under `codec`.
        modality: `image` or `audio`.
        source: publication and table.
        metrics: by name; LPIPS and CDPAM as `lpips_db` and `cdpam_db`, see `closeness_tally`.
    """

    profile: str
    task: str
    codec: str
    family: str
    modality: str
    source: str
    metrics: Mapping[str, PrintedMetric]


@dataclass(frozen=True)
class Comparison:
    """A measured number beside a printed one.

    Attributes:
        printed: the printed one.
        measured: the measured one.
        half_width: of the 95% interval that the printed number's samples allow; None where the
            measured samples know no spread.
    """

    printed: PrintedMetric
    measured: float
    half_width: float | None

    @property
    def difference(self) -> float:
        """Measured less printed."""
        return self.measured - self.printed.value

    @property
    def tolerance(self) -> float | None:
        """The difference that is no disagreement; None where it cannot be told."""
        return None if self.half_width is None else self.half_width + self.printed.last_digit

    @property
    def agrees(self) -> bool | None:
        """Whether the difference is within the tolerance; None where it cannot be told."""
        return None if self.tolerance is None else abs(self.difference) <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """JSON values only; an infinite number is the string "inf"."""
        values = {
            "printed": self.printed.value,
            "decimals": self.printed.decimals,
            "num_samples": self.printed.num_samples,
            "errata": list(self.printed.errata),
            "measured": self.measured,
            "tolerance": self.tolerance,
            "agrees": self.agrees,
        }
        encoded: dict[str, Any] = encode_floats(values)
        return encoded


def comparison(
    printed: PrintedMetric,
    measured: float,
    interval: tuple[float, float] | None,
    num_samples: int,
) -> Comparison:
    """Compare one number with the printed one.

    The tolerance follows from the number of samples. Both numbers are said to be of the same
    samples, so that sampling itself would move neither; but versions of libraries, decoders and
    weights differ, and how far a number can move by that is not known. What is known is how far
    the samples pin it down: the half width of the measured value's 95% interval. A single printed
    number cannot be paired with anything, so the tolerance is far wider than a stored baseline's.
    Where fewer samples were printed of than measured, the half width is that of the fewer: it
    grows by the square root of their ratio, and by that of Student's quantiles.

    One unit of the last printed digit is added. Half a unit would do for a rounded number, but the
    paper cut its digits off: its notebooks hold 24.766 and 0.02639 where it prints 24.76, 0.0263.

    Args:
        printed: the printed number.
        measured: the measured one.
        interval: of 95%, of the measured one or of more samples like it; None where there is none.
        num_samples: that the interval is of.
    """
    if interval is None or not all(map(math.isfinite, (measured, *interval))):
        return Comparison(printed, measured, None)
    half_width = (interval[1] - interval[0]) / 2
    if printed.num_samples < num_samples:
        half_width *= math.sqrt(num_samples / printed.num_samples)
        half_width *= _student(printed.num_samples) / _student(num_samples)
    return Comparison(printed, measured, half_width)


def closeness_tally(modality: str, distances: Sequence[float], name: str) -> Tally:
    """-10 log10 of a distance in dB, as the paper averages it; infinite where all are exact copies.

    Of images the logarithms are averaged, of audio the distances. An image that is an exact copy
    makes the mean infinite.

    Raises:
        MetricError: no distances, or one that is NaN or negative.
    """
    if modality == "audio":
        sums = mean_tally(distances, name)
        return Sums(sums.columns, _db_of_mean)
    return mean_tally([_decibels(distance) for distance in distances], name)


def is_printed(path: Path) -> bool:
    """Whether the head of a file says that it holds printed numbers, be it whole or not."""
    try:
        with path.open("rb") as file:
            return _SCHEMA_IN_HEAD.search(file.read(_HEAD_BYTES)) is not None
    except OSError:
        return False


def read_printed(path: Path) -> Printed:
    """Read and check a file of printed numbers.

    Raises:
        BaselineError: the file is missing, not readable, truncated, of another schema, or a field
            is missing or wrong; the message names the file and the field.
    """
    data = read_json(path, BaselineError, max_bytes=_MAX_BYTES, missing="there is no such file")
    return _printed_from_json(data, path)


def printed_files(folder: Path) -> Iterator[Printed]:
    """The printed numbers below a folder, in the order of their paths; other files are left out.

    Raises:
        BaselineError: a file of printed numbers that is not whole.
    """
    for path in sorted(folder.rglob("*.json")):
        if is_printed(path):
            yield read_printed(path)


def checked_printed(printed: Printed, path: Path, case: Case) -> Printed:
    """Refuse printed numbers of another case, or of metrics that the case does not have.

    Raises:
        BaselineError: it names the file and the field.
    """
    for name, found, expected in (
        ("task", printed.task, case.task.name),
        ("codec", printed.codec, case.codec.name),
        ("modality", printed.modality, case.task.modality),
    ):
        if found != expected:
            raise BaselineError(f"{path}: {name} is {found!r}, not {expected!r}")
    known = [*(metric.name for metric in case.metrics), _closeness(case).name]
    for name in printed.metrics:
        if name not in known:
            raise BaselineError(
                f"{path}: metrics.{name} is no metric of {case.id}, which has {', '.join(known)}"
            )
    return printed


def judge_printed(case: Case, candidate: Evidence, printed: Printed, family_size: int) -> Judgement:
    """Each measured number against the printed one; see `comparison` for the tolerances.

    A metric is PASS within the tolerance, beyond it REGRESSION where worse than printed and
    IMPROVED where better, INCONCLUSIVE where the samples give no interval. One that was not
    printed is NEW and decides nothing. `lpips_db` and `cdpam_db` come after the case's own
    metrics.

    Args:
        case: codec and task.
        candidate: what was measured.
        printed: of this case, as `checked_printed` gives it.
        family_size: metrics that are judged in the whole profile.

    Raises:
        MetricError: a metric is NaN.
    """
    rows = sorted(candidate.rows, key=lambda row: row.sample_id)
    found, spread = _tallies(case, rows), _tallies(_of_all(case), rows)
    clusters = cluster_numbers(rows)
    new = judge_new(case, candidate, family_size)
    closeness = _closeness(case)
    unjudged = [*new.metrics]
    if closeness.name not in {metric.name for metric in new.metrics}:
        unjudged.append(_unjudged(closeness, found[closeness.name].value()))
    metrics, notes = [], [f"judged by what was printed, not by a measurement: {printed.source}"]
    for metric in unjudged:
        one = printed.metrics.get(metric.name)
        if one is None:
            if metric.name != closeness.name:
                metrics.append(metric)
            continue
        interval = value_interval(spread[metric.name], clusters)
        compared = comparison(one, found[metric.name].value(), interval, len(rows))
        metrics.append(_judged(metric, compared))
        notes.append(f"{metric.name}: {_words(compared, metric.decimals)}")
    if case.errata:
        notes.append(f"errata that this case repeats: {', '.join(case.errata)}")
    verdict = worst_of([metric.verdict for metric in metrics])
    return Judgement(verdict, tuple(metrics), notes=tuple(notes), signature="printed, method 1")


def _tallies(case: Case, rows: Sequence[Row]) -> dict[str, Tally]:
    """By name, of rows in the order of their ids."""
    name = _closeness(case).name
    distances = [row.perceptual for row in rows[: case.counting.quality_samples]]
    return {name: closeness_tally(case.task.modality, distances, name), **tallies(case, rows)}


def _of_all(case: Case) -> Case:
    """With quality of all samples: few know their spread too badly, and `comparison` widens it."""
    return replace(case, counting=replace(case.counting, quality_samples=None))


def _closeness(case: Case) -> Metric:
    """`lpips_db` or `cdpam_db`."""
    return Metric(f"{case.task.perceptual.metric.name}_db", "dB", True, decimals=3)


def _unjudged(metric: Metric, value: float) -> MetricJudgement:
    return MetricJudgement(
        name=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        decimals=metric.decimals,
        value=value,
        baseline=None,
        drop=None,
        interval=None,
        margin=0.0,
        p_value=None,
        smallest_detectable_drop=None,
        samples_needed=None,
        method="",
        verdict=Verdict.NEW,
    )


def _judged(metric: MetricJudgement, compared: Comparison) -> MetricJudgement:
    difference, half = compared.difference, compared.half_width
    drop = -difference if metric.higher_is_better else difference
    return replace(
        metric,
        baseline=compared.printed.value,
        decimals=max(metric.decimals, compared.printed.decimals),
        drop=drop,
        interval=None if half is None else (drop - half, drop + half),
        margin=compared.tolerance or compared.printed.last_digit,
        smallest_detectable_drop=None,
        samples_needed=None,
        method=METHOD,
        verdict=_verdict(compared, drop),
    )


def _verdict(compared: Comparison, drop: float) -> Verdict:
    if compared.agrees is None:
        return Verdict.INCONCLUSIVE
    if compared.agrees:
        return Verdict.PASS
    return Verdict.REGRESSION if drop > 0 else Verdict.IMPROVED


def _words(compared: Comparison, decimals: int) -> str:
    printed = compared.printed
    digits = max(decimals, printed.decimals)
    tolerance = "no interval" if compared.tolerance is None else f"{compared.tolerance:.{digits}f}"
    words = f"printed {printed}, measured {compared.measured:.{digits}f}, tolerance {tolerance}"
    noun = "erratum" if len(printed.errata) == 1 else "errata"
    return f"{words}; {noun} {', '.join(printed.errata)}" if printed.errata else words


def _student(num_samples: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + _LEVEL) / 2, num_samples - 1))


def _decibels(distance: float) -> float:
    if distance == 0:
        return math.inf
    return -10 * math.log10(distance) if distance > 0 else math.nan


def _db_of_mean(totals: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(-10.0 * np.log10(ratio(totals)), dtype=np.float64)


def _printed_from_json(data: object, path: Path) -> Printed:
    if not isinstance(data, dict):
        raise BaselineError(f"{path}: the file is not a JSON object")
    if data.get("schema") != SCHEMA:
        raise BaselineError(
            f"{path}: schema is {data.get('schema')!r}, this version reads {SCHEMA!r}"
        )
    _require_fields(data, _FIELDS, f"{path}: ")
    for name in _TEXTS:
        if not isinstance(data[name], str) or not data[name]:
            raise BaselineError(f"{path}: {name} is {data[name]!r}, not a text")
    metrics = data["metrics"]
    if not isinstance(metrics, dict) or not metrics:
        raise BaselineError(f"{path}: metrics is {metrics!r}, not an object of printed numbers")
    return Printed(
        **{name: data[name] for name in _TEXTS},
        metrics={
            name: _metric_from_json(metric, f"{path}: metrics.{name}")
            for name, metric in metrics.items()
        },
    )


def _metric_from_json(data: object, where: str) -> PrintedMetric:
    if not isinstance(data, dict):
        raise BaselineError(f"{where} is {data!r}, not an object")
    _require_fields(data, _METRIC_FIELDS, f"{where} has ")
    value, decimals, num_samples = (data[name] for name in ("value", "decimals", "num_samples"))
    if type(decimals) is not int or not 0 <= decimals <= _MAX_DECIMALS:
        raise BaselineError(f"{where}.decimals is {decimals!r}, not 0 to {_MAX_DECIMALS}")
    if type(value) not in {int, float} or not math.isfinite(value):
        raise BaselineError(f"{where}.value is {value!r}, not a finite number")
    if round(value, decimals) != value:
        raise BaselineError(f"{where}.value is {value!r}, which has more than {decimals} decimals")
    if type(num_samples) is not int or num_samples < 2:
        raise BaselineError(f"{where}.num_samples is {num_samples!r}, not 2 or more")
    errata = data["errata"]
    if not isinstance(errata, list) or not all(
        isinstance(name, str) and _NAME.fullmatch(name) for name in errata
    ):
        raise BaselineError(f"{where}.errata is {errata!r}, not a list of names")
    return PrintedMetric(float(value), decimals, num_samples, tuple(errata))


def _require_fields(data: Mapping[str, Any], expected: set[str], before: str) -> None:
    if set(data) != expected:
        odd = ", ".join(sorted(set(data) ^ expected))
        raise BaselineError(f"{before}missing or unknown fields: {odd}")
