"""What assets exist: `manifest.toml` as frozen dataclasses."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from mpq_checks.errors import AssetError

__all__ = [
    "SHA256_DIGITS",
    "Archive",
    "ArchiveSource",
    "Asset",
    "InstalledSource",
    "Manifest",
    "Source",
    "UrlSource",
    "load_manifest",
    "parse_manifest",
]

SHA256_DIGITS = 64
_PREFIX_DIGITS = 8


@dataclass(frozen=True)
class Archive:
    """One file of a project on PyPI, read as data: a wheel (zip) or an sdist (tar.gz)."""

    name: str
    project: str
    version: str
    filename: str
    sha256: str
    num_bytes: int


@dataclass(frozen=True)
class UrlSource:
    """The asset itself at its official address."""

    url: str


@dataclass(frozen=True)
class InstalledSource:
    """A file inside an installed Python distribution."""

    distribution: str
    member: str


@dataclass(frozen=True)
class ArchiveSource:
    """Members of an archive.

    `files` maps names in the asset to member paths; `root` and `patterns` take every member below
    `root` whose path matches a pattern (`*` stays within one path component).
    """

    archive: Archive
    files: tuple[tuple[str, str], ...] = ()
    root: str = ""
    patterns: tuple[str, ...] = ()

    def target(self, member: str) -> str | None:
        """Path of the member inside the asset, or None where it does not belong to it."""
        for name, path in self.files:
            if path == member:
                return name
        if not self.patterns or not member.startswith(f"{self.root}/"):
            return None
        relative = member.removeprefix(f"{self.root}/")
        return relative if any(_matches(relative, p) for p in self.patterns) else None


Source: TypeAlias = UrlSource | InstalledSource | ArchiveSource


@dataclass(frozen=True)
class Asset:
    """Weights or data, pinned by hash.

    A file asset has a `filename` and the SHA-256 of the file. A folder asset has none; its
    `sha256` is that of its listing (one line a file, sorted by path: SHA-256, size, path).

    Some makers publish no more than the first digits of a file's SHA-256, in its name, which is
    what `torch.hub` checks. Such an asset has `sha256_prefix` and `max_bytes` in the manifest, and
    `sha256` and `num_bytes` hold these. Eight digits tell a damaged or mistaken file from the
    right one; they do not withstand someone who forges a file, so that such files are only ever
    read as data (`torch.load` with `weights_only=True`), and identities name the whole SHA-256.
    """

    name: str
    about: str
    licence: str
    origin: str
    sha256: str
    num_bytes: int
    num_files: int
    filename: str | None
    sources: tuple[Source, ...]

    @property
    def pinned_whole(self) -> bool:
        """Whether the SHA-256 and the size are known to the last digit."""
        return len(self.sha256) == SHA256_DIGITS

    @property
    def archive(self) -> Archive | None:
        """The archive that holds it, if any."""
        found = (s.archive for s in self.sources if isinstance(s, ArchiveSource))
        return next(found, None)


Manifest: TypeAlias = Mapping[str, Asset]


@cache
def load_manifest() -> Manifest:
    """All assets by name.

    Raises:
        AssetError: the manifest does not have its form.
    """
    path = Path(__file__).with_name("manifest.toml")
    try:
        return parse_manifest(path.read_text("utf-8"))
    except OSError as exc:
        raise AssetError(f"{path} cannot be read: {exc}; install mpq-checks anew") from exc


def parse_manifest(text: str) -> Manifest:
    """Read a manifest from TOML. Raises AssetError."""
    try:
        data = tomllib.loads(text)
        archives = {k: Archive(name=k, **v) for k, v in data["archives"].items()}
        return {k: _asset(k, v, archives) for k, v in data["assets"].items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as exc:
        raise AssetError(f"assets/manifest.toml does not have its form: {exc!r}") from exc


def _asset(name: str, table: dict[str, Any], archives: Mapping[str, Archive]) -> Asset:
    filename = table.get("filename")
    sha256, num_bytes = _pin(name, table)
    return Asset(
        name=name,
        about=table["about"],
        licence=table["licence"],
        origin=table["origin"],
        sha256=sha256,
        num_bytes=num_bytes,
        num_files=table.get("num_files", 1),
        filename=filename,
        sources=tuple(_source(s, filename, archives) for s in table["sources"]),
    )


def _pin(name: str, table: dict[str, Any]) -> tuple[str, int]:
    if "sha256_prefix" not in table:
        return table["sha256"], table["num_bytes"]
    prefix = table["sha256_prefix"]
    if not _PREFIX_DIGITS <= len(prefix) < SHA256_DIGITS or "filename" not in table:
        raise AssetError(
            f"assets/manifest.toml: {name} has the sha256_prefix {prefix!r}; it has "
            f"{_PREFIX_DIGITS}..{SHA256_DIGITS - 1} digits, and the asset is a file"
        )
    return prefix, table["max_bytes"]


def _source(table: dict[str, Any], filename: str | None, archives: Mapping[str, Archive]) -> Source:
    if "url" in table:
        return UrlSource(table["url"])
    if "distribution" in table:
        return InstalledSource(table["distribution"], table["member"])
    files = dict(table.get("files", {}))
    if filename is not None:
        files[filename] = table["member"]
    return ArchiveSource(
        archive=archives[table["archive"]],
        files=tuple(files.items()),
        root=table.get("root", ""),
        patterns=tuple(table.get("members", ())),
    )


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
