"""Judge a candidate against its baseline, on the same samples."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from mpq_checks.aggregate import tallies
from mpq_checks.blame import Links, moved_links, notes_of_identities, paired, worst_samples
from mpq_checks.evidence import Evidence, cluster_numbers, encode_floats
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.tally import Tally
from mpq_checks.noise import floor
from mpq_checks.profiles.base import Case
from mpq_checks.significance.paired import Comparison, compare, planned_noise
from mpq_checks.significance.planning import planned_share
from mpq_checks.significance.resampling import NUM_RESAMPLES, SEED
from mpq_checks.significance.sensitivity import Noise

__all__ = [
    "FALSE_ALARM_RATE",
    "Judgement",
    "MetricJudgement",
    "Verdict",
    "judge",
    "judge_new",
    "metric_verdict",
    "signature",
]

FALSE_ALARM_RATE = 0.01
"""Probability of any REGRESSION in a whole profile that is noisy, but not worse."""

_METHOD = 1


class Verdict(StrEnum):
    """What a case or a metric came to."""

    PASS = "PASS"  # noqa: S105  (not a password)
    IMPROVED = "IMPROVED"
    INCONCLUSIVE = "INCONCLUSIVE"
    REGRESSION = "REGRESSION"
    NEW = "NEW"
    ERROR = "ERROR"


_FROM_WORST = (Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.IMPROVED)


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
        interval: 95% confidence interval of the drop; None without a baseline.
        margin: the drop that is accepted.
        p_value: one-sided, of "not worse"; None without a baseline.
        smallest_detectable_drop: found with 80% power at the level of the family; None where no
            noise is known, as of a rate that cannot vary.
        samples_needed: to detect a drop of the margin with that power (clusters, where samples
            share one); None where none is known to suffice.
        method: test and interval; empty without a baseline.
        verdict: PASS, IMPROVED, INCONCLUSIVE, REGRESSION or NEW.
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
    p_value: float | None
    smallest_detectable_drop: float | None
    samples_needed: int | None
    method: str
    verdict: Verdict


@dataclass(frozen=True)
class Judgement:
    """A case against its baseline.

    Attributes:
        verdict: the worst of its metrics: REGRESSION before INCONCLUSIVE before IMPROVED.
        metrics: in the order of the case.
        first_moved: the first link of the chain that differs from the baseline, or None.
        notes: what a reader should know: drift, changed identities, a stale baseline.
        worst: the samples that got worse, worst first, one line each.
        signature: levels, resamples and seed that the verdict follows from.
    """

    verdict: Verdict
    metrics: tuple[MetricJudgement, ...]
    first_moved: str | None = None
    notes: tuple[str, ...] = ()
    worst: tuple[str, ...] = ()
    signature: str = ""

    def to_json(self) -> dict[str, Any]:
        """Builtin types and JSON values only."""
        values = asdict(self)
        values["verdict"] = str(self.verdict)
        values["metrics"] = [
            {**metric, "verdict": str(metric["verdict"])} for metric in values["metrics"]
        ]
        encoded: dict[str, Any] = encode_floats(values)
        return encoded


def signature(family_size: int) -> str:
    """What a verdict depends on besides the evidence: equal signatures, equal verdicts."""
    return (
        f"method {_METHOD}, family of {family_size}, false alarms {FALSE_ALARM_RATE:g}, "
        f"{NUM_RESAMPLES} resamples, seed {SEED}"
    )


def judge_new(case: Case, candidate: Evidence, family_size: int) -> Judgement:
    """The metrics of a case that has no baseline, with what it will be able to see."""
    rows = sorted(candidate.rows, key=lambda row: row.sample_id)
    clusters = cluster_numbers(rows)
    significance = FALSE_ALARM_RATE / family_size
    found = tallies(case, rows)
    metrics = []
    for metric in case.metrics:
        tally = found[metric.name]
        margin = case.margins[metric.name].absolute(tally.value())
        noise = planned_noise(tally, clusters, planned_share(metric.name))
        metrics.append(
            MetricJudgement(
                name=metric.name,
                unit=metric.unit,
                higher_is_better=metric.higher_is_better,
                decimals=metric.decimals,
                value=tally.value(),
                baseline=None,
                drop=None,
                interval=None,
                margin=margin,
                p_value=None,
                smallest_detectable_drop=_smallest_detectable(noise, significance),
                samples_needed=_samples_needed(noise, margin, significance),
                method="",
                verdict=Verdict.NEW,
            )
        )
    return Judgement(Verdict.NEW, tuple(metrics), signature=signature(family_size))


def judge(case: Case, candidate: Evidence, baseline: Evidence, family_size: int) -> Judgement:
    """Compare on the samples of the candidate.

    A metric is
    - PASS if its evidence is that of the baseline but for float noise, or if the upper end of the
      95% interval of its drop lies within the margin;
    - REGRESSION if the drop exceeds the margin, and is above zero at the one-sided level
      1% / family_size;
    - IMPROVED if the same holds in the good direction, and it is not PSNR or the distance of the
      very same decoded signals: then the metric itself is another;
    - INCONCLUSIVE otherwise.

    Args:
        case: codec, task and margins.
        candidate: what was measured now.
        baseline: what was accepted.
        family_size: metrics that are judged in the whole profile (`Profile.family_size`), whatever
            part of it runs.

    Raises:
        BaselineError: the samples are not those of the baseline.
        MetricError: a metric is NaN.
    """
    pairs = paired(candidate, baseline)
    new_rows, old_rows = [new for new, _ in pairs], [old for _, old in pairs]
    new_tallies, old_tallies = tallies(case, new_rows), tallies(case, old_rows)
    links = moved_links(case, pairs)
    clusters = cluster_numbers(old_rows)
    metrics = tuple(
        _judge_metric(
            metric,
            old_tallies[metric.name],
            new_tallies[metric.name],
            clusters,
            margin=case.margins[metric.name].absolute(old_tallies[metric.name].value()),
            significance=FALSE_ALARM_RATE / family_size,
            moved=links.moves(case, metric),
            metric_changed=links.metric_changed(case, metric),
        )
        for metric in case.metrics
    )
    verdict = worst_of([metric.verdict for metric in metrics])
    return Judgement(
        verdict=verdict,
        metrics=metrics,
        first_moved=links.first,
        notes=_notes(verdict, links, candidate, baseline),
        worst=worst_samples(case, pairs),
        signature=signature(family_size),
    )


def worst_of(verdicts: Sequence[Verdict]) -> Verdict:
    """REGRESSION before INCONCLUSIVE before IMPROVED before PASS."""
    return next((verdict for verdict in _FROM_WORST if verdict in verdicts), Verdict.PASS)


def _judge_metric(
    metric: Metric,
    baseline: Tally,
    candidate: Tally,
    clusters: Sequence[int],
    *,
    margin: float,
    significance: float,
    moved: bool,
    metric_changed: bool,
) -> MetricJudgement:
    before, after = baseline.value(), candidate.value()
    planned = planned_noise(baseline, clusters, planned_share(metric.name))
    if moved:
        comparison = compare(
            baseline,
            candidate,
            clusters,
            higher_is_better=metric.higher_is_better,
            floor=floor(metric.name),
        )
    else:
        drop = metric.drop(before, after)
        comparison = Comparison(drop, (drop, drop), 1.0, 1.0, None, True, "same evidence")
    noise = _noise(comparison, planned, significance)
    verdict = metric_verdict(comparison, margin, significance) if moved else Verdict.PASS
    if verdict is Verdict.IMPROVED and metric_changed:
        verdict = Verdict.INCONCLUSIVE
    return MetricJudgement(
        name=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        decimals=metric.decimals,
        value=after,
        baseline=before,
        drop=comparison.drop,
        interval=comparison.interval,
        margin=margin,
        p_value=comparison.p_worse,
        smallest_detectable_drop=_smallest_detectable(noise, significance),
        samples_needed=_samples_needed(noise, margin, significance),
        method=comparison.method,
        verdict=verdict,
    )


def metric_verdict(comparison: Comparison, margin: float, significance: float) -> Verdict:
    """Verdict of a metric whose evidence moved.

    Args:
        comparison: with the baseline.
        margin: the drop that is accepted.
        significance: one-sided level at which a drop is called real.
    """
    if comparison.drop > margin and comparison.p_worse <= significance:
        return Verdict.REGRESSION
    if comparison.drop < -margin and comparison.p_better <= significance:
        return Verdict.IMPROVED
    if comparison.interval[1] <= margin:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def _noise(comparison: Comparison, planned: Noise | None, significance: float) -> Noise | None:
    """That of this comparison; where few samples changed, the planned one if it is larger."""
    known = [noise for noise in (comparison.noise, planned) if noise is not None]
    if comparison.noise is not None and not comparison.few:
        return comparison.noise
    return max(known, key=lambda noise: noise.smallest_detectable(significance), default=None)


def _smallest_detectable(noise: Noise | None, significance: float) -> float | None:
    return None if noise is None else noise.smallest_detectable(significance)


def _samples_needed(noise: Noise | None, margin: float, significance: float) -> int | None:
    return None if noise is None else noise.units_needed(margin, significance)


def _notes(
    verdict: Verdict, links: Links, candidate: Evidence, baseline: Evidence
) -> tuple[str, ...]:
    passed = verdict in {Verdict.PASS, Verdict.IMPROVED}
    stale = ("the baseline is stale: better than it by more than the margin",)
    return (
        *links.notes(drift=passed),
        *(stale if verdict is Verdict.IMPROVED else ()),
        *notes_of_identities(candidate, baseline, environment=links.first is not None),
    )
