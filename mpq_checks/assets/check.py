"""Whether an asset is here, and whether it still is what the manifest pins."""

import hashlib
from pathlib import Path

from mpq_checks.assets.listing import file_sha256, folder_listing, listing_sizes
from mpq_checks.assets.manifest import Asset, InstalledSource
from mpq_checks.assets.storage import (
    WEIGHTS_VARIABLE,
    asset_location,
    entry_dir,
    local_file,
)
from mpq_checks.errors import AssetCorruptError

__all__ = ["LISTING", "find", "require_intact", "require_pinned"]

LISTING = "listing.txt"
"""File beside a cached folder that holds the listing whose SHA-256 the manifest pins."""


def find(asset: Asset) -> Path | None:
    """Where the asset lies, judged by names and sizes; None where it is absent or broken.

    A file in MPQ_WEIGHTS_DIR comes before everything else.
    """
    local = local_file(asset)
    if local is not None:
        return local
    for source in asset.sources:
        if isinstance(source, InstalledSource):
            installed = _installed_file(source)
            if installed is not None:
                return installed
    path = asset_location(asset)
    return path if path.exists() else None


def require_intact(asset: Asset, path: Path) -> None:
    """Check a file's size and hash, or a folder's listing, names and sizes.

    Raises:
        AssetCorruptError: anything differs from the manifest.
    """
    try:
        if asset.filename is not None:
            _require_file(asset, path)
        else:
            _require_folder(asset, path)
    except OSError as exc:
        raise _corrupt(asset, path, f"cannot be read: {exc.strerror or exc}") from exc


def require_pinned(asset: Asset, path: Path) -> None:
    """Hash every file. Raises AssetCorruptError."""
    if asset.filename is not None:
        require_intact(asset, path)
        return
    try:
        listing = folder_listing(path)
    except OSError as exc:
        raise _corrupt(asset, path, f"cannot be read: {exc.strerror or exc}") from exc
    _require_listing(asset, path, listing)


def _require_file(asset: Asset, path: Path) -> None:
    size = path.stat().st_size
    if asset.pinned_whole and size != asset.num_bytes:
        raise _corrupt(asset, path, f"has {size} bytes, not its pinned {asset.num_bytes}")
    if size > asset.num_bytes:
        raise _corrupt(asset, path, f"has {size} bytes, more than its pinned {asset.num_bytes}")
    found = file_sha256(path)
    if not found.startswith(asset.sha256):
        raise _corrupt(asset, path, f"has SHA-256 {found}, not its pinned {asset.sha256}")


def _require_folder(asset: Asset, path: Path) -> None:
    listing = (path.parent / LISTING).read_text("utf-8")
    _require_listing(asset, path, listing)
    for name, size in listing_sizes(listing).items():
        file = path / name
        if not file.is_file():
            raise _corrupt(asset, path, f"lacks {name}")
        if file.stat().st_size != size:
            raise _corrupt(
                asset, path, f"has {name} with {file.stat().st_size} bytes, not its pinned {size}"
            )


def _require_listing(asset: Asset, path: Path, listing: str) -> None:
    found = hashlib.sha256(listing.encode()).hexdigest()
    if found != asset.sha256:
        raise _corrupt(
            asset,
            path,
            f"has {len(listing.splitlines())} files whose listing has SHA-256 {found}, "
            f"not {asset.num_files} files with its pinned {asset.sha256}",
        )


def _corrupt(asset: Asset, path: Path, found: str) -> AssetCorruptError:
    if path == local_file(asset):
        mend = f"Put the official file into {path.parent}, or unset {WEIGHTS_VARIABLE}."
    elif path.is_relative_to(entry_dir(asset)):
        mend = f"Delete {entry_dir(asset)} and run `mpq fetch`."
    else:
        mend = "Install the Python distribution that it belongs to again."
    return AssetCorruptError(f"asset {asset.name} at {path} {found}. {mend}")


def _installed_file(source: InstalledSource) -> Path | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        path = distribution(source.distribution).locate_file(source.member)
    except PackageNotFoundError:
        return None
    found = Path(str(path))
    return found if found.is_file() else None
