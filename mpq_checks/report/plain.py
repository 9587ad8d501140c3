"""Text of strangers, made fit for a terminal or a log: sample ids, transcripts, error messages."""

import re
import textwrap

__all__ = ["WIDTH", "encodable", "one_line", "shortened", "wrapped"]

WIDTH = 100
"""Columns of what is printed, but for commands and samples."""

# GitHub's runner obeys a line of a log that begins with :: and any line that holds ##[.
_WORKFLOW_COMMAND = re.compile(r"(?<!\S)::|##(?=\[)")


def one_line(text: str) -> str:
    """The text without control characters and line ends, which are written as in Python.

    A word that GitHub's runner would take for a command gets a backslash before it.
    """
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
    return _WORKFLOW_COMMAND.sub(lambda found: "\\" + found[0], shown)


def shortened(text: str, length: int = WIDTH) -> str:
    """The text on one line with single spaces, cut to `length` characters."""
    flat = one_line(" ".join(text.split()))
    return flat if len(flat) <= length else f"{flat[: length - 3]}..."


def wrapped(text: str, width: int = WIDTH, *, indent: str = "") -> list[str]:
    """The text's lines in at most `width` columns; longer words stay whole.

    `indent` begins what a line goes on with.
    """
    lines = []
    for line in text.splitlines():
        lines += textwrap.wrap(
            one_line(line),
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def encodable(text: str, encoding: str | None) -> str:
    """The text with what the encoding lacks written as escapes."""
    name = encoding or "utf-8"
    return text.encode(name, "backslashreplace").decode(name)
