"""Real signals, and what harms them, for the tests of metrics."""

import io
from pathlib import Path

import numpy as np
import PIL.Image

from mpq_checks.assets import asset_path
from mpq_checks.signals import Audio, Image

PHOTOGRAPHS = ("imagenet_08_915.jpg", "imagenet_16_251.jpg")


def photograph(name: str = PHOTOGRAPHS[0]) -> Image:
    """A real photograph, 512 x 512."""
    with PIL.Image.open(asset_path("imagenet-foolbox") / name) as opened:
        return Image(np.array(opened.convert("RGB")))


def jpeg(image: Image, quality: int) -> Image:
    """The image after JPEG."""
    data = io.BytesIO()
    PIL.Image.fromarray(image.pixels).save(data, "JPEG", quality=quality)
    with PIL.Image.open(data) as opened:
        return Image(np.array(opened))


def speech(seconds: float, start: float = 0.0) -> Audio:
    """Real speech, 22,050 Hz mono."""
    import soundfile

    path: Path = sorted((asset_path("ljspeech") / "wavs").glob("*.wav"))[0]
    first, count = round(start * 22_050), round(seconds * 22_050)
    samples, rate = soundfile.read(path, frames=count, start=first, dtype="float32")
    return Audio(samples[None], rate)


def noisy(audio: Audio, level: float, seed: int = 0) -> Audio:
    """The audio with white noise of this standard deviation."""
    noise = np.random.default_rng(seed).normal(0, level, audio.samples.shape)
    return Audio((audio.samples + noise).astype(np.float32), audio.sample_rate)
