"""`mpq list`: the cases of a profile, and what they need."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from mpq_checks.cli.console import add_command, add_data, add_profile, console, use_data
from mpq_checks.profiles import Case, Profile, load_profile
from mpq_checks.profiles.requirements import Requirement, requirements

__all__ = ["add_to"]

_MEGABYTE = 1e6


def add_to(commands: Any) -> None:
    """Add the command."""
    sub = add_command(commands, "list", "print the cases of a profile", _run)
    add_profile(sub)
    add_data(sub)
    sub.add_argument(
        "--needs",
        action="store_true",
        help="print also what the cases need, though nothing is missing: size, licence, place",
    )
    sub.add_argument("--json", action="store_true", help="print JSON, for programs")


def _run(parsed: argparse.Namespace) -> int:
    use_data(parsed)
    profile = load_profile(parsed.mpq_profile)
    needs = requirements(profile)
    out = console()
    if parsed.json:
        out.print(json.dumps(_listing(profile, needs), indent=2), markup=False)
        return 0
    for case in profile.cases:
        out.print(_line(case, needs), markup=False)
    if parsed.needs or any(need.missing for need in needs):
        out.print()
        for line in _needs_lines(needs):
            out.print(line, markup=False)
    return 0


def _line(case: Case, needs: Sequence[Requirement]) -> str:
    metrics = ", ".join(metric.name for metric in case.metrics)
    text = f"{case.id:34} {case.task.kind:22} {metrics}"
    if case.errata:
        text += f"; errata: {', '.join(case.errata)}"
    missing = _missing(case, needs)
    return f"{text}; missing: {', '.join(missing)}" if missing else text


def _missing(case: Case, needs: Sequence[Requirement]) -> list[str]:
    return [need.name for need in needs if need.missing and case.id in need.used_by]


def _needs_lines(needs: Sequence[Requirement]) -> Iterator[str]:
    missing = sum(bool(need.missing) for need in needs)
    yield f"needs {len(needs)} things, of which {missing} are missing here"
    for need in needs:
        size = "size unknown" if need.num_bytes is None else f"{need.num_bytes / _MEGABYTE:.1f} MB"
        yield f"{need.name}: {need.kind}, {size}, licence {need.licence}"
        yield f"  missing: {need.missing}" if need.missing else f"  {need.where}"


def _listing(profile: Profile, needs: Sequence[Requirement]) -> dict[str, object]:
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
                "errata": list(case.errata),
                "missing": _missing(case, needs),
                "needs": [need.name for need in needs if case.id in need.used_by],
                "assets": list(case.assets()),
            }
            for case in profile.cases
        ],
        "requirements": [{**asdict(need), "used_by": list(need.used_by)} for need in needs],
    }
