"""The table at the end of a run."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mpq_checks.outcome import Outcome
from mpq_checks.report.numbers import metric_number, now_and_before
from mpq_checks.verdict import Verdict

__all__ = ["print_table", "table", "underpowered"]

_MAX_WIDTH = 100
_LEGEND = "rate: bits per pixel or per sample; =: as the baseline at this precision"
_POWER = "sensitivity: drops above the margin and below these are INCONCLUSIVE more often than not"
_STYLES = {
    Verdict.PASS: "green",
    Verdict.IMPROVED: "cyan",
    Verdict.NEW: "yellow",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.REGRESSION: "bold red",
    Verdict.ERROR: "bold red",
}


def print_table(outcomes: Sequence[Outcome], stream: TextIO, *, colour: bool) -> None:
    """Write the table, at most 100 columns wide."""
    console = Console(
        file=stream,
        width=_MAX_WIDTH,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    console.print(table(outcomes))
    console.print(_LEGEND)


def table(outcomes: Sequence[Outcome]) -> Table:
    """One row a case: verdict, rate, PSNR, perceptual distance and main score, each with its own
    baseline where it moved.
    """
    built = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("case", "verdict"):
        built.add_column(heading, no_wrap=True)
    for heading in ("rate", "PSNR dB", "LPIPS|CDPAM", "score"):
        built.add_column(heading, justify="right")
    for outcome in outcomes:
        built.add_row(outcome.case_id, _verdict(outcome), *_numbers(outcome))
    return built


def underpowered(outcomes: Sequence[Outcome]) -> list[str]:
    """For each case whose samples cannot show a drop of a margin, one that says so."""
    lines = []
    for outcome in outcomes:
        weak = [metric for metric in outcome.metrics.values() if _is_weak(metric)]
        if weak:
            parts = (
                f"{metric['name']} {metric_number(metric, 'smallest_detectable_drop')} "
                f"(margin {metric_number(metric, 'margin')})"
                for metric in weak
            )
            text = f"{outcome.case_id} shows drops from: {', '.join(parts)}"
            lines += textwrap.wrap(text, _MAX_WIDTH, subsequent_indent="  ")
    return [_POWER, *lines] if lines else []


def _is_weak(metric: Mapping[str, Any]) -> bool:
    least = metric["smallest_detectable_drop"]
    return least is not None and float(least) > metric["margin"]


def _verdict(outcome: Outcome) -> Text:
    telling = {Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.ERROR}
    failed = not outcome.passed and outcome.verdict not in telling
    style = _STYLES[outcome.verdict] if outcome.passed else "bold red"
    return Text(f"{outcome.verdict}{' (fails)' if failed else ''}", style=style)


def _numbers(outcome: Outcome) -> list[str]:
    metrics = list(outcome.metrics.values())
    if not metrics:
        return ["-"] * 4
    rate, psnr, perceptual, score = metrics[:4]
    return [
        now_and_before(rate),
        now_and_before(psnr),
        now_and_before(perceptual),
        f"{score['name']} {now_and_before(score)}",
    ]
