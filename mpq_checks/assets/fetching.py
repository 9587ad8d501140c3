"""Bringing assets into the cache, each whole or not at all."""

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mpq_checks.assets.archive import extract
from mpq_checks.assets.check import LISTING, find, require_pinned
from mpq_checks.assets.download import Pinned, download_archive, download_url
from mpq_checks.assets.listing import folder_listing
from mpq_checks.assets.manifest import (
    Archive,
    ArchiveSource,
    Asset,
    Source,
    UrlSource,
    load_manifest,
)
from mpq_checks.assets.progress import NoProgress, Progress
from mpq_checks.assets.storage import (
    WEIGHTS_VARIABLE,
    asset_location,
    entry_dir,
    locked,
    partial_dir,
    storage_errors,
)
from mpq_checks.errors import AssetCorruptError, AssetError, AssetMissingError

__all__ = ["fetch_assets", "is_offline", "set_offline"]

_log = logging.getLogger(__name__)
_OFFLINE_VARIABLE = "MPQ_OFFLINE"


def set_offline(offline: bool) -> None:
    """Forbid or allow downloads, in this process and in those it starts (MPQ_OFFLINE)."""
    if offline:
        os.environ[_OFFLINE_VARIABLE] = "1"
    else:
        os.environ.pop(_OFFLINE_VARIABLE, None)


def is_offline() -> bool:
    """Whether downloads are forbidden."""
    return os.environ.get(_OFFLINE_VARIABLE, "").lower() not in ("", "0", "false", "no")


def fetch_assets(assets: Iterable[Asset], progress: Progress | None = None) -> None:
    """Bring those that are absent; archives that hold several come once.

    Raises:
        AssetMissingError: offline, or no source can be reached.
        AssetCorruptError: a source gave other bytes than pinned, and no other source helped.
        AssetStorageError: the cache folder cannot be written.
    """
    absent = [asset for asset in assets if find(asset) is None]
    if absent and is_offline():
        names = ", ".join(asset.name for asset in absent)
        raise AssetMissingError(
            f"not in the asset cache, and downloads are off: {names}. Run `mpq fetch` with the "
            f"network on (without --mpq-offline and MPQ_OFFLINE), or name a folder that holds "
            f"the files in {WEIGHTS_VARIABLE}."
        )
    for asset in absent:
        key = asset.archive.name if asset.archive else asset.name
        with locked(key):
            if find(asset) is None:
                _fetch(asset, key, progress or NoProgress())


def _fetch(asset: Asset, key: str, progress: Progress) -> None:
    failures: list[AssetError] = []
    for source in asset.sources:
        try:
            if _fetch_from(source, asset, key, progress):
                return
        except (AssetMissingError, AssetCorruptError) as exc:
            _log.info("asset %s: %s", asset.name, exc)
            failures.append(exc)
    corrupt = any(isinstance(exc, AssetCorruptError) for exc in failures)
    raise (AssetCorruptError if corrupt else AssetMissingError)(
        f"asset {asset.name} cannot be fetched: {'; '.join(map(str, failures))}. "
        f"Check the network and pip's settings (index-url, cert, proxy), then run `mpq fetch`"
        f"{_by_hand(asset)}."
    ) from failures[-1]


def _by_hand(asset: Asset) -> str:
    return f", or put {asset.filename} into the folder {WEIGHTS_VARIABLE}" if asset.filename else ""


def _fetch_from(source: Source, asset: Asset, key: str, progress: Progress) -> bool:
    if isinstance(source, UrlSource):
        _fetch_url(source, asset, key, progress)
        return True
    if isinstance(source, ArchiveSource):
        _fetch_archive(source.archive, key, progress)
        return True
    return False


def _fetch_url(source: UrlSource, asset: Asset, key: str, progress: Progress) -> None:
    with partial_dir(key) as partial, storage_errors():
        entry = partial / asset.name
        entry.mkdir()
        pinned = Pinned(asset.name, asset.sha256, asset.num_bytes, asset.pinned_whole)
        download_url(source.url, entry / (asset.filename or asset.name), pinned, progress)
        _install(entry, asset)


def _fetch_archive(archive: Archive, key: str, progress: Progress) -> None:
    with partial_dir(key) as partial, storage_errors():
        path = partial / archive.filename
        download_archive(archive, path, progress)
        for asset in load_manifest().values():
            for source in asset.sources:
                if not isinstance(source, ArchiveSource) or source.archive != archive:
                    continue
                if find(asset) is None:
                    _install(_unpack(path, source, asset, partial / asset.name), asset)


def _unpack(path: Path, source: ArchiveSource, asset: Asset, entry: Path) -> Path:
    content = entry / "files" if asset.filename is None else entry
    content.mkdir(parents=True)
    extract(path, content, source.target, asset.num_bytes)
    if asset.filename is None:
        listing = folder_listing(content)
        (entry / LISTING).write_text(listing, "utf-8", newline="\n")
    located = content if asset.filename is None else entry / asset.filename
    require_pinned(asset, located)
    return entry


def _install(entry: Path, asset: Asset) -> None:
    final = entry_dir(asset)
    if final.exists() and not asset_location(asset).exists():
        shutil.rmtree(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    entry.rename(final)
