"""A review for a terminal."""

import io

from rich.console import Console
from rich.table import Table

from mpq_checks.report.plain import WIDTH, encodable, one_line, wrapped
from mpq_checks.report.terminal import table
from mpq_checks.review.account import Section, headline, sections, title
from mpq_checks.review.compare import Kind, Review

__all__ = ["print_review"]

_INDENT = "  "
_NARROW = 80
_LEGEND = "rate: bits per pixel or per sample; =: as the old baseline at this precision"


def print_review(review: Review, console: Console) -> None:
    """Write the headline, the table of what changed, then each change by itself.

    No line but those on samples and paths is longer than 100 columns. Below 80, the table has
    verdict and score only.
    """
    _print(console, one_line(title(review)), headline(review), "")
    shown = [
        change.outcome
        for change in review.of_kind(Kind.CHANGED, Kind.ADDED)
        if change.outcome is not None
    ]
    if shown:
        narrow = console.width < _NARROW
        console.print(table(shown, narrow=narrow))
        _print(console, *(() if narrow else (_LEGEND,)), "")
    for section in sections(review):
        _print(console, *_section(section), "")


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        shown = encodable(line, console.encoding)
        console.print(shown, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _section(section: Section) -> list[str]:
    heading = wrapped(one_line(section.heading))
    lines = []
    for line in section.lines:
        lines += wrapped(one_line(line), WIDTH - len(_INDENT))
    if section.rows:
        lines += _metrics(section)
    if section.worst:
        lines.append("worst samples (old -> new):")
        lines += [f"- {one_line(sample)}" for sample in section.worst]
    return [*heading, *(_INDENT + line for line in lines)]


def _metrics(section: Section) -> list[str]:
    built = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in section.headings:
        left = heading in {"metric", "verdict"}
        built.add_column(heading, justify="left" if left else "right", overflow="fold")
    for row in section.rows:
        built.add_row(*row)
    stream = io.StringIO()
    width = WIDTH - len(_INDENT)
    Console(file=stream, width=width, color_system=None, markup=False, emoji=False).print(built)
    return [line.rstrip() for line in stream.getvalue().splitlines()]
