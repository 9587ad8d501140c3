"""Speech and music to train audio codecs on: 16 kHz, mono, as long arrays, and crops of them.

Nothing of `ljspeech-mini` or `music-mini` comes in: another voice, other songs, another soundfont.
`tests/test_training_audio.py` holds the hashes of both sides against each other.
"""

import hashlib
import logging
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from audio_sources import folders

__all__ = ["SAMPLE_RATE", "Corpus", "build", "crops", "is_held_out", "load"]

SAMPLE_RATE = 16000

_RENDERED_RATE = 44100
_HELD_OUT_SHARE = 64  # one file of so many is kept for validation
_SPEEDS = (1.0, 0.9, 1.11)  # slower and faster copies of the speech stand in for more speakers
_SKIPPED = ("silence",)  # folders of prompts that hold nothing

# How often a crop is speech, music, or speech over music, and how the signal is varied.
_MUSIC_SHARE, _MIXED_SHARE = 0.2, 0.25
_TILT_SHARE, _ROOM_SHARE, _LOW_PASS_SHARE = 0.5, 0.25, 0.08
_GAIN_DB = 5.0
_QUIET = 1e-3  # RMS under which another crop is drawn

_NAMES = ("speech", "music", "held_out_speech", "held_out_music")

Samples = npt.NDArray[np.int16]
logger = logging.getLogger("training.audio_data")


@dataclass(frozen=True)
class Corpus:
    """Long arrays, int16 at 16 kHz: to learn from, and to watch the learning with."""

    speech: Samples
    music: Samples
    held_out_speech: Samples
    held_out_music: Samples


def is_held_out(data: bytes) -> bool:
    """Whether a file is kept for validation; its content alone decides."""
    return int(hashlib.sha256(data).hexdigest(), 16) % _HELD_OUT_SHARE == 0


def build(folder: Path) -> None:
    """Fetch, decode, render and resample everything into four .npy files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    learned, held = _speech(folders("speech"))
    copies = [_at_speed(learned, speed) for speed in _SPEEDS]
    _save(folder / "speech.npy", np.concatenate(copies))
    _save(folder / "held_out_speech.npy", held)
    music, held_music = _music()
    _save(folder / "music.npy", music)
    _save(folder / "held_out_music.npy", held_music)


def load(folder: Path) -> Corpus:
    """What `build` writes, which is called at first use."""
    paths = [folder / f"{name}.npy" for name in _NAMES]
    if not all(path.exists() for path in paths):
        build(folder)
    return Corpus(*map(np.load, paths))


def crops(
    rng: np.random.Generator, speech: Samples, music: Samples, count: int, length: int
) -> npt.NDArray[np.float32]:
    """Random crops at a level of about one RMS, count x length."""
    return np.stack([_crop(rng, speech, music, length) for _ in range(count)])


def _crop(
    rng: np.random.Generator, speech: Samples, music: Samples, length: int
) -> npt.NDArray[np.float32]:
    kind = rng.random()
    if kind < _MUSIC_SHARE:
        crop = _unit(_cut(rng, music, length))
    elif kind < _MUSIC_SHARE + _MIXED_SHARE:
        balance = 10 ** (rng.uniform(-8, 8) / 20)
        crop = _unit(_cut(rng, speech, length)) + balance * _unit(_cut(rng, music, length))
    else:
        crop = _unit(_varied(rng, _cut(rng, speech, length)))
    gain = 10 ** (np.clip(rng.normal(0, _GAIN_DB), -25, 8) / 20)
    return (_unit(crop) * gain).astype(np.float32)


def _cut(rng: np.random.Generator, source: Samples, length: int) -> npt.NDArray[np.float32]:
    """A stretch of the source that is not silent, -1..1."""
    for _ in range(20):
        start = rng.integers(0, len(source) - length)
        cut = source[start : start + length].astype(np.float32) / 32768
        if _rms(cut) > _QUIET:
            break
    return cut


def _varied(rng: np.random.Generator, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Another microphone, another room, sometimes a narrower band."""
    from scipy.signal import fftconvolve, lfilter

    if rng.random() < _TILT_SHARE:
        samples = lfilter([1.0, rng.uniform(-0.5, 0.5)], [1.0], samples)
    if rng.random() < _ROOM_SHARE:
        decay = rng.uniform(0.03, 0.15) * SAMPLE_RATE
        time = np.arange(int(3 * decay))
        room = rng.normal(size=len(time)) * np.exp(-time / decay)
        room *= rng.uniform(0.05, 0.35) / np.sqrt(np.sum(room**2))
        room[0] = 1.0
        samples = fftconvolve(samples, room)[: len(samples)]
    if rng.random() < _LOW_PASS_SHARE:
        pole = rng.uniform(0.3, 0.7)
        samples = lfilter([1 - pole], [1.0, -pole], samples)
    return samples


def _rms(samples: npt.NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def _unit(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return samples / (_rms(samples) + 1e-5)


def _save(path: Path, samples: Samples) -> None:
    np.save(path, samples)
    logger.info("%s: %.1f minutes", path.name, len(samples) / SAMPLE_RATE / 60)


def _speech(languages: list[Path]) -> tuple[Samples, Samples]:
    files = [path for folder in languages for path in sorted(folder.rglob("*.g722"))]
    data = [path.read_bytes() for path in files if path.parent.name not in _SKIPPED]
    learned = [each for each in data if not is_held_out(each)]
    held = [each for each in data if is_held_out(each)]
    return _decoded(learned), _decoded(held)


def _decoded(files: Iterable[bytes]) -> Samples:
    """G.722 files, one after the other, in one go: the predictor forgets within milliseconds."""
    import imageio_ffmpeg

    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-f", "g722"),
        *("-i", "pipe:0", "-f", "s16le", "-ac", "1", "-ar", str(SAMPLE_RATE), "pipe:1"),
    ]
    done = subprocess.run(command, input=b"".join(files), capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype="<i2")


def _at_speed(samples: Samples, speed: float) -> Samples:
    import soxr

    if speed == 1.0:
        return samples
    return soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE)


def _music() -> tuple[Samples, Samples]:
    pieces: tuple[list[Samples], list[Samples]] = ([], [])
    (midi,), (instruments,), (samples,) = map(folders, ("midi", "soundfont", "samples"))
    soundfont = next(instruments.rglob("*.sf2"))
    for path in sorted(midi.rglob("*.mid")):
        pieces[_song_is_held_out(path.read_bytes())].append(_rendered(path, soundfont))
        logger.info("rendered %s", path.name)
    for path in sorted(samples.rglob("*.flac")):
        pieces[is_held_out(path.read_bytes())].append(_read(path))
    return np.concatenate(pieces[0]), np.concatenate(pieces[1])


def _song_is_held_out(data: bytes) -> bool:
    return hashlib.sha256(data).digest()[0] % 16 == 0


def _rendered(path: Path, soundfont: Path) -> Samples:
    from symusic import Score, Synthesizer

    synthesizer = Synthesizer(str(soundfont), _RENDERED_RATE, 0)
    stereo = np.asarray(synthesizer.render(Score(str(path)).to("second"), True), np.float32)
    return _loud(stereo.mean(0), _RENDERED_RATE)


def _read(path: Path) -> Samples:
    import soundfile

    data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return _loud(data.mean(1), rate)


def _loud(mono: npt.NDArray[np.float32], rate: int) -> Samples:
    """At 16 kHz and full scale."""
    import soxr

    resampled = soxr.resample(mono, rate, SAMPLE_RATE)
    peak = float(np.max(np.abs(resampled))) + 1e-6
    return np.rint(resampled * (32000 / peak)).astype(np.int16)
