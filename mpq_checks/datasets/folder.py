"""Datasets from a user's own folder."""

import csv
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

from mpq_checks.datasets.base import Label, Sample, Transcript
from mpq_checks.datasets.files import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    audio_from_bytes,
    image_from_bytes,
    read_bytes,
)
from mpq_checks.datasets.pinned import content_sha256
from mpq_checks.errors import DatasetError

__all__ = ["ImageFolder", "SpeechFolder"]

_TABLES = ("transcripts.csv", "metadata.csv")


@dataclass(frozen=True)
class ImageFolder:
    """Images for classification: one subfolder a class, at any depth below it.

    Labels are 0..k-1 in the order of `classes`, or of the subfolders' sorted names. Ids are the
    paths relative to `path`, with slashes. Files that begin with a dot and files of other than the
    usual image suffixes are left out. Images are read as `image_from_bytes` states.
    """

    path: Path
    name: str = ""
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Take the folder's name where none is given."""
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "name", self.name or self.path.absolute().name)

    @property
    def modality(self) -> Literal["image"]:
        """Images."""
        return "image"

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def class_names(self) -> tuple[str, ...]:
        """Class of each label.

        Raises:
            DatasetError: no such folder, no subfolders, or `classes` that are not its subfolders.
        """
        found = tuple(
            sorted(entry.name for entry in _entries(self.path) if _is_visible_folder(entry))
        )
        if not found:
            raise DatasetError(f"{self.path} has no subfolders; each class needs one")
        if self.classes is None:
            return found
        if set(found) != set(self.classes) or len(set(self.classes)) != len(self.classes):
            raise DatasetError(
                f"{self.path} has the subfolders {', '.join(found)}; classes names "
                f"{', '.join(self.classes)}. Name each subfolder once."
            )
        return self.classes

    def sample_ids(self) -> tuple[str, ...]:
        """Relative paths, sorted. Raises DatasetError, also for a class without images."""
        ids: list[str] = []
        for name in self.class_names():
            images = _files_below(self.path, name, IMAGE_SUFFIXES)
            if not images:
                raise DatasetError(
                    f"{self.path / name} holds no images ({_listed(IMAGE_SUFFIXES)})"
                )
            ids += images
        return tuple(sorted(ids))

    def load(self, sample_id: str) -> Sample[Label]:
        """Read one image. Raises DatasetError for an unknown id, SignalError for its content."""
        classes = self.class_names()
        path = _file_of(self.path, sample_id)
        folder = PurePosixPath(sample_id).parts[0]
        if folder not in classes:
            raise DatasetError(f"{self.name} has no sample {sample_id!r}: no class {folder!r}")
        data = read_bytes(path)
        label = classes.index(folder)
        return Sample(
            sample_id=sample_id,
            content_sha256=content_sha256(data, str(label).encode()),
            signal=image_from_bytes(data, str(path)),
            reference=label,
        )


@dataclass(frozen=True)
class SpeechFolder:
    """Speech with transcripts: audio files and a table `transcripts.csv` or `metadata.csv`.

    The table is a comma-separated UTF-8 file whose first line names its columns. `file` (path
    relative to the folder, with slashes; the sample's id) and `transcript` are needed; a column
    `cluster`, such as the speaker, is used where there is one. Audio is read as `audio_from_bytes`
    states, at its own sample rate.
    """

    path: Path
    name: str = ""

    def __post_init__(self) -> None:
        """Take the folder's name where none is given."""
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "name", self.name or self.path.absolute().name)

    @property
    def modality(self) -> Literal["audio"]:
        """Audio."""
        return "audio"

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def sample_ids(self) -> tuple[str, ...]:
        """Files of the table, sorted.

        Raises:
            DatasetError: a table that does not hold, or a file of it that does not exist.
        """
        ids = tuple(sorted(self._rows()))
        for sample_id in ids:
            _file_of(self.path, sample_id)
        return ids

    def load(self, sample_id: str) -> Sample[Transcript]:
        """Read one clip. Raises DatasetError for an unknown id, SignalError for its content."""
        rows = self._rows()
        if sample_id not in rows:
            raise DatasetError(f"{self.name} has no sample {sample_id!r} in {self._table()}")
        row = rows[sample_id]
        path = _file_of(self.path, sample_id)
        data = read_bytes(path)
        return Sample(
            sample_id=sample_id,
            content_sha256=content_sha256(data, row["transcript"].encode()),
            signal=audio_from_bytes(data, str(path)),
            reference=row["transcript"],
            cluster=row.get("cluster") or None,
        )

    def _table(self) -> Path:
        for name in _TABLES:
            if (self.path / name).is_file():
                return self.path / name
        raise DatasetError(
            f"{self.path} has no {' or '.join(_TABLES)} with the columns file,transcript"
        )

    def _rows(self) -> dict[str, dict[str, str]]:
        table = self._table()
        status = table.stat()
        return _read_table(table, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read_table(table: Path, _mtime_ns: int, _size: int) -> dict[str, dict[str, str]]:
    try:
        text = table.read_text("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise DatasetError(f"{table} is not a readable UTF-8 CSV file: {exc}") from exc
    columns = reader.fieldnames or ()
    absent = {"file", "transcript"} - set(columns)
    if absent:
        raise DatasetError(
            f"{table} has the columns {', '.join(columns) or 'none'}; it lacks "
            f"{', '.join(sorted(absent))}"
        )
    rows: dict[str, dict[str, str]] = {}
    for number, row in lines:
        file, transcript = row["file"], row["transcript"]
        if not (file and transcript and transcript.strip()):
            raise DatasetError(f"{table}, line {number}: file {file!r}, transcript {transcript!r}")
        if file in rows:
            raise DatasetError(f"{table}, line {number}: file {file} comes twice")
        if PurePosixPath(file).suffix.lower() not in AUDIO_SUFFIXES:
            raise DatasetError(
                f"{table}, line {number}: file {file} ends in none of {_listed(AUDIO_SUFFIXES)}"
            )
        rows[file] = row
    if not rows:
        raise DatasetError(f"{table} lists no files")
    return rows


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as exc:
        raise DatasetError(f"{folder} cannot be read: {exc.strerror or exc}") from exc


def _is_visible_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".")


def _files_below(root: Path, name: str, suffixes: tuple[str, ...]) -> list[str]:
    return [
        path.relative_to(root).as_posix()
        for path in (root / name).rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    ]


def _file_of(root: Path, sample_id: str) -> Path:
    relative = PurePosixPath(sample_id)
    if relative.is_absolute() or ".." in relative.parts or str(relative) != sample_id:
        raise DatasetError(f"{sample_id!r} is not a plain path below {root}")
    path = root / relative
    if not path.is_file():
        raise DatasetError(f"{path} is not a file")
    return path


def _listed(suffixes: tuple[str, ...]) -> str:
    return ", ".join(suffixes)
