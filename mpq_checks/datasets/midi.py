"""Renders windows of MIDI files with a soundfont."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import DatasetError

__all__ = ["render_window", "renderer_version"]

_QUALITY = (
    0  # interpolation: the fastest of symusic's, exact enough for 16 bits at low pitch shifts
)
_STANDARD_KIT = 0


def renderer_version() -> str:
    """Name and version of the library that renders."""
    from importlib.metadata import version

    return f"symusic {version('symusic')}"


@lru_cache(maxsize=32)
def render_window(
    midi: Path, soundfont: Path, start: float, seconds: float, sample_rate: int
) -> npt.NDArray[np.float32]:
    """Render `seconds` of a MIDI file from second `start` on.

    Drums play the standard kit: files may name kits that the soundfont lacks, which would be
    silent. The music is played from its beginning, so that what was begun before the window sounds
    into it.

    Args:
        midi: the MIDI file.
        soundfont: the SF2 file.
        start: where the window begins, in seconds.
        seconds: length of the window.
        sample_rate: of the result, in Hz.

    Returns:
        Samples, read only, 2 x (seconds * sample_rate); not normalised, peaks may exceed 1.

    Raises:
        DatasetError: a file that cannot be read, or a window in which nothing sounds.
    """
    from symusic import Score, Synthesizer

    if not soundfont.is_file():
        raise DatasetError(f"{soundfont} is not a file; fetch the soundfont anew")
    try:
        parsed: Any = Score(str(midi))  # Any: what `to` gives depends on its argument
        score = parsed.to("second").clip(0.0, start + seconds)
        for track in score.tracks:
            if track.is_drum:
                track.program = _STANDARD_KIT
        synthesizer = Synthesizer(str(soundfont), sample_rate, _QUALITY)
        rendered = np.asarray(synthesizer.render(score, True), dtype=np.float32)
    except Exception as exc:  # symusic raises bare RuntimeErrors and TypeErrors
        raise DatasetError(f"{midi} cannot be rendered with {soundfont.name}: {exc}") from exc
    first, length = round(start * sample_rate), round(seconds * sample_rate)
    sounding = rendered[:, first : first + length]
    if sounding.ndim != 2 or sounding.shape[0] != 2 or not sounding.any():
        raise DatasetError(f"{midi} is silent from second {start:g} on; take an earlier window")
    window = np.zeros((2, length), dtype=np.float32)  # the renderer stops at the last note's end
    window[:, : sounding.shape[1]] = sounding
    window.flags.writeable = False
    return window
