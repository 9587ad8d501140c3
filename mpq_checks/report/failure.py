"""The text of a failing case: what a person needs first, then the tables."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mpq_checks.outcome import Outcome
from mpq_checks.report.numbers import interval_numbers, metric_number

__all__ = ["failure_text"]

_WIDTH = 100
_HEADINGS = ("metric", "baseline", "now", "drop", "95% interval", "margin", "shows", "verdict")
_LEGEND = "drop: above 0 is worse; shows: the smallest drop that these samples show with 80% power"


def failure_text(outcome: Outcome) -> str:
    """Case, verdict and cause; metrics; worst samples; notes; the commands that follow."""
    parts = [f"{outcome.case_id}: {_headline(outcome)}"]
    if outcome.metrics:
        parts += [_metrics_table(outcome), _LEGEND]
    if outcome.judgement is not None:
        parts += _section("worst samples (baseline -> now)", outcome.judgement["worst"])
        parts += _section("notes", outcome.judgement["notes"])
    parts.append(f"reproduce: {outcome.reproduce}")
    if outcome.judgement is not None:
        parts.append(f'accept:    {outcome.reproduce} --mpq-update --mpq-reason "why"')
    return "\n".join(parts)


def _headline(outcome: Outcome) -> str:
    link = None if outcome.judgement is None else outcome.judgement["first_moved"]
    moved = f"\nfirst moved link: {link}" if link else ""
    return f"{outcome.verdict}. {outcome.message}{moved}"


def _metrics_table(outcome: Outcome) -> str:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in _HEADINGS:
        justify = "left" if heading in {"metric", "verdict"} else "right"
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for metric in outcome.metrics.values():
        table.add_row(
            metric["name"],
            metric_number(metric, "baseline"),
            metric_number(metric, "value"),
            metric_number(metric, "drop"),
            interval_numbers(metric),
            metric_number(metric, "margin"),
            metric_number(metric, "smallest_detectable_drop"),
            metric["verdict"],
        )
    stream = io.StringIO()
    Console(file=stream, width=_WIDTH, no_color=True, color_system=None).print(table)
    return stream.getvalue().rstrip("\n")


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []
