"""`mpq report`: the HTML report, or figures for papers, from the results of a run."""

import argparse
from pathlib import Path
from typing import Any

from mpq_checks.cli.console import add_command, add_profile, console
from mpq_checks.measure import resolve_device
from mpq_checks.profiles import NAMES, Profile, load_profile
from mpq_checks.results import read_results

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    about = "write the HTML report of a run, and figures for papers, from its results file"
    sub = add_command(commands, "report", about, _run)
    sub.add_argument(
        "results", type=Path, metavar="RESULTS", help="what --mpq-json wrote, or a report's results"
    )
    add_profile(sub, default=None)
    sub.add_argument(
        "--output",
        default="mpq-report",
        type=Path,
        metavar="DIR",
        help="folder to write index.html and results.json to (default: mpq-report)",
    )
    sub.add_argument(
        "--figures",
        action="store_true",
        help="also draw the charts for papers, as SVG and PNG, into DIR/figures",
    )
    sub.add_argument(
        "--no-samples",
        action="store_true",
        help="show no samples: fetch, code and decode nothing",
    )
    sub.add_argument(
        "--mpq-device",
        choices=("auto", "cpu", "cuda"),
        default="cpu",
        help="where models run that show samples (default: cpu)",
    )


def _run(parsed: argparse.Namespace) -> int:
    from mpq_checks.report.folder import write_report_folder

    document = read_results(parsed.results)
    profile, why = _profile(parsed, document["profile"])
    page = write_report_folder(
        parsed.output,
        document,
        profile,
        device="cpu" if profile is None else resolve_device(parsed.mpq_device),
        without_samples=why,
    )
    console().print(str(page), markup=False)
    if parsed.figures:
        from mpq_checks.figures.static import write_figures

        for path in write_figures(document, parsed.output / "figures"):
            console().print(str(path), markup=False)
    return 0


def _profile(parsed: argparse.Namespace, name: str) -> tuple[Profile | None, str]:
    """The profile whose samples are shown, or why there are none."""
    if parsed.no_samples:
        return None, "The report was made with --no-samples."
    if parsed.mpq_profile is not None:
        return load_profile(parsed.mpq_profile), ""
    if name in NAMES:
        return load_profile(name), ""
    return None, (
        f"Profile {name} is not one of this package, so its samples could not be coded: "
        "make the report with --mpq-profile package.module:ATTRIBUTE to see them."
    )
