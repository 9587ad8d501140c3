"""Weights and data, fetched on first use and checked against pinned hashes.

`manifest.toml` lists every asset with its licence, origin and sources. The cache lies in the
system's user cache folder, or where the environment variable MPQ_CACHE_DIR says. A file asset
may also lie by its official name in the folder that MPQ_WEIGHTS_DIR names: official checkpoints
that were downloaded by hand, say. It is checked like any other and used where it is.
"""

import difflib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from mpq_checks.assets.check import find, require_intact, require_pinned
from mpq_checks.assets.fetching import fetch_assets, is_offline, set_offline
from mpq_checks.assets.listing import file_sha256
from mpq_checks.assets.manifest import Asset, load_manifest
from mpq_checks.assets.progress import NoProgress, Progress, RichProgress
from mpq_checks.assets.storage import cache_dir
from mpq_checks.errors import AssetError, AssetMissingError

__all__ = [
    "Asset",
    "NoProgress",
    "Progress",
    "RichProgress",
    "asset_path",
    "asset_sha256",
    "cache_dir",
    "fetch",
    "is_cached",
    "is_offline",
    "load_manifest",
    "missing",
    "set_offline",
    "verify",
]

_checked: set[tuple[str, Path]] = set()
"""What this process found intact already."""


def asset_path(name: str) -> Path:
    """Where the file or folder lies; fetched first if need be.

    The first call for a name in a process checks a file's SHA-256, or a folder's listing and
    file sizes.

    Raises:
        AssetMissingError: not cached, and offline or not to be had.
        AssetCorruptError: the cached or fetched bytes are not the pinned ones.
        AssetStorageError: the cache folder cannot be written.
        AssetError: no asset has this name.
    """
    asset = _asset(name)
    path = find(asset)
    if path is None:
        fetch_assets([asset])
        path = find(asset)
    if path is None:
        raise AssetMissingError(f"asset {name} vanished from {cache_dir()}; run `mpq fetch`")
    if (name, path) not in _checked:
        require_intact(asset, path)
        _checked.add((name, path))
    return path


def asset_sha256(name: str) -> str:
    """The SHA-256 of a file, or of a folder's listing.

    It is the pinned one. Of a file of which only a beginning is pinned, it is what the file that
    is here has.

    Raises:
        AssetMissingError: pinned by a beginning only, and not here.
        AssetError: no asset has this name, or the file is not the pinned one.
    """
    asset = _asset(name)
    if asset.pinned_whole:
        return asset.sha256
    path = find(asset)
    if path is None:
        raise AssetMissingError(f"asset {name} is not in {cache_dir()}; run `mpq fetch`")
    require_intact(asset, path)
    return _hash_of(path, path.stat().st_mtime_ns)


def fetch(names: Iterable[str], *, progress: Progress | None = None) -> None:
    """Bring what is absent into the cache. Raises as `asset_path` does."""
    fetch_assets([_asset(name) for name in names], progress)


def is_cached(name: str) -> bool:
    """Whether the asset is here, judged by its presence. Raises AssetError."""
    return find(_asset(name)) is not None


def missing(names: Iterable[str]) -> tuple[str, ...]:
    """Those that would have to be fetched, in the order given. Raises AssetError."""
    return tuple(name for name in names if not is_cached(name))


def verify(name: str) -> None:
    """Hash every file of a cached asset.

    Raises:
        AssetMissingError: not cached.
        AssetCorruptError: anything differs from the manifest.
    """
    asset = _asset(name)
    path = find(asset)
    if path is None:
        raise AssetMissingError(f"asset {name} is not in {cache_dir()}; run `mpq fetch`")
    require_intact(asset, path)
    require_pinned(asset, path)


@lru_cache(maxsize=64)
def _hash_of(path: Path, _mtime_ns: int) -> str:
    return file_sha256(path)


def _asset(name: str) -> Asset:
    manifest = load_manifest()
    if name in manifest:
        return manifest[name]
    close = difflib.get_close_matches(name, manifest, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(manifest)}"
    raise AssetError(f"no asset is named {name!r}; {hint}")
