"""Scenes with a class per pixel: the scene parsing benchmark of ADE20K (MIT)."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np

from mpq_checks.datasets.base import Mask, Sample
from mpq_checks.datasets.files import MAX_PIXELS
from mpq_checks.datasets.hub import HubSplit
from mpq_checks.datasets.location import Publication
from mpq_checks.datasets.parquet import HubRows
from mpq_checks.datasets.pinned import content_sha256
from mpq_checks.datasets.published import (
    Entry,
    Place,
    PublishedDataset,
    decoded_image,
    files_in,
    hub_bytes,
    hub_id,
)
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Modality

__all__ = ["HUB", "IGNORED", "NUM_CLASSES", "PUBLICATION", "Ade20k"]

NUM_CLASSES = 150

IGNORED = 255
"""Value in a mask of pixels that are not scored."""

HUB = HubSplit(
    repo="zhoubolei/scene_parse_150",
    files=("scene_parsing/validation/*.parquet", "scene_parsing/partial-validation/*.parquet"),
)
"""The hub's conversion of `scene_parsing`; its commit is recorded at first use."""

PUBLICATION = Publication(
    name="ade20k",
    page="http://sceneparsing.csail.mit.edu/",
    licence="BSD-3-Clause; images for non-commercial research and education",
    terms="ADEChallengeData2016.zip; no account needed",
    folders=("ADEChallengeData2016", "ade20k/ADEChallengeData2016"),
    layout="images/validation/*.jpg and annotations/validation/*.png",
    num_samples=2000,
)

_PARTS = ("image", "annotation")


@dataclass(frozen=True)
class Ade20k(PublishedDataset):
    """2,000 scenes, JPEG as published, each with an annotation of the same size.

    The reference is the class per pixel, 0..149, and 255 where the annotation says 0 (another
    class, or none). Ids are the file names: `ADE_val_00000001`. A whole split is in the order of
    its ids, in both places.
    """

    limit: int | None = None
    exclude: tuple[int, ...] = ()
    hub: HubSplit | None = HUB

    publication: ClassVar[Publication] = PUBLICATION

    @property
    def modality(self) -> Modality:
        """Images."""
        return "image"

    def load(self, sample_id: str) -> Sample[Mask]:
        """Read one scene and its mask. Raises AssetError or DatasetError."""
        entry = self._entry(sample_id)
        image_bytes, mask_bytes = entry.read("image"), entry.read("annotation")
        image = decoded_image(image_bytes, entry.where)
        mask = _mask(mask_bytes, entry.where)
        if mask.shape != (image.height, image.width):
            raise DatasetError(
                f"{entry.where}: the annotation is {mask.shape[1]} x {mask.shape[0]} pixels, the "
                f"image {image.width} x {image.height}"
            )
        return Sample(sample_id, content_sha256(image_bytes, mask_bytes), image, mask)

    def _listed(self, place: Place) -> Iterator[tuple[str, Entry[None]]]:
        return _of_folder(place) if isinstance(place, Path) else _of_hub(place)


def _of_folder(folder: Path) -> Iterator[tuple[str, Entry[None]]]:
    images, annotations = folder / "images" / "validation", folder / "annotations" / "validation"
    for path in sorted(images.glob("*.jpg")):
        annotation = annotations / f"{path.stem}.png"
        if not annotation.is_file():
            raise DatasetError(f"{path} has no annotation {annotation}")
        yield path.stem, Entry(str(path), files_in({"image": path, "annotation": annotation}), None)


def _of_hub(rows: HubRows) -> Iterator[tuple[str, Entry[None]]]:
    for position, path in enumerate(rows.column("image.path")):
        read = hub_bytes(rows, position, _PARTS)
        entry = Entry(f"{rows.repo} at {rows.commit}, row {position}", read, None)
        name = PurePosixPath(path).stem if path else None
        yield hub_id(name, position, partial(read, "image")), entry


def _mask(data: bytes, where: str) -> Mask:
    """Classes 1..150 of a PNG as 0..149, 0 as 255. Raises DatasetError."""
    from PIL import Image as PilImage

    try:
        with PilImage.open(io.BytesIO(data), formats=("PNG",)) as opened:
            if opened.mode not in ("L", "P") or opened.width * opened.height > MAX_PIXELS:
                raise DatasetError(
                    f"{where}: the annotation has mode {opened.mode} and {opened.width} x "
                    f"{opened.height} pixels, not 8 bits a pixel"
                )
            numbers = np.array(opened, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError) as exc:
        raise DatasetError(f"{where}: the annotation is not a whole PNG file: {exc}") from exc
    if numbers.max() > NUM_CLASSES:
        raise DatasetError(
            f"{where}: the annotation has class {numbers.max()}, more than {NUM_CLASSES}"
        )
    return numbers - np.uint8(1)  # 0 becomes 255
