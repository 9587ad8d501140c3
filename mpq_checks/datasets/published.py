"""What published datasets share: one list of entries, from a local folder or from the hub.

A folder below MPQ_DATA_DIR comes first; the hub is asked where there is none. Either way a dataset
becomes a list of entries: an id, the stored bytes, and the reference. Everything after that is one
code path, so that both places give the same samples.

Ids are the publisher's file names. Rows of the hub that lack a name are called by their position
and the beginning of the SHA-256 of their bytes: such ids never meet those of a folder.

Order: a whole split is in the order of its ids. A selection (`limit`, `exclude`) counts positions
in the order of the place: rows of the hub's files, names or table lines of a folder. Whether the
two agree is for the publisher; a file `mpq-order.txt` in the folder, one id a line, says otherwise.
"""

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from mpq_checks.datasets.files import audio_from_bytes, image_from_bytes, read_bytes
from mpq_checks.datasets.hub import HubSplit, hub_rows, is_downloaded, recorded_commit
from mpq_checks.datasets.location import (
    DatasetStatus,
    Publication,
    local_folder,
    where_to_get,
)
from mpq_checks.datasets.parquet import HubRows
from mpq_checks.errors import AssetError, AssetMissingError, DatasetError, SignalError
from mpq_checks.memory import BoundedMemory
from mpq_checks.signals import Audio, Image

__all__ = [
    "ORDER_FILE",
    "Entry",
    "Place",
    "PublishedDataset",
    "Selection",
    "decoded_audio",
    "decoded_image",
    "entries_of",
    "entry_of",
    "file_bytes",
    "files_in",
    "hub_bytes",
    "hub_id",
    "origin_of",
    "place_of",
    "status_of",
]

ORDER_FILE = "mpq-order.txt"
"""Name of the file in a dataset's folder that says in which order a selection counts."""

Place: TypeAlias = Path | HubRows
"""The folder of a dataset, or its rows on the hub."""

ReferenceT = TypeVar("ReferenceT")

_log = logging.getLogger(__name__)
_HASH_DIGITS = 12
_ENTRY_BYTES = 512
_INDEX: BoundedMemory[dict[str, "Entry[Any]"]] = BoundedMemory(
    1 << 26, lambda entries: _ENTRY_BYTES * len(entries)
)


@dataclass(frozen=True)
class Entry(Generic[ReferenceT]):
    """One sample as its place keeps it.

    Attributes:
        where: file, or row of the hub, in messages.
        read: gives the stored bytes of one part: `image`, `annotation`, `audio`, `mixture` ...
        reference: what is true of it, where that is no file.
        cluster: as in `Sample`.
    """

    where: str
    read: Callable[[str], bytes]
    reference: ReferenceT
    cluster: str | None = None


@dataclass(frozen=True)
class Selection:
    """Which samples of a split: the first `limit` (None: all) without the positions `exclude`.

    Raises:
        DatasetError: a limit below 1, or positions that are not distinct and from 0 on.
    """

    limit: int | None = None
    exclude: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what selects nothing."""
        if self.limit is not None and self.limit < 1:
            raise DatasetError(f"limit is {self.limit}, not 1 or more (None for all)")
        if min(self.exclude, default=0) < 0 or len(set(self.exclude)) != len(self.exclude):
            raise DatasetError(f"exclude is {self.exclude}, not distinct positions from 0 on")

    def of(self, ids: Iterable[str]) -> tuple[str, ...]:
        """The ids that are selected; all of them sorted, a selection in the order given."""
        if self.limit is None and not self.exclude:
            return tuple(sorted(ids))
        left_out = set(self.exclude)
        chosen = list(ids)[: self.limit]
        return tuple(name for position, name in enumerate(chosen) if position not in left_out)


@dataclass(frozen=True)
class PublishedDataset(ABC):
    """A dataset that lies in a local folder or on the hub.

    Attributes:
        limit: only the first so many samples; None: all.
        exclude: positions that are left out.
        hub: where it is on the hub; None: nowhere.

    Raises:
        DatasetError: a selection of nothing.
    """

    limit: int | None = None
    exclude: tuple[int, ...] = ()
    hub: HubSplit | None = None

    publication: ClassVar[Publication]

    def __post_init__(self) -> None:
        """Refuse what selects nothing."""
        Selection(self.limit, self.exclude)

    @property
    def name(self) -> str:
        """Name in messages."""
        return self.publication.name

    def assets(self) -> tuple[str, ...]:
        """None of the manifest."""
        return ()

    def status(self) -> DatasetStatus:
        """Whether it is here, without reading it."""
        return status_of(self.publication, self.hub)

    def origin(self) -> dict[str, str]:
        """Commit and hashes of the hub's files, or the folder. Raises AssetError, DatasetError."""
        return origin_of(self._place())

    def sample_ids(self) -> tuple[str, ...]:
        """The publisher's names. Raises AssetError or DatasetError."""
        return tuple(self._entries())

    @property
    def _split(self) -> str:
        """What is listed, in messages."""
        return self.name

    @abstractmethod
    def _listed(self, place: "Place") -> Iterable[tuple[str, Entry[Any]]]:
        """All entries of a place, by id and in its order."""

    def _entry(self, sample_id: str) -> Entry[Any]:
        return entry_of(self.name, self._entries(), sample_id)

    def _place(self) -> "Place":
        return place_of(self.publication, self.hub, Selection(self.limit, self.exclude))

    def _entries(self) -> dict[str, Entry[Any]]:
        selection = Selection(self.limit, self.exclude)
        return entries_of(self._split, self._place(), selection, self._listed)


def place_of(publication: Publication, hub: HubSplit | None, selection: Selection) -> Place:
    """The local folder where there is one, else the hub.

    Raises:
        AssetMissingError: in neither; the message says where to get it and where to put it.
        AssetCorruptError, AssetStorageError, DatasetError: as `hub_rows` and `local_folder`.
    """
    folder = local_folder(publication)
    if folder is not None:
        return folder
    if hub is None:
        raise AssetMissingError(f"{publication.name} is not here. {where_to_get(publication)}")
    return hub_rows(hub, publication, selection.limit)


def entries_of(
    name: str,
    place: Place,
    selection: Selection,
    index: Callable[[Place], Iterable[tuple[str, Entry[ReferenceT]]]],
) -> dict[str, Entry[ReferenceT]]:
    """The selected entries by id; `index` lists those of a place in its order, once.

    Raises:
        DatasetError: an id twice, or an order file that does not fit.
    """
    stamp = _stamp(place) if isinstance(place, Path) else ()
    key = (name, place, stamp, selection)
    return _INDEX.get(key, lambda: _selected(name, place, selection, index(place)))


def entry_of(
    name: str, entries: Mapping[str, Entry[ReferenceT]], sample_id: str
) -> Entry[ReferenceT]:
    """The entry of an id. Raises DatasetError where there is none."""
    if sample_id not in entries:
        raise DatasetError(
            f"{name} has no sample {sample_id!r} among the {len(entries)} that are selected; "
            f"the first is {next(iter(entries), None)!r}"
        )
    return entries[sample_id]


def hub_id(name: object, position: int, data: Callable[[], bytes]) -> str:
    """The id of a row: its name, or its position and the beginning of its bytes' SHA-256."""
    if isinstance(name, str) and name:
        return name
    return f"row-{position:06d}-{hashlib.sha256(data()).hexdigest()[:_HASH_DIGITS]}"


def hub_bytes(rows: HubRows, position: int, columns: tuple[str, ...]) -> Callable[[str], bytes]:
    """Reads the bytes of one of the columns of a row: struct columns with a field `bytes`."""
    fields = tuple(f"{column}.bytes" for column in columns)

    def read(part: str) -> bytes:
        data = rows.row(position, fields)[f"{part}.bytes"]
        if not isinstance(data, bytes) or not data:
            raise DatasetError(f"{rows.repo} at {rows.commit}, row {position}: no {part} is stored")
        return data

    return read


def files_in(files: Mapping[str, Path]) -> Callable[[str], bytes]:
    """Reads the bytes of one of the files."""
    return lambda part: file_bytes(files[part])


def file_bytes(path: Path) -> bytes:
    """The bytes of a file. Raises DatasetError."""
    try:
        return read_bytes(path)
    except SignalError as exc:
        raise DatasetError(str(exc)) from exc


def decoded_image(data: bytes, where: str) -> Image:
    """As `image_from_bytes`, but raises DatasetError."""
    try:
        return image_from_bytes(data, where)
    except SignalError as exc:
        raise DatasetError(str(exc)) from exc


def decoded_audio(data: bytes, where: str) -> Audio:
    """As `audio_from_bytes`, but raises DatasetError."""
    try:
        return audio_from_bytes(data, where)
    except SignalError as exc:
        raise DatasetError(str(exc)) from exc


def origin_of(place: Place) -> dict[str, str]:
    """Which data was read: repository, commit and hashes of its files, or the folder's name."""
    if isinstance(place, Path):
        return {"folder": f"{place.parent.name}/{place.name}"}
    return {"repository": place.repo, "commit": place.commit, **dict(place.sha256)}


def status_of(publication: Publication, hub: HubSplit | None) -> DatasetStatus:
    """Whether a dataset is here, without reading it and without the network."""
    where = missing = None
    try:
        folder = local_folder(publication)
        if folder is not None:
            where = str(folder)
        elif hub is not None and is_downloaded(hub):
            where = f"{hub.repo} at {recorded_commit(hub)}"
        else:
            tried = f" It is loaded from {hub.repo} on the hub where it can be had." if hub else ""
            missing = f"{where_to_get(publication)}{tried}"
    except (DatasetError, AssetError) as exc:
        missing = str(exc)
    return DatasetStatus(
        name=publication.name,
        page=publication.page,
        licence=publication.licence,
        num_samples=publication.num_samples,
        download_bytes=publication.download_bytes,
        disk_bytes=publication.disk_bytes,
        present=where is not None,
        where=where,
        missing=missing,
    )


def _selected(
    name: str,
    place: Place,
    selection: Selection,
    listed: Iterable[tuple[str, Entry[ReferenceT]]],
) -> dict[str, Entry[ReferenceT]]:
    entries: dict[str, Entry[ReferenceT]] = {}
    for sample_id, entry in listed:
        if sample_id in entries:
            raise DatasetError(
                f"{name}: {sample_id} comes twice, in {entries[sample_id].where} and {entry.where}"
            )
        entries[sample_id] = entry
    ids = _ordered(name, place, list(entries))
    if not ids:
        raise DatasetError(f"{name}: no samples in {place}")
    if selection.limit is not None and len(ids) < selection.limit:
        _log.warning("%s: %d samples where %d are asked for", name, len(ids), selection.limit)
    return {sample_id: entries[sample_id] for sample_id in selection.of(ids)}


def _ordered(name: str, place: Place, ids: list[str]) -> list[str]:
    """In the order of the folder's order file, where it has one."""
    if not isinstance(place, Path) or not (place / ORDER_FILE).is_file():
        return ids
    path = place / ORDER_FILE
    ordered = file_bytes(path).decode("utf-8", errors="replace").splitlines()
    ordered = [line.strip() for line in ordered if line.strip()]
    unknown = sorted(set(ordered) - set(ids))
    if unknown:
        raise DatasetError(f"{path} names {unknown[0]!r}, which {name} does not have there")
    if len(set(ordered)) != len(ordered):
        raise DatasetError(f"{path} names a sample of {name} twice")
    return ordered


def _stamp(folder: Path) -> tuple[int, ...]:
    """Changes when the folder's own entries or its order file do."""
    order = folder / ORDER_FILE
    try:
        return (
            folder.stat().st_mtime_ns,
            order.stat().st_mtime_ns if order.is_file() else 0,
        )
    except OSError as exc:
        raise DatasetError(f"{folder} cannot be read: {exc.strerror or exc}") from exc
