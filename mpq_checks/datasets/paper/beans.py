"""Leaves of bean plants, healthy or with one of two diseases (iBean, Makerere AI Lab)."""

from dataclasses import dataclass
from functools import partial

from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.hub import HubSplit
from mpq_checks.datasets.location import DatasetStatus, Publication
from mpq_checks.datasets.paper.class_folders import list_classified, load_classified
from mpq_checks.datasets.published import (
    Entry,
    Place,
    Selection,
    entries_of,
    entry_of,
    origin_of,
    place_of,
    status_of,
)
from mpq_checks.signals import Modality

__all__ = ["CLASSES", "HUB", "PUBLICATION", "Beans"]

CLASSES = ("angular_leaf_spot", "bean_rust", "healthy")
"""Names of the labels 0, 1 and 2."""

HUB = HubSplit(
    repo="AI-Lab-Makerere/beans",
    files=("data/validation-*.parquet",),
    revision="27aa014ce09b193e1a6f58112d4a66e0eddb69c5",
)
"""The validation split as its makers keep it on the hub."""

PUBLICATION = Publication(
    name="beans",
    page="https://huggingface.co/datasets/AI-Lab-Makerere/beans",
    licence="MIT",
    terms="no account needed",
    folders=("beans/validation", "ibean/validation", "beans"),
    layout="data/validation.zip unpacked, a folder for each of " + ", ".join(CLASSES),
    num_samples=133,
    download_bytes=18_504_213,
    disk_bytes=18_490_673,
)
"""Sizes are those of validation.zip and of the images in it."""


@dataclass(frozen=True)
class Beans:
    """133 photographs of 500 x 500 pixels, JPEG as published: not lossless.

    The reference is the index in `CLASSES`. Ids are class and file name:
    `healthy/healthy_val.0`. A whole split is in the order of its ids, in both places.
    """

    limit: int | None = None
    exclude: tuple[int, ...] = ()
    hub: HubSplit | None = HUB

    def __post_init__(self) -> None:
        """Refuse what selects nothing."""
        Selection(self.limit, self.exclude)

    @property
    def name(self) -> str:
        """Name in messages."""
        return PUBLICATION.name

    @property
    def modality(self) -> Modality:
        """Images."""
        return "image"

    def assets(self) -> tuple[str, ...]:
        """None of the manifest."""
        return ()

    def status(self) -> DatasetStatus:
        """Whether it is here, without reading it."""
        return status_of(PUBLICATION, self.hub)

    def origin(self) -> dict[str, str]:
        """Commit and hashes of the hub's files, or the folder. Raises AssetError, DatasetError."""
        return origin_of(self._place())

    def sample_ids(self) -> tuple[str, ...]:
        """Class and file name. Raises AssetError or DatasetError."""
        return tuple(self._entries())

    def load(self, sample_id: str) -> Sample[Label]:
        """Read one photograph. Raises AssetError or DatasetError."""
        return load_classified(sample_id, entry_of(self.name, self._entries(), sample_id))

    def _place(self) -> Place:
        return place_of(PUBLICATION, self.hub, Selection(self.limit, self.exclude))

    def _entries(self) -> dict[str, Entry[Label]]:
        selection = Selection(self.limit, self.exclude)
        index = partial(list_classified, classes=CLASSES, label_column="labels")
        return entries_of(self.name, self._place(), selection, index)
