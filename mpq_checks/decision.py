"""What decided a case, in one line."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mpq_checks.report.numbers import interval_numbers, metric_number
from mpq_checks.verdict import Judgement, Verdict

__all__ = ["deciding_metrics", "decision", "drop_in_margins"]

_FIRST_SCORE = 3
"""A case's metrics are rate, PSNR, perceptual distance, then the task's scores."""


def deciding_metrics(judgement: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The metrics that have the verdict of their case: first the task's scores, which matter most.

    Among scores, and among rate, PSNR and distance, the one that lost most margins comes first.

    Args:
        judgement: as `Judgement.to_json` gives it.
    """
    ranked = [
        (place >= _FIRST_SCORE, drop_in_margins(metric), metric)
        for place, metric in enumerate(judgement["metrics"])
        if metric["verdict"] == judgement["verdict"]
    ]
    return [metric for *_, metric in sorted(ranked, key=lambda one: one[:2], reverse=True)]


def decision(judgement: Judgement) -> str:
    """What decided: `nll 1.02 -> 1.12, drop 0.10 (95% interval 0.05..0.15, margin 0.02)`.

    Others with the same verdict are named after it. An undecided one tells what its samples can
    show, and how many would settle it. Empty where no metric has the verdict.
    """
    chosen = deciding_metrics(judgement.to_json())
    return _sentence(chosen[0]) + _others(chosen[1:]) if chosen else ""


def _sentence(metric: Mapping[str, Any]) -> str:
    numbers = {key: metric_number(metric, key) for key in ("baseline", "value", "drop", "margin")}
    text = (
        f"{metric['name']} {numbers['baseline']} -> {numbers['value']}, drop {numbers['drop']} "
        f"(95% interval {interval_numbers(metric)}, margin {numbers['margin']})"
    )
    undecided = metric["verdict"] == Verdict.INCONCLUSIVE
    if undecided and metric["smallest_detectable_drop"] is not None:
        text += f", these samples can show {metric_number(metric, 'smallest_detectable_drop')}"
        if metric["samples_needed"] is not None:
            text += f", {metric['samples_needed']} would show the margin"
    return text


def _others(metrics: Sequence[Mapping[str, Any]]) -> str:
    names = ", ".join(metric["name"] for metric in metrics)
    return f"; and {len(metrics)} more: {names}" if metrics else ""


def drop_in_margins(metric: Mapping[str, Any]) -> float:
    """How many margins worse; for what got better, how many margins better."""
    drop, margin = float(metric["drop"] or 0.0), float(metric["margin"])
    if metric["verdict"] == Verdict.IMPROVED:
        drop = -drop
    if margin == 0 and drop != 0:
        return math.copysign(math.inf, drop)
    return drop / margin if margin else 0.0
