"""The text of a failing case: what a person needs first, then the tables."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from mpq_checks.outcome import Outcome
from mpq_checks.report.headline import first_moved, headline, notes
from mpq_checks.report.numbers import interval_numbers, metric_number
from mpq_checks.report.plain import WIDTH, one_line, wrapped

__all__ = ["failure_text"]

_HEADINGS = ("metric", "baseline", "now", "drop", "95% interval", "margin", "shows", "verdict")
_LEGEND = "drop: above 0 is worse; shows: the smallest drop that these samples show with 80% power"


def failure_text(outcome: Outcome) -> str:
    """Case, verdict and cause, first moved link, commands; then metrics, worst samples, notes.

    Its first line tells the case by itself: pytest repeats it in its short summary. No line but
    commands and samples is longer than 100 columns.
    """
    parts = [headline(outcome)]
    message = wrapped(outcome.message)
    parts += [] if " ".join(message) in parts[0] else message
    moved = first_moved(outcome)
    parts += [f"first moved link: {moved}"] if moved else []
    parts += _commands(outcome)
    if outcome.metrics:
        parts += [*_metrics_table(outcome), _LEGEND]
    if outcome.judgement is not None:
        parts += _section("worst samples (baseline -> now)", outcome.judgement["worst"])
        parts += _section("notes", notes(outcome))
    return "\n".join(parts)


def _commands(outcome: Outcome) -> list[str]:
    named = (("reproduce:", outcome.reproduce), ("accept:   ", outcome.accept_command))
    return [f"{name} {command}" for name, command in named if command]


def _metrics_table(outcome: Outcome) -> list[str]:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in _HEADINGS:
        justify = "left" if heading in {"metric", "verdict"} else "right"
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
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
    Console(file=stream, width=WIDTH, color_system=None, markup=False, emoji=False).print(table)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  - {one_line(line)}" for line in lines)] if lines else []
