"""What the commands share: their output, and the option that names a profile."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from mpq_checks.datasets.location import set_data_folder
from mpq_checks.profiles import NAMES

__all__ = ["add_command", "add_data", "add_profile", "console", "use_data"]


def console(*, stderr: bool = False) -> Console:
    """Plain lines that a program can read: no colours for numbers, no wrapping."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def add_command(
    commands: Any, name: str, about: str, run: Any, **keywords: Any
) -> argparse.ArgumentParser:
    """A command that `run` carries out: it takes the parsed arguments and gives the status."""
    sub: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about, **keywords
    )
    sub.set_defaults(command=run)
    return sub


def add_profile(sub: argparse.ArgumentParser, default: str | None = "mini") -> None:
    """`--mpq-profile`, as pytest has it."""
    known = f"{', '.join(NAMES)}, or package.module:ATTRIBUTE"
    shown = "the one of the results" if default is None else default
    sub.add_argument(
        "--mpq-profile", default=default, metavar="NAME", help=f"{known} (default: {shown})"
    )


def add_data(sub: argparse.ArgumentParser) -> None:
    """`--mpq-data`, as pytest has it."""
    sub.add_argument(
        "--mpq-data",
        type=Path,
        metavar="DIR",
        help="folder of datasets in their publishers' layouts (as MPQ_DATA_DIR)",
    )


def use_data(parsed: argparse.Namespace) -> None:
    """Carry out `--mpq-data`."""
    if parsed.mpq_data is not None:
        set_data_folder(parsed.mpq_data)
