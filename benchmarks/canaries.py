"""Does the gate catch what is harmful, and does it let pass what is harmless?

Measures real changes of the mini profile's codecs, models and metrics, all samples of a case each,
and judges them against the committed baselines.

    python benchmarks/canaries.py list
    python benchmarks/canaries.py measure [--only TEXT]  # evidence into runs/canaries, resumable
    python benchmarks/canaries.py judge                  # docs/explanation/canaries.md from it
    python benchmarks/canaries.py spread                 # planning figures for power
"""

import argparse
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from canary_base import Change
from canary_changes import CHANGES
from canary_spread import main as spread
from canary_store import FOLDER, path_of, write_evidence
from canary_tables import judge_all


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    measuring = commands.add_parser("measure")
    measuring.add_argument("--only", default="", help="part of the changes' names")
    measuring.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    commands.add_parser("judge")
    commands.add_parser("spread")
    parsed = parser.parse_args()
    if parsed.command == "list":
        for change in CHANGES:
            print(f"{change.kind:9} {change.name:48} {change.what}")
        return 0
    if parsed.command == "measure":
        return _measure(_chosen(parsed.only), inside=parsed.inside)
    if parsed.command == "judge":
        return judge_all()
    return spread()


def _chosen(text: str) -> list[Change]:
    """The change of this name, or all whose names contain the text."""
    exact = [change for change in CHANGES if change.name == text]
    return exact or [change for change in CHANGES if text in change.name]


def _measure(changes: Sequence[Change], *, inside: bool) -> int:
    """Measure what has no evidence yet; a change that fails does not stop the others."""
    missing = [change for change in changes if not path_of(change).exists()]
    print(f"{len(changes)} changes, {len(missing)} to measure, into {FOLDER}", flush=True)
    failed = 0
    for change in missing:
        start = time.perf_counter()
        try:
            if change.environment is None or inside:
                write_evidence(change, change.run(change.case()), time.perf_counter() - start)
            else:
                _measure_in_child(change)
            print(f"{time.perf_counter() - start:6.1f} s  {change.name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED    {change.name}", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


def _measure_in_child(change: Change) -> None:
    command = [sys.executable, str(Path(__file__).resolve()), "measure", "--inside"]
    subprocess.run(
        [*command, "--only", change.name],
        env={**os.environ, **(change.environment or {})},
        check=True,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    raise SystemExit(main())
