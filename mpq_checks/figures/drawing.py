"""A row of crops or spectrograms for each task: the original and each codec beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import MpqError
from mpq_checks.figures.decoded import Example
from mpq_checks.signals import Audio, Image

__all__ = ["FLOOR_DB", "crop", "draw_examples", "spectrogram_db"]

_CROP = 128
_INCHES = 2.1
_CAPTION_INCHES = 0.55
_FFT = 512
_HOP = 128
FLOOR_DB = -90.0


def draw_examples(examples: Sequence[Example], path: Path) -> None:
    """Write one figure; the file's ending says in which format (png, svg, pdf).

    Raises:
        MpqError: no examples, or a file that cannot be written.
    """
    if not examples:
        raise MpqError("there is nothing to draw: no example was given")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = max(len(example.shown) for example in examples)
    size = (columns * _INCHES, len(examples) * (_INCHES + _CAPTION_INCHES))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(examples), columns, squeeze=False)
    for row, example in zip(grid, examples, strict=True):
        for axes in row:
            axes.set_axis_off()
        for axes, decoded in zip(row, example.shown, strict=False):
            _draw(axes, decoded.signal)
            axes.set_title(example.caption(decoded), fontsize=7)
    try:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise MpqError(f"{path} cannot be written: {error}") from error


def crop(pixels: npt.NDArray[np.uint8], side: int = _CROP) -> npt.NDArray[np.uint8]:
    """The square of `side` in the middle of height x width x 3; smaller where the image is."""
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def spectrogram_db(audio: Audio) -> npt.NDArray[np.float32]:
    """Log magnitude of the mean over channels, frequencies x frames, in dB, from -90."""
    mono = audio.samples.mean(axis=0)
    padded = np.pad(mono, (0, max(0, _FFT - mono.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP] * np.hanning(_FFT)
    magnitude = np.abs(np.fft.rfft(frames, axis=1)).T * (2 / _FFT)
    decibels = np.maximum(20 * np.log10(magnitude + 1e-9), FLOOR_DB)
    return np.asarray(decibels, dtype=np.float32)


# Any: matplotlib's axes.
def _draw(axes: Any, signal: Image | Audio) -> None:
    if isinstance(signal, Image):
        axes.imshow(crop(signal.pixels), interpolation="nearest")
        return
    decibels = spectrogram_db(signal)
    axes.imshow(decibels, origin="lower", aspect="auto", cmap="magma", vmin=FLOOR_DB, vmax=-20)
