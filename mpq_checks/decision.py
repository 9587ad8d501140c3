"""What decided a case, in one line."""

from mpq_checks.report.numbers import metric_number
from mpq_checks.verdict import Judgement, MetricJudgement, Verdict

__all__ = ["decision"]


def decision(judgement: Judgement) -> str:
    """The metrics that decided the verdict: `nll 1.020 -> 1.120, drop 0.050..0.150 (margin 0.02)`.

    An undecided one tells what its samples can show, and how many would settle it.
    """
    chosen = [metric for metric in judgement.metrics if metric.verdict is judgement.verdict]
    return "; ".join(_sentence(metric) for metric in chosen)


def _sentence(metric: MetricJudgement) -> str:
    number = {key: _number(metric, key) for key in ("baseline", "value", "drop", "margin")}
    text = f"{metric.name} {number['baseline']} -> {number['value']}"
    if metric.interval is not None:
        low, high = (_signed(metric, end) for end in metric.interval)
        text += f", drop {low}..{high}"
    text += f" (margin {number['margin']})"
    if metric.verdict is Verdict.INCONCLUSIVE and metric.smallest_detectable_drop is not None:
        text += f", these samples can show {_number(metric, 'smallest_detectable_drop')}"
        if metric.samples_needed is not None:
            text += f", {metric.samples_needed} would show the margin"
    return text


def _number(metric: MetricJudgement, key: str) -> str:
    return metric_number({key: getattr(metric, key), "decimals": metric.decimals}, key)


def _signed(metric: MetricJudgement, value: float) -> str:
    return f"{value:+.{metric.decimals}f}"
