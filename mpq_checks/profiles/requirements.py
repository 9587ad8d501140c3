"""What a profile needs on this machine, where it lies, and what is missing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from mpq_checks import assets
from mpq_checks.assets.check import find
from mpq_checks.assets.manifest import Asset
from mpq_checks.assets.unpinned import UnpinnedFile, unpinned_path
from mpq_checks.codecs.base import Codec
from mpq_checks.codecs.hific import HiFiC
from mpq_checks.codecs.msillm import CHECKPOINTS, Msillm
from mpq_checks.codecs.tfci import METAGRAPHS, environment
from mpq_checks.datasets.location import DatasetStatus, HasStatus
from mpq_checks.errors import MpqError
from mpq_checks.models.demucs import Demucs
from mpq_checks.models.demucs_packages import local_packages
from mpq_checks.models.hub import MODELS_VARIABLE, HubModel, local_model_folder
from mpq_checks.profiles.base import Case, Profile

__all__ = ["Kind", "Requirement", "requirements"]

Kind: TypeAlias = Literal["dataset", "model", "weights", "environment"]
"""Data; a model of the hub; weights of a codec, model or metric; a Python of its own."""

_DEMUCS_LICENCE = "MIT (code); the weights' own licence is not stated"


@dataclass(frozen=True)
class Requirement:
    """One thing that cases need.

    Attributes:
        name: of the asset, dataset, model or file.
        kind: what it is.
        licence: as its makers state it.
        num_bytes: of the download; None where no source states it.
        where: file, folder, or repository and commit; empty where it is missing.
        missing: what to do about it; empty where it is here.
        used_by: ids of the cases.
    """

    name: str
    kind: Kind
    licence: str
    num_bytes: int | None
    where: str
    missing: str
    used_by: tuple[str, ...] = ()


def requirements(profile: Profile) -> tuple[Requirement, ...]:
    """Of all cases, in their order, each once. Reads no network and no whole file.

    What lies in a folder that the profile itself names is not listed. Presence is judged by names
    and sizes; hashes are checked when a case runs, and by `mpq doctor`.
    """
    found: dict[tuple[Kind, str], Requirement] = {}
    for case in profile.cases:
        for one in _of_case(case):
            known = found.setdefault((one.kind, one.name), one)
            if case.id not in known.used_by:
                found[one.kind, one.name] = replace(known, used_by=(*known.used_by, case.id))
    return tuple(found.values())


def _of_case(case: Case) -> Iterator[Requirement]:
    dataset, model = case.task.dataset, getattr(case.task, "model", None)
    if isinstance(dataset, HasStatus):
        yield _of_dataset(dataset.status())
    place = getattr(model, "path", None)
    if isinstance(place, HubModel):
        yield _of_hub_model(place)
    if isinstance(model, Demucs):
        yield from _of_demucs(model)
    yield from _of_codec(case.codec)
    yield from _of_assets(case)


def _of_dataset(status: DatasetStatus) -> Requirement:
    return Requirement(
        name=status.name,
        kind="dataset",
        licence=status.licence,
        num_bytes=status.download_bytes,
        where=status.where or "",
        missing=status.missing or "",
    )


def _of_hub_model(model: HubModel) -> Requirement:
    def where() -> str:
        local = local_model_folder(model.repo)
        if local is None and not model.is_here():
            return ""
        return str(local or f"{model.repo} in the hub's cache")

    absent = (
        f"fetched from {model.page} when a case runs, or put its files into "
        f"{MODELS_VARIABLE}/{model.repo}"
    )
    size = model.num_bytes or None
    return _looked_for(model.repo, "model", model.licence, size, where, absent)


def _of_demucs(model: Demucs) -> Iterator[Requirement]:
    """Packages in the user's own folder; official ones are assets."""

    def where() -> str:
        packages = local_packages(model.name)
        return str(packages[0].parent) if packages else ""

    found = _looked_for(f"demucs/{model.name}", "model", _DEMUCS_LICENCE, None, where, "")
    if found.where or found.missing:
        yield found


def _of_codec(codec: Codec) -> Iterator[Requirement]:
    if isinstance(codec, HiFiC) and codec.weights == "official":
        yield _of_file(METAGRAPHS[codec.quality])
        yield _looked_for(
            "tensorflow-compression",
            "environment",
            "Apache-2.0",
            None,
            lambda: str(environment.interpreter()),
            "",
        )
    elif isinstance(codec, Msillm):
        yield _of_file(CHECKPOINTS[codec.quality])


def _of_file(file: UnpinnedFile) -> Requirement:
    def where() -> str:
        return str(unpinned_path(file))

    return _looked_for(file.name, "weights", file.licence, None, where, "")


def _of_assets(case: Case) -> Iterator[Requirement]:
    data = set(case.task.dataset.assets())
    manifest = assets.load_manifest()
    for name in _asset_names(case):
        yield _of_asset(manifest[name], "dataset" if name in data else "weights")


def _asset_names(case: Case) -> tuple[str, ...]:
    try:
        return case.assets()
    except MpqError:  # of a model's own folder, which is told above
        return (*case.task.perceptual.assets(), *case.codec.assets())


def _of_asset(asset: Asset, kind: Kind) -> Requirement:
    def where() -> str:
        path: Path | None = find(asset)
        return str(path or "")

    by_hand = f", or put {asset.filename} into MPQ_WEIGHTS_DIR" if asset.filename else ""
    return _looked_for(
        asset.name,
        kind,
        asset.licence,
        asset.num_bytes if asset.pinned_whole else None,
        where,
        f"run `mpq fetch`{by_hand}",
    )


def _looked_for(
    name: str,
    kind: Kind,
    licence: str,
    num_bytes: int | None,
    where: Callable[[], str],
    absent: str,
) -> Requirement:
    """The requirement; `where` gives an empty text, or raises MpqError, where it is missing."""
    try:
        place = where()
        missing = "" if place else absent
    except MpqError as error:
        place, missing = "", str(error)
    return Requirement(name, kind, licence, num_bytes, place, missing)
