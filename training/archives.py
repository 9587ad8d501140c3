"""The archives of sources.toml: found or fetched, checked by hash, unpacked."""

import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from mpq_checks.assets.archive import extract
from mpq_checks.assets.download import download_archive
from mpq_checks.assets.listing import file_sha256
from mpq_checks.assets.manifest import Archive
from mpq_checks.assets.progress import NoProgress

__all__ = ["Source", "sources", "unpacked"]

HERE = Path(__file__).resolve().parent
RUNS = HERE / "runs"
_MAX_UNPACKED_BYTES = 1 << 30


@dataclass(frozen=True)
class Source:
    """One archive, pinned by SHA-256, and the images in it that are used."""

    name: str
    origin: str
    version: str
    filename: str
    sha256: str
    num_bytes: int
    licence: str
    images: tuple[str, ...]
    package: str = ""


def sources() -> list[Source]:
    """What sources.toml lists."""
    tables = tomllib.loads((HERE / "sources.toml").read_text(encoding="utf-8"))
    return [
        Source(name=name, **{**table, "images": tuple(table["images"])})
        for name, table in tables.items()
    ]


def unpacked(source: Source) -> Path:
    """The folder with the archive's files; fetched and unpacked at first use."""
    folder = RUNS / "data" / source.sha256[:16]
    if folder.is_dir():
        return folder
    archive = _archive(source)
    partial = folder.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if source.origin == "debian":
        _run("dpkg-deb", "-x", str(archive), str(partial))
    else:
        extract(archive, partial, lambda member: member, _MAX_UNPACKED_BYTES)
    partial.rename(folder)
    return folder


def _archive(source: Source) -> Path:
    """The archive's file, from MPQ_TRAINING_ARCHIVES or fetched, with the pinned hash."""
    downloads = RUNS / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    folders = [Path(os.environ.get("MPQ_TRAINING_ARCHIVES") or downloads), downloads]
    found = [folder / source.filename for folder in folders if (folder / source.filename).is_file()]
    path = found[0] if found else downloads / source.filename
    if not found:
        _fetch(source, path)
    digest = file_sha256(path)
    if digest != source.sha256:
        raise SystemExit(f"{path} has SHA-256 {digest}, not {source.sha256}; delete it")
    return path


def _run(program: str, *arguments: str, cwd: Path | None = None) -> None:
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"{program} is not installed; Debian's packages need it")
    subprocess.run([found, *arguments], cwd=cwd, check=True)


def _fetch(source: Source, path: Path) -> None:
    if source.origin == "debian":
        name = f"{source.package}={source.version}"
        _run("apt-get", "download", name, cwd=path.parent)
        return
    archive = Archive(
        source.name, source.name, source.version, source.filename, source.sha256, source.num_bytes
    )
    download_archive(archive, path, NoProgress())
