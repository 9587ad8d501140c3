"""The `mpq` command: what a gate consists of, and whether this machine can run it."""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mpq_checks import assets, doctor
from mpq_checks.assets.unpinned import UnpinnedFile, download_unpinned, unpinned_path
from mpq_checks.codecs.msillm import CHECKPOINTS
from mpq_checks.codecs.tfci import METAGRAPHS, environment
from mpq_checks.errors import MpqError
from mpq_checks.profiles import NAMES, Profile, load_profile
from mpq_checks.report.sensitivity import sensitivity_table

__all__ = ["main"]

_OK = 0
_PROBLEM = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a problem found, 2 for a wrong command line."""
    parsed = _parser().parse_args(arguments)
    sys.path.insert(0, str(Path.cwd()))
    try:
        status: int = parsed.command(parsed)
    except MpqError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"mpq: {error}", markup=False)
        return _PROBLEM
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mpq", description="Machine perceptual quality gate.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, description in (
        ("list", _list, "print the cases of a profile"),
        ("fetch", _fetch, "fetch the weights and data of a profile into the cache"),
        ("doctor", _doctor, "check whether this machine can run a profile"),
        ("examples", _examples, "draw a sample of each task under each codec"),
    ):
        sub = commands.add_parser(name, help=description, description=description)
        sub.set_defaults(command=command)
        sub.add_argument(
            "--mpq-profile",
            default="mini",
            metavar="NAME",
            help=f"{', '.join(NAMES)}, or package.module:ATTRIBUTE (default: mini)",
        )
        if name == "list":
            sub.add_argument("--json", action="store_true", help="print JSON, for programs")
        if name == "fetch":
            sub.add_argument(
                "--verify", action="store_true", help="hash every file of the cache again"
            )
        if name == "examples":
            _add_examples_options(sub)
        if name == "doctor":
            sub.add_argument(
                "--mpq-baselines",
                default="baselines",
                metavar="DIR",
                help="folder of the baselines (default: baselines)",
            )
    _add_diff(commands)
    _add_official(commands)
    return parser


def _add_diff(commands: Any) -> None:
    about = "show what a change of baselines changes: the new ones judged against the old ones"
    sub = commands.add_parser("diff", help=about, description=about)
    sub.set_defaults(command=_diff)
    sub.add_argument("old", metavar="OLD", help="a folder of baselines, or a git revision")
    sub.add_argument(
        "new", nargs="?", metavar="NEW", help="likewise; without it, the folder --mpq-baselines"
    )
    sub.add_argument(
        "--mpq-profile",
        default="mini",
        metavar="NAME",
        help=f"{', '.join(NAMES)}, or package.module:ATTRIBUTE (default: mini)",
    )
    sub.add_argument(
        "--mpq-baselines",
        default="baselines",
        type=Path,
        metavar="DIR",
        help="where a revision has its baselines (default: baselines)",
    )
    sub.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request")
    sub.add_argument(
        "--output", type=Path, metavar="DIR", help="write results.json of the change to this folder"
    )


def _add_official(commands: Any) -> None:
    """Commands for official codecs; they take no profile."""
    about = "download official weights of which no hash is published, and record their SHA-256"
    fetch = commands.add_parser("fetch-official", help=about, description=about)
    fetch.set_defaults(command=_fetch_official)
    fetch.add_argument(
        "names", nargs="+", choices=sorted(_unpinned_files()), metavar="NAME", help="%(choices)s"
    )
    about = "make the environment with tensorflow-compression that the official HiFiC needs"
    setup = commands.add_parser("setup-tfci", help=about, description=about)
    setup.set_defaults(command=_setup_tfci)
    setup.add_argument("--python", metavar="PATH", help="Python 3.10 or 3.11 to make it with")


def _add_examples_options(sub: argparse.ArgumentParser) -> None:
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


def _list(parsed: argparse.Namespace) -> int:
    profile = load_profile(parsed.mpq_profile)
    console = Console(highlight=False, soft_wrap=True)
    if parsed.json:
        console.print(json.dumps(_listing(profile), indent=2), markup=False)
        return _OK
    for case in profile.cases:
        metrics = ", ".join(metric.name for metric in case.metrics)
        console.print(f"{case.id:34} {case.task.kind:22} {metrics}", markup=False)
    return _OK


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


def _fetch(parsed: argparse.Namespace) -> int:
    names = load_profile(parsed.mpq_profile).assets()
    missing = assets.missing(names)
    with assets.RichProgress() as progress:
        assets.fetch(missing, progress=progress)
    console = Console(highlight=False, soft_wrap=True)
    for name in names:
        if parsed.verify:
            assets.verify(name)
        state = "fetched" if name in missing else "cached"
        console.print(f"{name:30} {state:8} {assets.asset_path(name)}", markup=False)
    return _OK


def _examples(parsed: argparse.Namespace) -> int:
    from mpq_checks.figures import draw_examples, examples

    profile = load_profile(parsed.mpq_profile)
    chosen = {}
    for choice in parsed.sample:
        task, equals, sample_id = choice.partition("=")
        if not equals:
            raise MpqError(f"--sample is {choice!r}; it has the form TASK=ID")
        chosen[task] = sample_id
    draw_examples(examples(profile, chosen), parsed.output)
    Console(highlight=False, soft_wrap=True).print(str(parsed.output), markup=False)
    return _OK


def _doctor(parsed: argparse.Namespace) -> int:
    profile = load_profile(parsed.mpq_profile)
    console = Console(highlight=False, soft_wrap=True)
    findings = doctor.examine(profile, Path(parsed.mpq_baselines))
    for finding in findings:
        mark = "ok     " if finding.ok else "PROBLEM"
        console.print(f"{mark} {finding.what}: {finding.state}", markup=False)
    shown = doctor.sensitivities(profile, Path(parsed.mpq_baselines))
    if shown:
        console.print(sensitivity_table(shown))
    return _OK if all(finding.ok for finding in findings) else _PROBLEM


def _diff(parsed: argparse.Namespace) -> int:
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
    return _OK if review.complete else _PROBLEM


def _unpinned_files() -> dict[str, UnpinnedFile]:
    return {file.name: file for file in (*METAGRAPHS.values(), *CHECKPOINTS.values())}


def _fetch_official(parsed: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=True)
    for name in parsed.names:
        file = _unpinned_files()[name]
        with assets.RichProgress() as progress:
            sha256 = download_unpinned(file, progress)
        console.print(f"{name:12} {sha256} {unpinned_path(file)}", markup=False)
        console.print(f"{'':12} from {file.url}; licence: {file.licence}", markup=False)
    return _OK


def _setup_tfci(parsed: argparse.Namespace) -> int:
    python = environment.set_up(parsed.python)
    Console(highlight=False, soft_wrap=True).print(str(python), markup=False)
    return _OK
