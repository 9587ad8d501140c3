"""`mpq list`: the cases of a profile."""

import argparse
import json
from typing import Any

from mpq_checks.cli.console import add_command, add_profile, console
from mpq_checks.profiles import Profile, load_profile

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    sub = add_command(commands, "list", "print the cases of a profile", _run)
    add_profile(sub)
    sub.add_argument("--json", action="store_true", help="print JSON, for programs")


def _run(parsed: argparse.Namespace) -> int:
    profile = load_profile(parsed.mpq_profile)
    out = console()
    if parsed.json:
        out.print(json.dumps(_listing(profile), indent=2), markup=False)
        return 0
    for case in profile.cases:
        metrics = ", ".join(metric.name for metric in case.metrics)
        out.print(f"{case.id:34} {case.task.kind:22} {metrics}", markup=False)
    return 0


def _listing(profile: Profile) -> dict[str, object]:
    return {
        "profile": profile.name,
        "cases": [
            {
                "task": case.task.name,
                "codec": case.codec.name,
                "kind": case.task.kind,
                "modality": case.task.modality,
                "metrics": [metric.name for metric in case.metrics],
                "margins": {
                    metric.name: {
                        "value": case.margins[metric.name].value,
                        "relative": case.margins[metric.name].relative,
                        "reason": case.margins[metric.name].reason,
                    }
                    for metric in case.metrics
                },
                "assets": list(case.assets()),
            }
            for case in profile.cases
        ],
    }
