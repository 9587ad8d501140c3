"""`mpq doctor`: whether this machine can run a profile, and what its cases can show."""

import argparse
from pathlib import Path
from typing import Any

from mpq_checks import doctor
from mpq_checks.cli.console import add_command, add_data, add_profile, console, use_data
from mpq_checks.profiles import load_profile
from mpq_checks.report.sensitivity import sensitivity_table

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    sub = add_command(commands, "doctor", "check whether this machine can run a profile", _run)
    add_profile(sub)
    add_data(sub)
    sub.add_argument(
        "--mpq-baselines",
        default="baselines",
        metavar="DIR",
        help="folder of the baselines (default: baselines)",
    )


def _run(parsed: argparse.Namespace) -> int:
    use_data(parsed)
    profile = load_profile(parsed.mpq_profile)
    out = console()
    findings = doctor.examine(profile, Path(parsed.mpq_baselines))
    for finding in findings:
        mark = "ok     " if finding.ok else "PROBLEM"
        out.print(f"{mark} {finding.what}: {finding.state}", markup=False)
    shown = doctor.sensitivities(profile, Path(parsed.mpq_baselines))
    if shown:
        out.print(sensitivity_table(shown))
    return 0 if all(finding.ok for finding in findings) else 1
