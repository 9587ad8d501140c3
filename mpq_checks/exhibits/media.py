"""Signals as files that a browser shows and plays: lossless, so that what is heard was decoded."""

import io

import numpy as np
import numpy.typing as npt
import PIL.Image

from mpq_checks.datasets.base import Mask
from mpq_checks.figures.drawing import FLOOR_DB, crop, spectrogram_db
from mpq_checks.signals import Audio, Image

__all__ = ["flac", "outlined", "spectrogram_png", "webp"]

Pixels = npt.NDArray[np.uint8]

TRUTH_COLOUR = (0, 158, 115)
PREDICTION_COLOUR = (230, 97, 1)

_SPECTROGRAM_ROWS = 128
_TOP_DB = -20.0
_PLAYED_PEAK = 1.0


def webp(image: Image, side: int) -> bytes:
    """The square of `side` in the middle, losslessly; all of a smaller image."""
    pixels = np.ascontiguousarray(crop(image.pixels, side))
    target = io.BytesIO()
    PIL.Image.fromarray(pixels).save(target, format="WEBP", lossless=True, quality=80, method=4)
    return target.getvalue()


def outlined(image: Image, truth: Mask, prediction: Mask) -> Image:
    """The image with the borders of both masks: the truth in green, the prediction in orange."""
    pixels = image.pixels.copy()
    pixels[_borders(truth)] = TRUTH_COLOUR
    pixels[_borders(prediction)] = PREDICTION_COLOUR
    return Image(pixels)


def flac(audio: Audio, seconds: float) -> bytes:
    """The first so many seconds as 16-bit FLAC; samples beyond full scale are clipped."""
    import soundfile  # type: ignore[import-untyped]

    played = audio.samples[:, : round(seconds * audio.sample_rate)].T
    target = io.BytesIO()
    soundfile.write(
        target,
        np.clip(played, -_PLAYED_PEAK, _PLAYED_PEAK),
        audio.sample_rate,
        format="FLAC",
        subtype="PCM_16",
        compression_level=1.0,
    )
    return target.getvalue()


def spectrogram_png(audio: Audio, seconds: float) -> bytes:
    """Log magnitude over time and frequency of the same excerpt, low frequencies below."""
    from matplotlib import colormaps

    excerpt = Audio(audio.samples[:, : round(seconds * audio.sample_rate)], audio.sample_rate)
    decibels = spectrogram_db(excerpt)[::-1]
    scaled = np.clip((decibels - FLOOR_DB) / (_TOP_DB - FLOOR_DB), 0, 1)
    table = (np.asarray(colormaps["magma"](np.arange(256)))[:, :3] * 255).astype(np.uint8)
    picture = PIL.Image.fromarray((scaled * 255).astype(np.uint8), mode=None)
    picture = picture.resize((420, _SPECTROGRAM_ROWS), PIL.Image.Resampling.BOX)
    picture = picture.convert("P")
    picture.putpalette(table.tobytes())
    target = io.BytesIO()
    picture.save(target, format="PNG", optimize=True)
    return target.getvalue()


def _borders(mask: Mask) -> npt.NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is of another class."""
    border = np.zeros(mask.shape, dtype=np.bool_)
    border[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    border[:-1] |= mask[:-1] != mask[1:]
    return border
