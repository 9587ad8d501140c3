"""`mpq fetch`: weights and data of a profile, into the cache."""

import argparse
from collections.abc import Iterator
from typing import Any

from mpq_checks import assets
from mpq_checks.cli.console import add_command, add_data, add_profile, console, use_data
from mpq_checks.datasets.location import HasStatus
from mpq_checks.errors import MpqError
from mpq_checks.models.hub import HubModel
from mpq_checks.profiles import Profile, load_profile

__all__ = ["add_to"]


def add_to(commands: Any) -> None:
    """Add the command."""
    about = "fetch the weights and data of a profile into the cache"
    sub = add_command(commands, "fetch", about, _run)
    add_profile(sub)
    add_data(sub)
    sub.add_argument("--verify", action="store_true", help="hash every file of the cache again")


def _run(parsed: argparse.Namespace) -> int:
    use_data(parsed)
    profile = load_profile(parsed.mpq_profile)
    problems = [*_fetch_assets(profile, verify=parsed.verify), *_fetch_published(profile)]
    for problem in problems:
        console(stderr=True).print(f"mpq: {problem}", markup=False)
    return 1 if problems else 0


def _fetch_assets(profile: Profile, *, verify: bool) -> Iterator[str]:
    """Fetch each asset; gives what went wrong, and goes on."""
    names = profile.assets()
    missing = assets.missing(names)
    for name in names:
        try:
            if name in missing:
                with assets.RichProgress() as progress:
                    assets.fetch([name], progress=progress)
            if verify:
                assets.verify(name)
            path = assets.asset_path(name)
        except MpqError as error:
            yield str(error)
            continue
        state = "fetched" if name in missing else "cached"
        console().print(f"{name:30} {state:8} {path}", markup=False)


def _fetch_published(profile: Profile) -> Iterator[str]:
    """Models of the hub and published datasets: brought here, or found in their folders."""
    tasks = {case.task.name: case.task for case in profile.cases}.values()
    models = dict.fromkeys(getattr(getattr(task, "model", None), "path", None) for task in tasks)
    for model in models:
        if isinstance(model, HubModel):
            try:
                folder = model.snapshot(progress=True).folder
            except MpqError as error:
                yield str(error)
            else:
                console().print(f"{model.repo:30} {'here':8} {folder}", markup=False)
    for dataset in dict.fromkeys(task.dataset for task in tasks):
        if isinstance(dataset, HasStatus):
            try:
                number = len(dataset.sample_ids())
            except MpqError as error:
                yield str(error)
            else:
                where = f"{number} samples, {dataset.status().where}"
                console().print(f"{dataset.name:30} {'here':8} {where}", markup=False)
