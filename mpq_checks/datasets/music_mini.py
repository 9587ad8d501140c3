"""Fourteen short songs whose stems are known: speech over rendered MIDI, and a MUSDB18 excerpt."""

import hashlib
import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.codecs.resampling import fit_length, resample
from mpq_checks.datasets import ljspeech_mini
from mpq_checks.datasets.base import Sample, Stems
from mpq_checks.datasets.midi import render_window, renderer_version
from mpq_checks.datasets.pinned import asset_bytes
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Audio, Modality

__all__ = ["ACCOMPANIMENT", "SAMPLE_RATE", "VOCALS", "Mix", "MusicMini"]

SAMPLE_RATE = 44100
"""Sample rate of every sample, in Hz."""

VOCALS = "vocals"
ACCOMPANIMENT = "accompaniment"

_SPEECH = "ljspeech"
_MIDI = "midi-multitrack"
_SOUNDFONT = "general-midi-soundfont"
_EXCERPT = "musdb-excerpt"

_SECONDS = 8.0
_STEM_RMS = 0.1  # of each stem before rounding, so that both are equally loud
_MAX_PEAK = 0.95  # of the mixture; a louder one is scaled down, stems and all
_FULL_SCALE = 32768.0
_DECODE_TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Mix:
    """How one mixture is made.

    Attributes:
        sample_id: stable id.
        midi: file of the accompaniment.
        start: second of the file at which the window begins. Windows were chosen by rendering
            drums, bass and the rest apart: each sounds in every second.
        clip: LJSpeech clip that takes the place of the vocals.
        seconds: length; a shorter clip is followed by silence.
    """

    sample_id: str
    midi: str
    start: float
    clip: str
    seconds: float = _SECONDS


_SMALL_THINGS = "All The Small Things.mid"
_GIRLS = "Girls Just Want to Have Fun.mid"
_TOO_DEEP = "In Too Deep.mid"
_REVOLVERS = "Les Yeux Revolvers.mid"
_BLUE_SKY = "Mr. Blue Sky.mid"

_MIXES = (
    Mix("small-things-22", _SMALL_THINGS, 22, "LJ001-0001"),
    Mix("girls-46", _GIRLS, 46, "LJ001-0003"),
    Mix("girls-102", _GIRLS, 102, "LJ001-0005"),
    Mix("too-deep-26", _TOO_DEEP, 26, "LJ001-0007"),
    Mix("too-deep-134", _TOO_DEEP, 134, "LJ001-0010"),
    Mix("revolvers-88", _REVOLVERS, 88, "LJ001-0012"),
    Mix("revolvers-138", _REVOLVERS, 138, "LJ001-0014"),
    Mix("blue-sky-24", _BLUE_SKY, 24, "LJ001-0015"),
    Mix("blue-sky-140", _BLUE_SKY, 140, "LJ001-0021"),
    Mix("shut-up-178", "Shut Up.mid", 178, "LJ001-0023"),
    Mix("fool-72", "What a Fool Believes.mid", 72, "LJ001-0025"),
    Mix("aicha-108", "Aicha.mid", 108, "LJ001-0027"),
    Mix("d6caebd-184", "d6caebd1964d9e4a3c5ea59525230e2a.mid", 184, "LJ001-0031"),
)
_MIX_BY_ID = {mix.sample_id: mix for mix in _MIXES}
_EXCERPT_ID = "musdb-falcon-69"
# Audio streams of a MUSDB18 stem file: 0 mix, 1 drums, 2 bass, 3 other, 4 vocals. Its mix is
# mastered and differs from the sum of the stems, so the sum is used.
_EXCERPT_STREAMS = {VOCALS: (4,), ACCOMPANIMENT: (1, 2, 3)}
# The file begins with 2,112 samples of AAC delay, and every stem clicks where the 6 s excerpt
# begins and ends: 5.9 s from within.
_EXCERPT_FIRST = 2205
_EXCERPT_LENGTH = 260190


@dataclass(frozen=True)
class MusicMini:
    """Thirteen mixes of 8 s and a 5.9 s excerpt of MUSDB18, stereo, 44,100 Hz.

    The reference holds the stems `vocals` and `accompaniment`; their sum is the mixture, exactly,
    and all are rounded to 16 bits. In the mixes a read sentence takes the place of the vocals, at
    the RMS of the accompaniment, which is rendered from MIDI with a soundfont: a known truth, but
    easier to separate than music made by people. The cluster is the song.

    `content_sha256` covers the recipe, the files it uses and the renderer's version.
    """

    @property
    def name(self) -> str:
        """Name in messages."""
        return "music-mini"

    @property
    def modality(self) -> Modality:
        """The kind of signal."""
        return "audio"

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return (_SPEECH, _MIDI, _SOUNDFONT, _EXCERPT)

    def sample_ids(self) -> tuple[str, ...]:
        """The mixes, then the excerpt."""
        return (*_MIX_BY_ID, _EXCERPT_ID)

    def load(self, sample_id: str) -> Sample[Stems]:
        """Render or decode one sample.

        Raises:
            DatasetError: an unknown id, or a file that cannot be read.
            AssetError: the files cannot be had.
        """
        if sample_id == _EXCERPT_ID:
            return _excerpt()
        if sample_id in _MIX_BY_ID:
            return _mixed(_MIX_BY_ID[sample_id])
        raise DatasetError(
            f"{self.name} has no sample {sample_id!r}; its ids are {', '.join(self.sample_ids())}"
        )


def _mixed(mix: Mix) -> Sample[Stems]:
    clip, clip_data = ljspeech_mini.read_clip(mix.clip)
    midi = asset_path(_MIDI) / mix.midi
    soundfont = asset_path(_SOUNDFONT)
    speech = _speech(clip, round(mix.seconds * SAMPLE_RATE))
    music = render_window(midi, soundfont, mix.start, mix.seconds, SAMPLE_RATE)
    stems = {VOCALS: _at_rms(speech, mix), ACCOMPANIMENT: _at_rms(music, mix)}
    recipe = {
        **asdict(mix),
        "stem_rms": _STEM_RMS,
        "max_peak": _MAX_PEAK,
        "sample_rate": SAMPLE_RATE,
        "clip_sha256": hashlib.sha256(clip_data).hexdigest(),
        "midi_sha256": hashlib.sha256(asset_bytes(midi, _MIDI)).hexdigest(),
        "soundfont_sha256": asset_sha256(_SOUNDFONT),
        "renderer": renderer_version(),
    }
    return _sample(mix.sample_id, recipe, stems, Path(mix.midi).stem)


def _excerpt() -> Sample[Stems]:
    path = asset_path(_EXCERPT)
    stems = {
        name: _total([_decode_stream(path, stream) for stream in streams])
        for name, streams in _EXCERPT_STREAMS.items()
    }
    recipe = {
        "sample_id": _EXCERPT_ID,
        "streams": {name: list(streams) for name, streams in _EXCERPT_STREAMS.items()},
        "first": _EXCERPT_FIRST,
        "length": _EXCERPT_LENGTH,
        "max_peak": _MAX_PEAK,
        "excerpt_sha256": asset_sha256(_EXCERPT),
    }
    return _sample(_EXCERPT_ID, recipe, stems, _EXCERPT_ID)


def _sample(
    sample_id: str,
    recipe: dict[str, object],
    stems: dict[str, npt.NDArray[np.float32]],
    cluster: str,
) -> Sample[Stems]:
    """Scale the stems to leave headroom, round them to 16 bits, and add them up."""
    peak = float(np.max(np.abs(_total(stems.values()))))
    gain = min(1.0, _MAX_PEAK / peak)
    rounded = {
        name: np.rint(stem * (gain * _FULL_SCALE)).astype(np.float32) / np.float32(_FULL_SCALE)
        for name, stem in stems.items()
    }
    # Multiples of 2^-15 below 1: float32 adds them exactly.
    mixture = _total(rounded.values())
    content = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    reference = {name: Audio(stem, SAMPLE_RATE) for name, stem in rounded.items()}
    return Sample(sample_id, content, Audio(mixture, SAMPLE_RATE), reference, cluster)


def _total(stems: Iterable[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    total: npt.NDArray[np.float32] = np.sum(list(stems), axis=0, dtype=np.float32)
    return total


def _speech(clip: Audio, length: int) -> npt.NDArray[np.float32]:
    """The clip at 44,100 Hz on both channels, cut or followed by silence to `length` samples."""
    mono = fit_length(resample(clip.samples, clip.sample_rate, SAMPLE_RATE), length)
    return np.concatenate([mono, mono])


def _at_rms(samples: npt.NDArray[np.float32], mix: Mix) -> npt.NDArray[np.float32]:
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    if rms == 0:
        raise DatasetError(f"a stem of {mix.sample_id} is silent; check {mix.midi} and {mix.clip}")
    return (samples * (_STEM_RMS / rms)).astype(np.float32)


@lru_cache(maxsize=8)
def _decode_stream(path: Path, stream: int) -> npt.NDArray[np.float32]:
    """The excerpt from one audio stream: float32, 2 x samples, of 16-bit precision."""
    import imageio_ffmpeg  # type: ignore[import-untyped]

    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "error"),
        *("-bitexact", "-i", str(path), "-map", f"0:a:{stream}"),
        *("-f", "s16le", "-ac", "2", "-ar", str(SAMPLE_RATE), "-"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, check=True, timeout=_DECODE_TIMEOUT_SECONDS
        )
    except subprocess.CalledProcessError as exc:
        detail = exc.stderr.decode(errors="replace").strip()
        raise DatasetError(f"{path}, audio stream {stream} cannot be decoded: {detail}") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise DatasetError(f"{path} cannot be decoded: {exc}") from exc
    pcm = np.frombuffer(done.stdout, dtype="<i2").reshape(-1, 2).T
    excerpt = pcm[:, _EXCERPT_FIRST : _EXCERPT_FIRST + _EXCERPT_LENGTH]
    if excerpt.shape[1] != _EXCERPT_LENGTH:
        raise DatasetError(f"{path}, stream {stream} has {pcm.shape[1]} samples, which is too few")
    return np.ascontiguousarray(excerpt).astype(np.float32) / np.float32(_FULL_SCALE)
