"""`mpq fetch-official` and `mpq setup-tfci`: what official codecs need; no profile is involved."""

import argparse
from typing import Any

from mpq_checks import assets
from mpq_checks.assets.unpinned import UnpinnedFile, download_unpinned, unpinned_path
from mpq_checks.cli.console import add_command, console
from mpq_checks.codecs.msillm import CHECKPOINTS
from mpq_checks.codecs.tfci import METAGRAPHS, environment

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add both commands."""
    about = "download official weights of which no hash is published, and record their SHA-256"
    fetch = add_command(commands, "fetch-official", about, _fetch)
    fetch.add_argument(
        "names", nargs="+", choices=sorted(_unpinned_files()), metavar="NAME", help="%(choices)s"
    )
    about = "make the environment with tensorflow-compression that the official HiFiC needs"
    setup = add_command(commands, "setup-tfci", about, _set_up)
    setup.add_argument("--python", metavar="PATH", help="Python 3.10 or 3.11 to make it with")


def _unpinned_files() -> dict[str, UnpinnedFile]:
    return {file.name: file for file in (*METAGRAPHS.values(), *CHECKPOINTS.values())}


def _fetch(parsed: argparse.Namespace) -> int:
    for name in parsed.names:
        file = _unpinned_files()[name]
        with assets.RichProgress() as progress:
            sha256 = download_unpinned(file, progress)
        console().print(f"{name:12} {sha256} {unpinned_path(file)}", markup=False)
        console().print(f"{'':12} from {file.url}; licence: {file.licence}", markup=False)
    return 0


def _set_up(parsed: argparse.Namespace) -> int:
    console().print(str(environment.set_up(parsed.python)), markup=False)
    return 0
