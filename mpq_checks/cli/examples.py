"""`mpq examples`: a picture of a sample of each task under each codec."""

import argparse
from pathlib import Path
from typing import Any

from mpq_checks.cli.console import add_command, add_profile, console
from mpq_checks.errors import MpqError
from mpq_checks.profiles import load_profile

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    sub = add_command(commands, "examples", "draw a sample of each task under each codec", _run)
    add_profile(sub)
    sub.add_argument(
        "--output",
        default="examples.png",
        type=Path,
        metavar="FILE",
        help="picture to write: png, svg or pdf (default: examples.png)",
    )
    sub.add_argument(
        "--sample",
        action="append",
        default=[],
        metavar="TASK=ID",
        help="the sample of a task; without it, its first; may be repeated",
    )


def _run(parsed: argparse.Namespace) -> int:
    from mpq_checks.figures import draw_examples, examples

    profile = load_profile(parsed.mpq_profile)
    chosen = {}
    for choice in parsed.sample:
        task, equals, sample_id = choice.partition("=")
        if not equals:
            raise MpqError(f"--sample is {choice!r}; it has the form TASK=ID")
        chosen[task] = sample_id
    draw_examples(examples(profile, chosen), parsed.output)
    console().print(str(parsed.output), markup=False)
    return 0
