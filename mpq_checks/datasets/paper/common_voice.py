"""Read sentences in English from Common Voice 11.0 (Mozilla).

The data left the hub in October 2025 and comes from Mozilla Data Collective, with an account. Who
still has it as parquet in a repository of their own names that in `hub`.

The selection of the study counts rows of the hub's split `validation`, which is the publisher's
table `dev.tsv`. The hub's rows came in the order of its archives, and nobody has shown that this is
the order of the table's lines: a selection from the folder may hold other clips than that of the
study. The ids are the clips' own names, so that they say which; a file `mpq-order.txt` beside the
table, one id a line, fixes the order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from mpq_checks.datasets.base import Sample, Transcript
from mpq_checks.datasets.hub import HubSplit
from mpq_checks.datasets.location import Publication
from mpq_checks.datasets.parquet import HubRows
from mpq_checks.datasets.pinned import content_sha256
from mpq_checks.datasets.published import (
    Entry,
    Place,
    PublishedDataset,
    file_bytes,
    files_in,
    hub_bytes,
    hub_id,
)
from mpq_checks.errors import CodecError, DatasetError, SignalError
from mpq_checks.signals import Audio, Modality

__all__ = ["PUBLICATION", "STUDY_EXCLUDE", "STUDY_LIMIT", "CommonVoice"]

STUDY_LIMIT = 802
STUDY_EXCLUDE = (362, 711)
"""The study took the first 802 clips without these two."""

PUBLICATION = Publication(
    name="common-voice",
    page="https://datacollective.mozillafoundation.org/datasets",
    licence="CC0-1.0",
    terms="Mozilla Data Collective, with an account; it left the hub in October 2025",
    folders=("cv-corpus-11.0-*/en", "cv-corpus-*/en"),
    layout="Common Voice 11.0 English unpacked, with dev.tsv and clips/*.mp3",
)

_COLUMNS = ("path", "sentence")
_MAX_CLIP_BYTES = 1 << 25


@dataclass(frozen=True)
class CommonVoice(PublishedDataset):
    """800 clips of the validation split, MP3 as published, at their own sample rate.

    The reference is the sentence as the table has it; the cluster is the speaker's number in the
    corpus, cut to 16 digits. Ids are the clips' names: `common_voice_en_1234567`.
    """

    limit: int | None = STUDY_LIMIT
    exclude: tuple[int, ...] = STUDY_EXCLUDE
    table: Literal["dev", "test", "validated"] = "dev"
    hub: HubSplit | None = None

    publication: ClassVar[Publication] = PUBLICATION

    @property
    def modality(self) -> Modality:
        """Audio."""
        return "audio"

    def load(self, sample_id: str) -> Sample[Transcript]:
        """Read one clip and its sentence. Raises AssetError or DatasetError."""
        entry = self._entry(sample_id)
        data = entry.read("audio")
        return Sample(
            sample_id=sample_id,
            content_sha256=content_sha256(data, entry.reference.encode()),
            signal=_decoded(data, entry.where),
            reference=entry.reference,
            cluster=entry.cluster,
        )

    @property
    def _split(self) -> str:
        return f"{self.name} {self.table}"

    def _listed(self, place: Place) -> Iterator[tuple[str, Entry[Transcript]]]:
        if isinstance(place, Path):
            return _of_folder(place, self.table)
        return _of_hub(place)


def _of_folder(folder: Path, table: str) -> Iterator[tuple[str, Entry[Transcript]]]:
    path = folder / f"{table}.tsv"
    if not path.is_file():
        raise DatasetError(f"{path} is not there; {folder} has to hold {PUBLICATION.layout}")
    for number, row in _table_rows(path):
        clip = folder / "clips" / PurePosixPath(row["path"]).name
        clip = clip if clip.suffix else clip.with_suffix(".mp3")
        where = f"{clip} ({path.name}, line {number})"
        entry = Entry(
            where,
            files_in({"audio": clip}),
            _sentence(row["sentence"], where),
            _speaker(row.get("client_id")),
        )
        yield clip.stem, entry


def _table_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and columns; the tables quote nothing, so that a quote is part of a sentence."""
    try:
        lines = file_bytes(path).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as exc:
        raise DatasetError(f"{path} is not UTF-8: {exc}; unpack it anew") from exc
    columns = lines[0].rstrip("\r").split("\t")
    absent = [name for name in _COLUMNS if name not in columns]
    if absent:
        raise DatasetError(
            f"{path} lacks the column {', '.join(absent)}; its first line is {lines[0][:200]!r}"
        )
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        values = line.rstrip("\r").split("\t")
        if len(values) != len(columns):
            raise DatasetError(
                f"{path}, line {number} has {len(values)} columns, not {len(columns)}; unpack it "
                f"anew"
            )
        yield number, dict(zip(columns, values, strict=True))


def _of_hub(rows: HubRows) -> Iterator[tuple[str, Entry[Transcript]]]:
    paths, sentences = rows.column("path"), rows.column("sentence")
    stored, speakers = rows.column("audio.path"), rows.column("client_id")
    for position, sentence in enumerate(sentences):
        where = f"{rows.repo} at {rows.commit}, row {position}"
        read = hub_bytes(rows, position, ("audio",))
        path = paths[position] or stored[position]
        name = PurePosixPath(path).stem if path else None
        entry = Entry(where, read, _sentence(sentence, where), _speaker(speakers[position]))
        yield hub_id(name, position, partial(read, "audio")), entry


def _decoded(data: bytes, where: str) -> Audio:
    """By ffmpeg, to 16 bits: libsndfile cuts clips short that lack a header with their length."""
    from mpq_checks.codecs.ffmpeg import decode_pcm

    if len(data) > _MAX_CLIP_BYTES:
        raise DatasetError(f"{where}: {len(data)} bytes, more than a clip can have")
    try:
        samples, sample_rate = decode_pcm(data, codec="mp3", container="mp3")
        return Audio(samples, sample_rate)
    except (CodecError, SignalError) as exc:
        raise DatasetError(f"{where}: not a whole MP3 file: {exc}") from exc


def _sentence(value: object, where: str) -> Transcript:
    if not isinstance(value, str) or not value.strip():
        raise DatasetError(f"{where}: the sentence is {value!r}")
    return value


def _speaker(client_id: object) -> str | None:
    return client_id[:16] if isinstance(client_id, str) and client_id else None
