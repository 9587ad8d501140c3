"""Names, sizes and hashes of the files of an asset."""

import hashlib
from pathlib import Path

__all__ = ["file_sha256", "folder_listing", "listing_sizes"]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_listing(folder: Path) -> str:
    """One line a file, sorted by path: SHA-256, size in bytes, relative path. Raises OSError."""
    lines = [
        f"{file_sha256(path)} {path.stat().st_size} {path.relative_to(folder).as_posix()}\n"
        for path in folder.rglob("*")
        if not path.is_dir()
    ]
    return "".join(sorted(lines, key=lambda line: line.split(" ", 2)[2]))


def listing_sizes(listing: str) -> dict[str, int]:
    """Size in bytes by relative path."""
    rows = (line.split(" ", 2) for line in listing.splitlines())
    return {path: int(size) for _, size, path in rows}
