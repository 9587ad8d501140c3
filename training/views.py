"""Random views of grey images: crops, turns, mirrors and changes of light; never compression.

Blur, noise and codecs are left out on purpose: they would teach a model to overlook the very
damage that the gate is to measure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["Geometry", "draw_geometry", "read_grey", "relight", "warp"]


@dataclass(frozen=True)
class Geometry:
    """How far a view may be turned, shrunk and mirrored."""

    degrees: float
    smallest_crop: float
    largest_crop: float = 1.0
    stretch: float = 0.0
    mirror: bool = True
    flip: bool = False
    quarter_turns: bool = False


def read_grey(path: Path) -> Image.Image:
    """The image as mode L."""
    with Image.open(path) as image:
        return image.convert("L")


def draw_geometry(
    rng: np.random.Generator, geometry: Geometry, size: Sequence[int]
) -> tuple[float, ...]:
    """Coefficients that map a view's pixels to the image's, as PIL's AFFINE wants them."""
    width, height = size
    crop = rng.uniform(geometry.smallest_crop, geometry.largest_crop)
    stretch = math.exp(rng.uniform(-geometry.stretch, geometry.stretch))
    angle = math.radians(rng.uniform(-geometry.degrees, geometry.degrees))
    if geometry.quarter_turns:
        angle += rng.integers(4) * math.pi / 2
    scale_x, scale_y = crop * stretch, crop / stretch
    if geometry.mirror and rng.random() < 0.5:
        scale_x = -scale_x
    if geometry.flip and rng.random() < 0.5:
        scale_y = -scale_y
    slack = max(0.0, 1.0 - crop) / 2
    centre_x = width * (0.5 + rng.uniform(-slack, slack))
    centre_y = height * (0.5 + rng.uniform(-slack, slack))
    cos, sin = math.cos(angle), math.sin(angle)
    a, b, d, e = scale_x * cos, -scale_y * sin, scale_x * sin, scale_y * cos
    return (
        a,
        b,
        centre_x - a * width / 2 - b * height / 2,
        d,
        e,
        centre_y - d * width / 2 - e * height / 2,
    )


def warp(
    image: Image.Image,
    coefficients: Sequence[float],
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> np.ndarray:
    """The view as uint8, height x width; what lies outside of the image is black."""
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, tuple(coefficients), resample=resample)
    )


def relight(rng: np.random.Generator, pixels: np.ndarray, strength: float) -> np.ndarray:
    """Random gamma, contrast and brightness; float32 in 0..1."""
    light = (pixels.astype(np.float32) / 255.0) ** math.exp(rng.uniform(-strength, strength))
    mean = float(light.mean())
    light = (light - mean) * math.exp(rng.uniform(-strength, strength)) + mean
    return np.clip(light + rng.uniform(-strength, strength) / 3, 0.0, 1.0).astype(np.float32)
