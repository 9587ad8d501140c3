"""Judges the stored evidence of each change, and says what the gate should have caught."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from canary_base import Change, base_case
from canary_store import read_evidence, stored_baseline

from mpq_checks.profiles.mini import profile
from mpq_checks.verdict import Judgement, MetricJudgement, judge

__all__ = ["FAILING", "Finding", "find", "problems", "rank", "ratio"]

FAILING = ("REGRESSION", "INCONCLUSIVE", "ERROR")
"""Verdicts that fail the gate, worst first."""


@dataclass(frozen=True)
class Finding:
    """A change and its judgement."""

    change: Change
    judgement: Judgement

    @property
    def verdict(self) -> str:
        """Of the case."""
        return str(self.judgement.verdict)

    @property
    def caught(self) -> bool:
        """Whether the gate fails."""
        return self.verdict in FAILING

    @property
    def deciding(self) -> MetricJudgement:
        """Of the metrics with the case's verdict that moved, the one that moved most margins."""
        metrics = self.judgement.metrics
        own = [m for m in metrics if m.drop and str(m.verdict) == self.verdict]
        better = self.verdict == "IMPROVED"
        return max(own or metrics, key=lambda metric: ratio(metric) * (-1 if better else 1))

    @property
    def failing(self) -> list[str]:
        """Names of the metrics that fail."""
        metrics = self.judgement.metrics
        return [metric.name for metric in metrics if str(metric.verdict) in FAILING]


def find(changes: Sequence[Change]) -> list[Finding]:
    """Judge each change. Raises FileNotFoundError where one has no evidence."""
    return [Finding(change, _judged(change)) for change in changes]


def problems(finding: Finding) -> list[str]:
    """What is wrong: a harmless change that fails, a visible harm that is no REGRESSION."""
    if finding.change.kind == "harmless" and finding.caught:
        return [f"{finding.change.name} is harmless, but {finding.verdict}"]
    if finding.change.kind != "harmful":
        return []
    return [
        f"{finding.change.name}: {metric.name} fell by {metric.drop:.3g}, more than its margin and "
        f"its smallest detectable drop, but it is {metric.verdict}"
        for metric in finding.judgement.metrics
        if _visible(metric) and str(metric.verdict) != "REGRESSION"
    ]


def ratio(metric: MetricJudgement) -> float:
    """The drop in margins; infinite for a margin of 0 and for an infinite drop."""
    drop = metric.drop or 0.0
    if drop == 0 or math.isinf(drop):
        return drop
    return drop / metric.margin if metric.margin else math.copysign(math.inf, drop)


def rank(finding: Finding) -> tuple[int, float]:
    """Worst verdict first, then the largest drop in margins."""
    order = (*FAILING, "PASS", "IMPROVED")
    return order.index(finding.verdict), -ratio(finding.deciding)


def _judged(change: Change) -> Judgement:
    case, baseline = base_case(change.case_id), stored_baseline(change)
    return judge(case, read_evidence(change), baseline, family_size=profile.family_size)


def _visible(metric: MetricJudgement) -> bool:
    """Whether the drop is more than the margin and than what is stated to be detectable."""
    drop, detectable = metric.drop or 0.0, metric.smallest_detectable_drop
    if math.isinf(drop):
        return drop > 0
    return drop > metric.margin and detectable is not None and drop > detectable
