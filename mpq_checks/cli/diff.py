"""`mpq diff`: what a change of baselines changes."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from mpq_checks.cli.console import add_command, add_profile
from mpq_checks.profiles import load_profile

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    about = "show what a change of baselines changes: the new ones judged against the old ones"
    sub = add_command(commands, "diff", about, _run)
    sub.add_argument("old", metavar="OLD", help="a folder of baselines, or a git revision")
    sub.add_argument(
        "new", nargs="?", metavar="NEW", help="likewise; without it, the folder --mpq-baselines"
    )
    add_profile(sub)
    sub.add_argument(
        "--mpq-baselines",
        default="baselines",
        type=Path,
        metavar="DIR",
        help="where a revision has its baselines (default: baselines)",
    )
    sub.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request")
    sub.add_argument(
        "--output", type=Path, metavar="DIR", help="write the HTML report of the change to a folder"
    )


def _run(parsed: argparse.Namespace) -> int:
    from mpq_checks.report.plain import encodable
    from mpq_checks.report.terminal import terminal_width
    from mpq_checks.review import compare, markdown_text, opened, print_review, write_review

    profile = load_profile(parsed.mpq_profile)
    names = (parsed.old, parsed.mpq_baselines if parsed.new is None else parsed.new)
    with contextlib.ExitStack() as stack:
        old, new = (
            stack.enter_context(opened(str(name), profile.name, parsed.mpq_baselines))
            for name in names
        )
        review = compare(profile, old, new)
        if parsed.output is not None:
            write_review(parsed.output, review)
    if parsed.markdown:
        sys.stdout.write(encodable(markdown_text(review), sys.stdout.encoding))
    else:
        print_review(review, Console(highlight=False, emoji=False, width=terminal_width()))
    return 0 if review.complete else 1
