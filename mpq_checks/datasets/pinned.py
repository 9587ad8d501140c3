"""Lists of sample ids that ship with the package, and what datasets that use them share."""

import hashlib
from functools import lru_cache
from pathlib import Path

from mpq_checks.datasets.files import image_from_bytes
from mpq_checks.errors import DatasetError, SignalError
from mpq_checks.signals import Image

__all__ = ["asset_bytes", "asset_image", "content_sha256", "pinned_ids", "require_pinned"]

_FOLDER = Path(__file__).resolve().parent / "splits"


@lru_cache
def pinned_ids(name: str) -> tuple[str, ...]:
    """The ids of a list, one a line, in the order of the file. Raises DatasetError."""
    path = _FOLDER / f"{name}.txt"
    try:
        ids = tuple(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f"{path} cannot be read: {exc}; install mpq-checks anew") from exc
    if not ids or len(set(ids)) != len(ids):
        raise DatasetError(f"{path} is empty or names a sample twice; install mpq-checks anew")
    return ids


def require_pinned(name: str, sample_id: str) -> None:
    """Raise DatasetError unless the list holds the id."""
    ids = pinned_ids(name)
    if sample_id not in ids:
        raise DatasetError(
            f"{name} has no sample {sample_id!r}; its {len(ids)} ids go from {ids[0]} to {ids[-1]}"
        )


def asset_bytes(path: Path, asset: str) -> bytes:
    """The bytes of an asset's file. Raises DatasetError."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise DatasetError(f"{path} cannot be read: {exc}; fetch the asset {asset} anew") from exc


def asset_image(path: Path, asset: str) -> tuple[Image, bytes]:
    """An image of an asset and the bytes of its file. Raises DatasetError."""
    data = asset_bytes(path, asset)
    try:
        return image_from_bytes(data, str(path)), data
    except SignalError as exc:
        raise DatasetError(f"{exc}; fetch the asset {asset} anew") from exc


def content_sha256(*parts: bytes) -> str:
    """Hash of the parts' hashes, one a line: image and label, or image and mask."""
    lines = (f"{hashlib.sha256(part).hexdigest()}\n" for part in parts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
