"""Electroluminescence images of solar cells, with and without a defect."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from mpq_checks.assets import asset_path
from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.pinned import (
    asset_bytes,
    asset_image,
    content_sha256,
    pinned_ids,
    require_pinned,
)
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Modality

__all__ = ["CLASSES", "SolarMini"]

CLASSES = ("none", "defect")
"""Names of the labels 0 and 1."""

_ASSET = "elpv"
_LABELS = {0.0: 0, 1.0: 1}
_COLUMNS = 3  # path, probability of a defect, mono or poly


@dataclass(frozen=True)
class SolarMini:
    """64 + 64 cells of held-out modules of the ELPV dataset, 300 x 300, grey (as RGB).

    The reference is 0 for no defect (probability 0) and 1 for a defect (probability 1); the cells
    that the experts were not sure of are left out. The images have never been lossy, which makes
    this the honest test of small distortions. Licence of the images: CC-BY-NC-SA-4.0.
    """

    @property
    def name(self) -> str:
        """Name in messages."""
        return "solar-mini"

    @property
    def modality(self) -> Modality:
        """The kind of signal."""
        return "image"

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return (_ASSET,)

    def sample_ids(self) -> tuple[str, ...]:
        """Cells: `cell0123`; without and with a defect in turn."""
        return pinned_ids(self.name)

    def load(self, sample_id: str) -> Sample[Label]:
        """Read one cell.

        Raises:
            DatasetError: an unknown id, or a file that is not as it was published.
            AssetError: the cells cannot be had.
        """
        require_pinned(self.name, sample_id)
        folder = asset_path(_ASSET)
        path = folder / "images" / f"{sample_id}.png"
        label = _label(folder / "labels.csv", sample_id)
        image, data = asset_image(path, _ASSET)
        content = content_sha256(data, str(label).encode())
        return Sample(sample_id, content, image, label)


def _label(path: Path, sample_id: str) -> Label:
    """0 or 1. Raises DatasetError for a cell without a certain label."""
    probability = _probabilities(path).get(sample_id)
    if probability not in _LABELS:
        raise DatasetError(
            f"{path} gives {sample_id} the defect probability {probability}, not 0 or 1; "
            f"fetch the asset {_ASSET} anew"
        )
    return _LABELS[probability]


@lru_cache(maxsize=1)
def _probabilities(path: Path) -> dict[str, float]:
    """Probability of a defect of each cell. Raises DatasetError."""
    probabilities = {}
    lines = asset_bytes(path, _ASSET).decode(errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        columns = line.split()
        if not columns:
            continue
        try:
            name, probability, _ = columns
            probabilities[PurePosixPath(name).stem] = float(probability)
        except ValueError as exc:
            raise DatasetError(
                f"{path}, line {number} is {line!r}, not path, probability and kind "
                f"({_COLUMNS} columns); fetch the asset {_ASSET} anew"
            ) from exc
    return probabilities
