"""Crops of photographs, X-rays and solar cells that image codecs are trained on.

The photographs are lossy already, so each is first halved at least. No image of an evaluation is
among them: `tests/test_training_data.py` compares hashes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from archives import RUNS, sources, unpacked
from PIL import Image
from samples import chest_xrays, solar_cells
from torch import Tensor

__all__ = ["Crops", "image_files"]

Pixels = npt.NDArray[np.uint8]

SCALES = (0.5, 0.35, 0.25)
SHORTEST_SIDE = 288
LONGEST_SIDE = 2048
GREY_SHARE = 0.15
HELD_OUT = 12
"""Every twelfth file is kept for watching the training."""


def image_files() -> list[Path]:
    """The photographs, in a fixed order."""
    return [
        path
        for source in sources()
        for pattern in source.images
        for path in sorted(unpacked(source).glob(pattern))
    ]


def grey_files() -> list[Path]:
    """Chest X-rays and solar cells of the training splits."""
    listed = chest_xrays("chest-xray-train") + solar_cells("solar-train")
    return [path for path, _ in listed]


class Crops:
    """Random crops, by a seed, and centre crops of files that are not trained on."""

    def __init__(self, side: int) -> None:
        self.side = side
        files = image_files()
        self._photos = _scaled([f for i, f in enumerate(files) if i % HELD_OUT], SCALES)
        self._watched = _scaled(files[::HELD_OUT], (0.5,))
        greys = grey_files()
        self._greys = [_pixels(path) for i, path in enumerate(greys) if i % HELD_OUT]
        self._watched_greys = [_pixels(path) for path in greys[::120]]
        areas = np.sqrt([photo.shape[0] * photo.shape[1] for photo in self._photos])
        self._weights = areas / areas.sum()

    def batch(self, size: int, random: np.random.Generator) -> Tensor:
        """`size` crops, float32 0..1, size x 3 x side x side."""
        return _tensor([self._crop(random) for _ in range(size)])

    def watched(self, side: int = 256) -> Tensor:
        """The same crops at each call, three quarters of them of photographs."""
        photos = [_centre(photo, side) for photo in self._watched]
        greys = [_centre(grey, side) for grey in self._watched_greys if min(grey.shape[:2]) >= side]
        return _tensor([*photos, *greys[: max(1, len(photos) // 3)]])

    def _crop(self, random: np.random.Generator) -> Pixels:
        if random.random() < GREY_SHARE:
            source = self._greys[random.integers(len(self._greys))]
        else:
            source = self._photos[random.choice(len(self._photos), p=self._weights)]
        top = random.integers(source.shape[0] - self.side + 1)
        left = random.integers(source.shape[1] - self.side + 1)
        crop = source[top : top + self.side, left : left + self.side]
        return crop[:, ::-1] if random.random() < 0.5 else crop


def _scaled(files: Sequence[Path], scales: Sequence[float]) -> list[Pixels]:
    """Each file at each scale at which it is neither too small nor too large."""
    return [
        pixels for path in files for scale in scales if (pixels := _halved(path, scale)) is not None
    ]


def _halved(path: Path, scale: float) -> Pixels | None:
    cached = RUNS / "scaled" / f"{path.parent.name}-{path.stem}-{scale}.npy"
    if cached.is_file():
        return np.load(cached)
    with Image.open(path) as image:
        longest = max(image.size) * scale
        factor = scale * min(1.0, LONGEST_SIDE / longest)
        width, height = (round(side * factor) for side in image.size)
        if min(width, height) < (SHORTEST_SIDE if scale < 0.5 else 192):
            return None
        pixels = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    cached.parent.mkdir(parents=True, exist_ok=True)
    np.save(cached, pixels)
    return pixels


def _pixels(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _centre(pixels: Pixels, side: int) -> Pixels:
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
    crop = pixels[top : top + side, left : left + side]
    missing = [(0, side - crop.shape[0]), (0, side - crop.shape[1]), (0, 0)]
    return np.pad(crop, missing, mode="reflect")


def _tensor(crops: Sequence[Pixels]) -> Tensor:
    stacked = np.stack(crops).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stacked)).float() / 255
