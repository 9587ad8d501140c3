"""The archives of audio_sources.toml, and the hashes of what was trained on."""

import hashlib
import tomllib
from collections.abc import Iterable
from pathlib import Path

from archives import Source, unpacked

__all__ = ["folders", "sound_hashes"]

HERE = Path(__file__).resolve().parent
_SUFFIXES = {".g722", ".mid", ".flac", ".sf2"}


def folders(kind: str) -> list[Path]:
    """Unpacked archives of one kind, in the order of the list; fetched at first use."""
    tables = tomllib.loads((HERE / "audio_sources.toml").read_text(encoding="utf-8"))
    return [
        unpacked(_source(name, table)) for name, table in tables.items() if table["kind"] == kind
    ]


def sound_hashes(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 to file name, of all files of sound below the folders."""
    files = (path for folder in paths for path in folder.rglob("*") if path.suffix in _SUFFIXES)
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in sorted(files)}


def _source(name: str, table: dict) -> Source:
    fields = {key: value for key, value in table.items() if key != "kind"}
    return Source(name=name, origin="debian", package=name, images=(), **fields)
