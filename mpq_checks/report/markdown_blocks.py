"""Parts of a Markdown text in which what strangers wrote stays text."""

import html
import re
from collections.abc import Iterable, Sequence

from mpq_checks.report.plain import one_line, shortened

__all__ = ["bullets", "details", "escaped", "rows_table"]

_MAX_TEXT = 500
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~&<>:@$^])")


def escaped(text: str) -> str:
    """On one line, of bounded length, and nothing in it is Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", shortened(text, _MAX_TEXT))


def bullets(lines: Sequence[str]) -> str:
    """A list; its lines are escaped."""
    return "\n" + "".join(f"- {escaped(line)}\n" for line in lines)


def details(title: str, text: str) -> str:
    """Markdown that is folded under a title; the title is escaped, the text is not."""
    return f"\n<details><summary>{html.escape(one_line(title))}</summary>\n\n{text}\n</details>\n"


def rows_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells have to be escaped already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
