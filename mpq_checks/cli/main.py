"""The command line: one module a command, each of which adds itself to the parser."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mpq_checks.cli import cases, diff, doctor, examples, fetch, official, report
from mpq_checks.cli.console import console
from mpq_checks.errors import MpqError

__all__ = ["command_line", "main"]

_COMMANDS = (cases, fetch, doctor, examples, report, diff, official)

_PROBLEM = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a problem found, 2 for a wrong command line."""
    parsed = command_line().parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))
    try:
        status: int = parsed.command(parsed)
    except MpqError as error:
        console(stderr=True).print(f"mpq: {error}", markup=False)
        return _PROBLEM
    return status


def command_line() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="mpq", description="Machine perceptual quality gate.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_to(commands)
    return parser
