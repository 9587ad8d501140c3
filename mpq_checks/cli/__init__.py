"""The `mpq` command: what a gate consists of, what it found, what this machine can run."""

from mpq_checks.cli.main import command_line, main

__all__ = ["command_line", "main"]
