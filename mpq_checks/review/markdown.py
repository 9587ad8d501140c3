"""A review as Markdown, for a comment on a pull request."""

from collections.abc import Iterable

from mpq_checks.report.headline import deciding_metric
from mpq_checks.report.markdown_blocks import bullets, details, escaped, rows_table
from mpq_checks.report.numbers import interval_numbers, metric_number
from mpq_checks.review.account import Section, headline, sections, title
from mpq_checks.review.compare import CaseChange, Kind, Review

__all__ = ["MAX_CHARACTERS", "markdown_text"]

MAX_CHARACTERS = 65_536
"""What GitHub takes in one comment."""

_CUT = "\nThe rest is left out: a comment holds at most 65,536 characters.\n"
_SHOWN = (Kind.UNREADABLE, Kind.INCOMPARABLE, Kind.CHANGED, Kind.ADDED, Kind.REMOVED)
_HEADINGS = ("case", "verdict", "decided by", "first moved link", "accepted because")


def markdown_text(review: Review) -> str:
    """Headline, a table of what changed, and each change folded below it.

    Text of strangers is escaped. Whole blocks are left out, the last ones first, where a comment
    could not hold them.
    """
    blocks = [f"## {escaped(title(review))}\n\n{escaped(headline(review))}.\n"]
    shown = review.of_kind(*_SHOWN)
    if shown:
        blocks.append("\n" + rows_table(_HEADINGS, map(_row, shown)))
    blocks += [details(section.heading, _section(section)) for section in sections(review)]
    return "".join(_that_fit(blocks))


def _that_fit(blocks: Iterable[str]) -> Iterable[str]:
    room = MAX_CHARACTERS - len(_CUT)
    for block in blocks:
        room -= len(block)
        if room < 0:
            yield _CUT
            return
        yield block


def _row(change: CaseChange) -> list[str]:
    outcome, links = change.outcome, change.links
    metric = None if outcome is None else deciding_metric(outcome)
    decided = (
        change.problem
        if metric is None
        else f"{metric['name']} {metric_number(metric, 'baseline')} -> "
        f"{metric_number(metric, 'value')}, drop {interval_numbers(metric)}"
    )
    moved = "-" if links is None or links.first is None else links.first
    reasons = "; ".join(entry.reason for entry in change.acceptances)
    return [escaped(cell) for cell in (change.case.id, change.word, decided or "-", moved, reasons)]


def _section(section: Section) -> str:
    text = bullets(section.lines)
    if section.rows:
        rows = ([escaped(cell) for cell in row] for row in section.rows)
        text += "\n" + rows_table(section.headings, rows)
    if section.worst:
        text += "\nWorst samples, old -> new:\n" + bullets(section.worst)
    return text
