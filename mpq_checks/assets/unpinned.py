"""Official files whose makers publish no hash: the user's own, or downloaded on request.

Nothing is fetched by itself. A file is taken from the folder that MPQ_WEIGHTS_DIR names, or from
the cache, where `mpq fetch-official` put it together with a record of where it came from and of
its SHA-256; from then on it has to have that hash. Identities of codecs name the SHA-256 of the
file in use, so that a baseline is bound to it.
"""

import datetime
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mpq_checks.assets.download import Pinned, download_url
from mpq_checks.assets.fetching import is_offline
from mpq_checks.assets.listing import file_sha256
from mpq_checks.assets.progress import NoProgress, Progress
from mpq_checks.assets.storage import (
    WEIGHTS_VARIABLE,
    cache_dir,
    locked,
    partial_dir,
    storage_errors,
)
from mpq_checks.errors import AssetCorruptError, AssetMissingError, AssetStorageError

__all__ = ["UnpinnedFile", "download_unpinned", "unpinned_path", "unpinned_sha256"]

_FOLDER = "official"
_LICENCE_HINT = "its licence: {licence}"


@dataclass(frozen=True)
class UnpinnedFile:
    """A file at its official address; `max_bytes` is the most that a download may bring."""

    name: str
    filename: str
    url: str
    max_bytes: int
    licence: str


def unpinned_path(file: UnpinnedFile) -> Path:
    """Where the file lies: in MPQ_WEIGHTS_DIR, else in the cache.

    Raises:
        AssetMissingError: in neither.
        AssetCorruptError: the cached file is not the one that was downloaded.
    """
    folder = os.environ.get(WEIGHTS_VARIABLE)
    if folder:
        local = Path(folder).expanduser().absolute() / file.filename
        if local.is_file():
            return local
    cached = _cached(file)
    if cached.is_file():
        _require_recorded(file, cached)
        return cached
    raise AssetMissingError(
        f"{file.filename} is not here. Put the official file into a folder and name that in "
        f"{WEIGHTS_VARIABLE}, or run `mpq fetch-official {file.name}` to download it from "
        f"{file.url} ({_LICENCE_HINT.format(licence=file.licence)})."
    )


def unpinned_sha256(file: UnpinnedFile) -> str:
    """SHA-256 of the file in use. Raises as `unpinned_path` does."""
    return _sha256(unpinned_path(file))


def download_unpinned(file: UnpinnedFile, progress: Progress | None = None) -> str:
    """Download the file into the cache, record its SHA-256, and give that.

    A file that is in the cache already is kept: it would have to be deleted first.

    Raises:
        AssetMissingError: downloads are off, or the address cannot be reached.
        AssetCorruptError: more bytes than the file can have.
        AssetStorageError: the cache cannot be written.
    """
    if is_offline():
        raise AssetMissingError(f"{file.filename} is not fetched: downloads are off (MPQ_OFFLINE)")
    with locked(file.name):
        final = _cached(file)
        if not final.is_file():
            with partial_dir(file.name) as partial, storage_errors():
                path = partial / file.filename
                pinned = Pinned(file.name, "", file.max_bytes, whole=False)
                download_url(file.url, path, pinned, progress or NoProgress())
                final.parent.mkdir(parents=True, exist_ok=True)
                _record(file).write_text(_record_text(file, path), "utf-8")
                path.replace(final)
        _require_recorded(file, final)
    return _sha256(final)


def _cached(file: UnpinnedFile) -> Path:
    return cache_dir() / _FOLDER / file.filename


def _record(file: UnpinnedFile) -> Path:
    return cache_dir() / _FOLDER / f"{file.filename}.json"


def _record_text(file: UnpinnedFile, path: Path) -> str:
    record = {
        "url": file.url,
        "sha256": file_sha256(path),
        "num_bytes": path.stat().st_size,
        "downloaded": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "licence": file.licence,
    }
    return json.dumps(record, indent=2) + "\n"


def _require_recorded(file: UnpinnedFile, path: Path) -> None:
    mend = f"Delete {path} and run `mpq fetch-official {file.name}`."
    try:
        recorded = json.loads(_record(file).read_text("utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AssetCorruptError(f"{_record(file)} is not the record of {path}. {mend}") from exc
    if _sha256(path) != recorded:
        raise AssetCorruptError(
            f"{path} has SHA-256 {_sha256(path)}, not {recorded} as it was downloaded. {mend}"
        )


def _sha256(path: Path) -> str:
    try:
        return _hash(path, path.stat().st_mtime_ns, path.stat().st_size)
    except OSError as exc:
        raise AssetStorageError(f"{path} cannot be read: {exc.strerror or exc}") from exc


@lru_cache(maxsize=64)
def _hash(path: Path, _mtime_ns: int, _num_bytes: int) -> str:
    return file_sha256(path)
