"""`mpq fetch`: weights and data of a profile, into the cache."""

import argparse
from typing import Any

from mpq_checks import assets
from mpq_checks.cli.console import add_command, add_profile, console
from mpq_checks.profiles import load_profile

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    about = "fetch the weights and data of a profile into the cache"
    sub = add_command(commands, "fetch", about, _run)
    add_profile(sub)
    sub.add_argument("--verify", action="store_true", help="hash every file of the cache again")


def _run(parsed: argparse.Namespace) -> int:
    names = load_profile(parsed.mpq_profile).assets()
    missing = assets.missing(names)
    with assets.RichProgress() as progress:
        assets.fetch(missing, progress=progress)
    for name in names:
        if parsed.verify:
            assets.verify(name)
        state = "fetched" if name in missing else "cached"
        console().print(f"{name:30} {state:8} {assets.asset_path(name)}", markup=False)
    return 0
