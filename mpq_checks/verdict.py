"""Judge a candidate against its baseline, on the same samples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from mpq_checks.aggregate import aggregate
from mpq_checks.errors import BaselineError
from mpq_checks.evidence import Evidence, Row, differs, encode_floats
from mpq_checks.profiles.base import Case

__all__ = ["Judgement", "MetricJudgement", "Verdict", "judge", "judge_new"]

_WORST_SAMPLES = 5


class Verdict(StrEnum):
    """What a case or a metric came to."""

    PASS = "PASS"  # noqa: S105  (not a password)
    IMPROVED = "IMPROVED"
    REGRESSION = "REGRESSION"
    NEW = "NEW"
    ERROR = "ERROR"


@dataclass(frozen=True)
class MetricJudgement:
    """One metric against its baseline.

    Attributes:
        name: `bits_per_pixel`, `top1` and so on.
        unit: unit of value, baseline, drop and margin.
        higher_is_better: direction of better.
        decimals: digits to show.
        value: of the candidate.
        baseline: over the same samples; None without a baseline.
        drop: how much worse, below 0 is better; None without a baseline.
        interval: confidence interval of the drop; None until it is estimated.
        margin: the drop that is accepted.
        smallest_detectable_drop: None until it is estimated.
        verdict: PASS, IMPROVED, REGRESSION or NEW.
    """

    name: str
    unit: str
    higher_is_better: bool
    decimals: int
    value: float
    baseline: float | None
    drop: float | None
    interval: tuple[float, float] | None
    margin: float
    smallest_detectable_drop: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Judgement:
    """A case against its baseline.

    Attributes:
        verdict: the worst of its metrics: one REGRESSION makes the case one.
        metrics: in the order of the case.
        first_moved: the first link of the chain that differs from the baseline, or None.
        notes: what a reader should know: drift, changed identities, a stale baseline.
        worst: the samples that got worse, worst first, one line each.
    """

    verdict: Verdict
    metrics: tuple[MetricJudgement, ...]
    first_moved: str | None = None
    notes: tuple[str, ...] = ()
    worst: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Builtin types and JSON values only."""
        values = asdict(self)
        values["verdict"] = str(self.verdict)
        values["metrics"] = [
            {**metric, "verdict": str(metric["verdict"])} for metric in values["metrics"]
        ]
        encoded: dict[str, Any] = encode_floats(values)
        return encoded


def judge_new(case: Case, candidate: Evidence) -> Judgement:
    """The metrics of a case that has no baseline."""
    metrics = tuple(
        MetricJudgement(
            name=metric.name,
            unit=metric.unit,
            higher_is_better=metric.higher_is_better,
            decimals=metric.decimals,
            value=value,
            baseline=None,
            drop=None,
            interval=None,
            margin=case.margins[metric.name].absolute(value),
            smallest_detectable_drop=None,
            verdict=Verdict.NEW,
        )
        for metric, value in zip(
            case.metrics, aggregate(case, candidate.rows).values(), strict=True
        )
    )
    return Judgement(Verdict.NEW, metrics)


def judge(case: Case, candidate: Evidence, baseline: Evidence) -> Judgement:
    """Compare on the samples of the candidate.

    A metric that is worse than the baseline by more than its margin is a REGRESSION, one that is
    better by more is IMPROVED, else it is a PASS.

    Raises:
        BaselineError: the samples are not those of the baseline.
        MetricError: a metric is NaN.
    """
    pairs = _paired(candidate, baseline)
    values = aggregate(case, [new for new, _ in pairs])
    stored = aggregate(case, [old for _, old in pairs])
    metrics = []
    for metric in case.metrics:
        drop = metric.drop(stored[metric.name], values[metric.name])
        margin = case.margins[metric.name].absolute(stored[metric.name])
        metrics.append(
            MetricJudgement(
                name=metric.name,
                unit=metric.unit,
                higher_is_better=metric.higher_is_better,
                decimals=metric.decimals,
                value=values[metric.name],
                baseline=stored[metric.name],
                drop=drop,
                interval=None,
                margin=margin,
                smallest_detectable_drop=None,
                verdict=_metric_verdict(drop, margin),
            )
        )
    verdict = _case_verdict([metric.verdict for metric in metrics])
    link, moved = _first_moved(pairs)
    return Judgement(
        verdict=verdict,
        metrics=tuple(metrics),
        first_moved=link,
        notes=_notes(verdict, link, moved, len(pairs), candidate, baseline),
        worst=_worst(case, pairs),
    )


def _metric_verdict(drop: float, margin: float) -> Verdict:
    if drop > margin:
        return Verdict.REGRESSION
    if drop < -margin:
        return Verdict.IMPROVED
    return Verdict.PASS


def _case_verdict(verdicts: Sequence[Verdict]) -> Verdict:
    for verdict in (Verdict.REGRESSION, Verdict.IMPROVED):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


def _paired(candidate: Evidence, baseline: Evidence) -> list[tuple[Row, Row]]:
    stored = {row.sample_id: row for row in baseline.rows}
    pairs = []
    for row in candidate.rows:
        old = stored.get(row.sample_id)
        if old is None:
            raise BaselineError(
                f"the sample set changed: sample {row.sample_id!r} is not in the baseline"
            )
        if old.content_sha256 != row.content_sha256:
            raise BaselineError(
                f"the source data changed: sample {row.sample_id!r} has content "
                f"{row.content_sha256[:12]}, in the baseline {old.content_sha256[:12]}"
            )
        pairs.append((row, old))
    if candidate.complete and len(pairs) != len(stored):
        gone = sorted(set(stored) - {row.sample_id for row in candidate.rows})
        raise BaselineError(
            f"the sample set changed: {len(gone)} samples of the baseline are gone, "
            f"such as {gone[0]!r}"
        )
    return pairs


def _first_moved(pairs: Sequence[tuple[Row, Row]]) -> tuple[str | None, int]:
    """The first link that differs, and for how many samples."""
    for link, has_moved in _LINKS.items():
        count = sum(has_moved(new, old) for new, old in pairs)
        if count:
            return link, count
    return None, 0


_LINKS: Mapping[str, Callable[[Row, Row], bool]] = {
    "encoded bytes": lambda new, old: new.encoded_sha256 != old.encoded_sha256,
    "decoded signal": lambda new, old: new.decoded_sha256 != old.decoded_sha256,
    "perceptual distance": lambda new, old: differs(new.perceptual, old.perceptual),
    "model output": lambda new, old: differs(new.statistics, old.statistics),
}


def _notes(
    verdict: Verdict,
    link: str | None,
    moved: int,
    num_pairs: int,
    candidate: Evidence,
    baseline: Evidence,
) -> tuple[str, ...]:
    notes = []
    if link in {"encoded bytes", "decoded signal"} and verdict is not Verdict.REGRESSION:
        notes.append(f"DRIFT: {link} changed for {moved} of {num_pairs} samples")
    elif link is not None:
        notes.append(f"first moved link: {link} ({moved} of {num_pairs} samples)")
    if verdict is Verdict.IMPROVED:
        notes.append("the baseline is stale: better than it by more than the margin")
    for part, identity in candidate.identities.items():
        notes += _changes(part, baseline.identities.get(part, {}), identity)
    if link is not None:
        notes += _changes("environment", baseline.environment, candidate.environment)
    return tuple(notes)


def _changes(part: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [
        f"{part} {key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _worst(case: Case, pairs: Sequence[tuple[Row, Row]]) -> tuple[str, ...]:
    ranked = sorted(
        ((case.task.worse(old.statistics, new.statistics), new, old) for new, old in pairs),
        key=lambda item: (-item[0], item[1].sample_id),
    )
    return tuple(
        f"{new.sample_id}: {case.task.describe(old.statistics)} -> "
        f"{case.task.describe(new.statistics)}"
        for worse, new, old in ranked[:_WORST_SAMPLES]
        if worse > 0
    )
