"""Where assets lie on disk, and how they get there whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpq_checks.assets.manifest import Asset
from mpq_checks.errors import AssetStorageError

__all__ = [
    "WEIGHTS_VARIABLE",
    "asset_location",
    "cache_dir",
    "entry_dir",
    "local_file",
    "locked",
    "partial_dir",
    "storage_errors",
]

WEIGHTS_VARIABLE = "MPQ_WEIGHTS_DIR"
"""Environment variable that names a folder of files the user has already."""


def cache_dir() -> Path:
    """Root of the asset cache: MPQ_CACHE_DIR, or the user's cache folder of the system."""
    configured = os.environ.get("MPQ_CACHE_DIR")
    if configured:
        return Path(configured).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("mpq-checks", appauthor=False)


def entry_dir(asset: Asset) -> Path:
    """Folder of one asset; its name holds the pinned hash, so that versions never mix."""
    return cache_dir() / asset.name / asset.sha256[:16]


def asset_location(asset: Asset) -> Path:
    """The cached file of a file asset, the cached folder of a folder asset."""
    return entry_dir(asset) / (asset.filename or "files")


def local_file(asset: Asset) -> Path | None:
    """The asset's file by its official name in MPQ_WEIGHTS_DIR; used where it lies, not copied."""
    folder = os.environ.get(WEIGHTS_VARIABLE)
    if not folder or asset.filename is None:
        return None
    path = Path(folder).expanduser().absolute() / asset.filename
    return path if path.is_file() else None


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn OSError into AssetStorageError naming the cache folder and the mend."""
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise AssetStorageError(
            f"the asset cache {cache_dir()} cannot be written: {reason}. Free space there, make "
            f"it writable, or set MPQ_CACHE_DIR to another folder."
        ) from exc


@contextmanager
def locked(key: str) -> Iterator[None]:
    """Hold the lock of one group of assets against other threads and processes."""
    from filelock import FileLock

    with storage_errors():
        folder = cache_dir() / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{key}.lock")
        lock.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def partial_dir(key: str) -> Iterator[Path]:
    """A temporary folder on the cache's file system; gone afterwards, whatever happens.

    The lock of `key` must be held: what a killed process left under it is removed first.
    """
    with storage_errors():
        parent = cache_dir() / ".partial" / key
        shutil.rmtree(parent, ignore_errors=True)
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(parent, ignore_errors=True)
