"""Music with its stems: MUSDB18-HQ, test part.

The publisher's files are WAV. A repository on the hub may hold the same music in another form (the
one that the study used states none); then ids and decoded samples agree where the form is lossless,
and the content hashes, which are of the stored bytes, do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from mpq_checks.datasets.base import Sample, Stems
from mpq_checks.datasets.hub import HubSplit
from mpq_checks.datasets.location import Publication
from mpq_checks.datasets.parquet import HubRows
from mpq_checks.datasets.pinned import content_sha256
from mpq_checks.datasets.published import (
    Entry,
    Place,
    PublishedDataset,
    decoded_audio,
    files_in,
    hub_bytes,
    hub_id,
)
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Audio, Modality

__all__ = ["HUB", "PUBLICATION", "SAMPLE_RATE", "STEMS", "Musdb"]

SAMPLE_RATE = 44_100
"""Sample rate of every track, in Hz."""

STEMS = ("drums", "bass", "other", "vocals")
"""Names of the stems; `mixture` is the signal."""

HUB = HubSplit(
    repo="danjacobellis/musdb",
    files=("data/test-*.parquet", "default/test/*.parquet"),
    revision="main",
)
"""The repository that the study read; its commit is recorded at first use."""

PUBLICATION = Publication(
    name="musdb",
    page="https://zenodo.org/records/3338373",
    licence="for academic purposes only; each track has its own licence",
    terms="musdb18hq.zip; no account needed",
    folders=("MUSDB18-HQ/test", "musdb18hq/test", "musdb18-hq/test"),
    layout="a folder a track, with mixture.wav, drums.wav, bass.wav, other.wav and vocals.wav",
    num_samples=50,
    download_bytes=22_656_664_047,
)
"""The size is that of musdb18hq.zip, which holds the training part too."""

_PARTS = ("mixture", *STEMS)
_NAME_COLUMNS = ("name", "track", "track_name")


@dataclass(frozen=True)
class Musdb(PublishedDataset):
    """50 tracks, stereo, 44,100 Hz, whole.

    The reference holds the four stems. Ids are the tracks' names: `Al James - Schoolboy
    Facination`. A whole split is in the order of its ids, in both places.
    """

    limit: int | None = None
    exclude: tuple[int, ...] = ()
    hub: HubSplit | None = HUB

    publication: ClassVar[Publication] = PUBLICATION

    @property
    def modality(self) -> Modality:
        """Audio."""
        return "audio"

    def load(self, sample_id: str) -> Sample[Stems]:
        """Read one track and its stems. Raises AssetError or DatasetError."""
        entry = self._entry(sample_id)
        stored = {part: entry.read(part) for part in _PARTS}
        mixture = _stereo(stored["mixture"], f"{entry.where}, mixture")
        stems = {part: _stereo(stored[part], f"{entry.where}, {part}") for part in STEMS}
        for part, stem in stems.items():
            if stem.num_samples != mixture.num_samples:
                raise DatasetError(
                    f"{entry.where}: {part} has {stem.num_samples} samples, the mixture "
                    f"{mixture.num_samples}"
                )
        content = content_sha256(*(stored[part] for part in _PARTS))
        return Sample(sample_id, content, mixture, stems)

    def _listed(self, place: Place) -> Iterator[tuple[str, Entry[None]]]:
        return _of_folder(place) if isinstance(place, Path) else _of_hub(place)


def _of_folder(folder: Path) -> Iterator[tuple[str, Entry[None]]]:
    for track in sorted(path for path in folder.iterdir() if path.is_dir()):
        if track.name.startswith("."):
            continue
        files = {part: track / f"{part}.wav" for part in _PARTS}
        absent = [path.name for path in files.values() if not path.is_file()]
        if absent:
            raise DatasetError(f"{track} lacks {', '.join(absent)}")
        yield track.name, Entry(str(track), files_in(files), None)


def _of_hub(rows: HubRows) -> Iterator[tuple[str, Entry[None]]]:
    for position, name in enumerate(_track_names(rows)):
        read = hub_bytes(rows, position, _PARTS)
        entry = Entry(f"{rows.repo} at {rows.commit}, row {position}", read, None)
        yield hub_id(name, position, partial(read, "mixture")), entry


def _track_names(rows: HubRows) -> list[Any]:
    """From a column of names, else from the folders in the stored paths; None where unnamed."""
    for column in _NAME_COLUMNS:
        names = rows.column(column)
        if any(names):
            return names
    paths = rows.column("mixture.path")
    return [PurePosixPath(path).parent.name if path else None for path in paths]


def _stereo(data: bytes, where: str) -> Audio:
    audio = decoded_audio(data, where)
    if audio.sample_rate != SAMPLE_RATE or audio.num_channels != 2:
        raise DatasetError(
            f"{where}: {audio.sample_rate} Hz and {audio.num_channels} channels, not "
            f"{SAMPLE_RATE} Hz and 2"
        )
    return audio
