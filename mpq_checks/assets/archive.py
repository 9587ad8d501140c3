"""Taking declared members out of zip and tar archives, trusting nothing the archive says."""

import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from mpq_checks.errors import AssetCorruptError

__all__ = ["extract"]

_CHUNK = 1 << 20
# What the readers raise for damage; RuntimeError is an encrypted member, NotImplementedError an
# unknown compression, ValueError an impossible offset or name.
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_MAX_MEMBERS = 100_000
_MAX_UNPACKED_BYTES = 4 << 30
"""How far a compressed tar is read in search of members."""

# Path in the archive, None or an opener for regular files.
_Members = Iterator[tuple[str, Callable[[], IO[bytes] | None] | None]]


def extract(
    archive: Path, destination: Path, target: Callable[[str], str | None], max_bytes: int
) -> int:
    """Write the members for which `target` gives a path to that path below `destination`.

    Returns the number of files. Writes at most `max_bytes` in all.

    Raises:
        AssetCorruptError: not a whole zip or tar archive; any member's path is absolute or climbs
            out; a wanted member is a link or another special file, or comes twice; more bytes
            than stated.
        OSError: the destination cannot be written.
    """
    try:
        return _extract(archive, destination, target, max_bytes)
    except (*_BROKEN, OSError) as exc:
        # A plain OSError is of the destination, but for seeking to where there is nothing.
        if not isinstance(exc, _BROKEN) and exc.errno != errno.EINVAL:
            raise
        raise AssetCorruptError(f"{archive.name} is not a whole zip or tar archive: {exc}") from exc


def _extract(
    archive: Path, destination: Path, target: Callable[[str], str | None], max_bytes: int
) -> int:
    written: set[str] = set()
    remaining = max_bytes
    members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
    for member, opener in members(archive):
        _require_safe(member, archive)
        path = target(member)
        if path is None:
            continue
        if opener is None:
            raise AssetCorruptError(f"{archive.name}: {member} is a link or a special file")
        if path in written:
            raise AssetCorruptError(f"{archive.name}: {member} comes more than once")
        written.add(path)
        remaining -= _copy(archive, member, opener, destination / path, remaining)
    return len(written)


def _zip_members(archive: Path) -> _Members:
    with zipfile.ZipFile(archive) as file:
        infos = file.infolist()
        _require_count(len(infos), archive)
        for info in infos:
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            regular = kind in (0, stat.S_IFREG)
            yield info.filename, partial(file.open, info) if regular else None


def _tar_members(archive: Path) -> _Members:
    with tarfile.open(archive, "r:*") as file:
        for count, info in enumerate(file):
            _require_count(count, archive)
            if info.offset_data > _MAX_UNPACKED_BYTES:
                raise AssetCorruptError(
                    f"{archive.name} unpacks to more than {_MAX_UNPACKED_BYTES} bytes"
                )
            if info.isdir():
                continue
            yield info.name, partial(file.extractfile, info) if info.isreg() else None


def _copy(
    archive: Path,
    member: str,
    opener: Callable[[], IO[bytes] | None],
    path: Path,
    max_bytes: int,
) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = opener()
    if source is None:
        raise AssetCorruptError(f"{archive.name}: {member} is not a regular file")
    size = 0
    with source, path.open("xb") as out:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise AssetCorruptError(
                    f"{archive.name}: {member} unpacks to more bytes than the manifest states"
                )
            out.write(chunk)
    return size


def _require_safe(member: str, archive: Path) -> None:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or ":" in path.parts[0]:
        raise AssetCorruptError(
            f"{archive.name}: member path {member!r} leads out of the archive; nothing was kept"
        )


def _require_count(count: int, archive: Path) -> None:
    if count > _MAX_MEMBERS:
        raise AssetCorruptError(f"{archive.name} has more than {_MAX_MEMBERS} members")
