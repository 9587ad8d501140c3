"""Chest X-rays of children, 640 x 640 JPEG, with and without pneumonia (keremberke's set)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.chest_xray_mini import patient_of
from mpq_checks.datasets.hub import HubSplit
from mpq_checks.datasets.location import Publication
from mpq_checks.datasets.paper.class_folders import list_classified, load_classified
from mpq_checks.datasets.published import (
    Entry,
    Place,
    PublishedDataset,
)
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Modality

__all__ = ["CLASSES", "HUB", "PUBLICATION", "ChestXray"]

CLASSES = ("NORMAL", "PNEUMONIA")
"""Names of the labels 0 and 1."""

HUB = HubSplit(
    repo="keremberke/chest-xray-classification",
    files=("full/validation/*.parquet", "full/partial-validation/*.parquet"),
)
"""The hub's conversion of the configuration `full`; its commit is recorded at first use."""

PUBLICATION = Publication(
    name="chest-xray",
    page="https://huggingface.co/datasets/keremberke/chest-xray-classification",
    licence="CC BY 4.0",
    terms="no account needed",
    folders=(
        "chest-xray-classification/valid",
        "chest-xray-classification/validation",
        "chest-xray-classification",
    ),
    layout="data/valid.zip unpacked, the folders " + " and ".join(CLASSES),
    num_samples=1165,
)


@dataclass(frozen=True)
class ChestXray(PublishedDataset):
    """1,165 films, JPEG as published: resized from the originals, not lossless.

    The reference is 0 for a normal film and 1 for one with pneumonia; the cluster is the patient
    where the file's name tells. Ids are class and file name. A whole split is in the order of its
    ids, in both places. These are not the films of NIH ChestX-ray8, which the paper names.
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
        """Read one film. Raises AssetError or DatasetError."""
        return load_classified(sample_id, self._entry(sample_id))

    def _listed(self, place: Place) -> Iterator[tuple[str, Entry[Label]]]:
        return list_classified(place, classes=CLASSES, label_column="labels", cluster_of=_patient)


def _patient(stem: str) -> str | None:
    try:
        return patient_of(stem)
    except DatasetError:
        return None
