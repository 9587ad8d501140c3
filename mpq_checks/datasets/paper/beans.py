"""Leaves of bean plants, healthy or with one of two diseases (iBean, Makerere AI Lab)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.hub import HubSplit
from mpq_checks.datasets.location import Publication
from mpq_checks.datasets.paper.class_folders import list_classified, load_classified
from mpq_checks.datasets.published import (
    Entry,
    Place,
    PublishedDataset,
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
class Beans(PublishedDataset):
    """133 photographs of 500 x 500 pixels, JPEG as published: not lossless.

    The reference is the index in `CLASSES`. Ids are class and file name:
    `healthy/healthy_val.0`. A whole split is in the order of its ids, in both places.
    """

    limit: int | None = None
    exclude: tuple[int, ...] = ()
    hub: HubSplit | None = HUB

    publication: ClassVar[Publication] = PUBLICATION

    @property
    def modality(self) -> Modality:
        """Images."""
        return "image"

    def load(self, sample_id: str) -> Sample[Label]:
        """Read one photograph. Raises AssetError or DatasetError."""
        return load_classified(sample_id, self._entry(sample_id))

    def _listed(self, place: Place) -> Iterator[tuple[str, Entry[Label]]]:
        return list_classified(place, classes=CLASSES, label_column="labels")
