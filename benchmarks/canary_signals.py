"""Changes of decoded signals, of encoders and of streams."""

import io
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.base import Codec
from mpq_checks.codecs.coded_audio import pack_audio, unpack_audio
from mpq_checks.codecs.ffmpeg import encode_pcm
from mpq_checks.codecs.resampling import resample
from mpq_checks.signals import Audio, Image

_PAD_LENGTH_BYTES = 4


def gamma(exponent: float, image: Image) -> Image:
    """Levels of 0..1 to a power."""
    return _levels(image, 255.0 * (image.pixels / 255.0) ** exponent)


def limited_range(image: Image) -> Image:
    """Levels left in 16..235, as if never expanded."""
    return _levels(image, 16.0 + image.pixels * (219.0 / 255.0))


def red_and_blue_swapped(image: Image) -> Image:
    """BGR for RGB."""
    return Image(np.ascontiguousarray(image.pixels[:, :, ::-1]))


def chroma_lost(image: Image) -> Image:
    """Luma of BT.601 on all three channels."""
    luma = image.pixels @ np.array([0.299, 0.587, 0.114])
    return _levels(image, np.repeat(luma[:, :, None], 3, axis=2))


def half_pixel_shift(image: Image) -> Image:
    """Bilinear interpolation half a pixel to the right and down; the border repeats."""
    padded = np.pad(image.pixels.astype(np.float64), ((0, 1), (0, 1), (0, 0)), mode="edge")
    rows = (padded[:-1] + padded[1:]) / 2
    return _levels(image, (rows[:, :-1] + rows[:, 1:]) / 2)


def shifted(pixels: int, image: Image) -> Image:
    """The content moved right and down by whole pixels; the border repeats."""
    padded = np.pad(image.pixels, ((pixels, 0), (pixels, 0), (0, 0)), mode="edge")
    return Image(np.ascontiguousarray(padded[: image.height, : image.width]))


def blurred(radius: float, image: Image) -> Image:
    """Gaussian blur by Pillow."""
    from PIL import Image as PilImage
    from PIL import ImageFilter

    picture = PilImage.fromarray(image.pixels).filter(ImageFilter.GaussianBlur(radius))
    return Image(np.asarray(picture))


def negative(image: Image) -> Image:
    """White is black."""
    return Image(255 - image.pixels)


def through(codec: Codec, signal: Any) -> Any:
    """A lossy generation before this one."""
    return codec.decode(codec.encode(signal))


def pillow_encoder(image_format: str, **options: Any) -> Callable[[Image], bytes]:
    """`PIL.Image.save` with further options; JPEG codes equal channels as greyscale."""

    def encode(image: Image) -> bytes:
        from PIL import Image as PilImage

        pixels = image.pixels
        if image_format == "JPEG" and (pixels == pixels[:, :, :1]).all():
            pixels = pixels[:, :, 0]
        out = io.BytesIO()
        PilImage.fromarray(np.ascontiguousarray(pixels)).save(out, format=image_format, **options)
        return out.getvalue()

    return encode


def mp3_encoder(bitrate_kbps: int, rate: int | None, *options: str) -> Callable[[Audio], bytes]:
    """Mp3 as the package writes it, with further options of ffmpeg."""

    def encode(audio: Audio) -> bytes:
        coded_rate = rate or audio.sample_rate
        payload = encode_pcm(
            resample(audio.samples, audio.sample_rate, coded_rate),
            coded_rate,
            codec="libmp3lame",
            container="mp3",
            bitrate_kbps=bitrate_kbps,
            options=("-id3v2_version", "0", *options),
        )
        return pack_audio(b"m1", audio, payload)

    return encode


def opus_encoder(bitrate_kbps: int, *options: str) -> Callable[[Audio], bytes]:
    """Opus as the package writes it, with further options of ffmpeg."""

    def encode(audio: Audio) -> bytes:
        payload = encode_pcm(
            resample(audio.samples, audio.sample_rate, 48000),
            48000,
            codec="libopus",
            container="opus",
            bitrate_kbps=bitrate_kbps,
            options=("-compression_level", "10", *options),
        )
        return pack_audio(b"o1", audio, payload)

    return encode


def mp3_without_delay_compensation(data: bytes) -> Audio:
    """Decoded by an ffmpeg that was told not to skip the encoder's delay."""
    return unpack_audio(b"m1", data, "mp3", _decode_unskipped)


def gain(factor: float, audio: Audio) -> Audio:
    """Every sample times a factor."""
    return _samples(audio, audio.samples * np.float32(factor))


def delayed(samples: int, audio: Audio) -> Audio:
    """Silence before, the end cut."""
    padded = np.pad(audio.samples, ((0, 0), (samples, 0)))
    return _samples(audio, padded[:, : audio.num_samples])


def channels_swapped(audio: Audio) -> Audio:
    """Left is right."""
    return _samples(audio, audio.samples[::-1])


def downmixed(audio: Audio) -> Audio:
    """The mean of the channels on each of them."""
    mean = audio.samples.mean(axis=0, keepdims=True)
    return _samples(audio, np.broadcast_to(mean, audio.samples.shape))


def clipped(overdrive: float, audio: Audio) -> Audio:
    """Overdriven into full scale and brought back to its level."""
    return _samples(audio, np.clip(audio.samples * overdrive, -1, 1) / overdrive)


def low_passed(hertz: float, audio: Audio) -> Audio:
    """Butterworth of order 8, forward and backward, so that nothing is delayed."""
    from scipy.signal import butter, sosfiltfilt

    sections = butter(8, hertz, fs=audio.sample_rate, output="sos")
    return _samples(audio, sosfiltfilt(sections, audio.samples, axis=1))


def linearly_resampled(rate: int, audio: Audio) -> Audio:
    """Another sample rate by linear interpolation, without a filter against aliasing."""
    length = round(audio.num_samples * rate / audio.sample_rate)
    positions = np.arange(length) * (audio.sample_rate / rate)
    channels = [
        np.interp(positions, np.arange(audio.num_samples), channel) for channel in audio.samples
    ]
    return Audio(np.stack(channels).astype(np.float32), rate)


def there_and_back_linearly(rate: int, audio: Audio) -> Audio:
    """To another sample rate and back by linear interpolation."""
    back = linearly_resampled(audio.sample_rate, linearly_resampled(rate, audio))
    missing = max(0, audio.num_samples - back.num_samples)
    samples = np.pad(back.samples, ((0, 0), (0, missing)))
    return _samples(audio, samples[:, : audio.num_samples])


def said_to_be(rate: int, audio: Audio) -> Audio:
    """The same samples with a wrong sample rate."""
    return Audio(audio.samples, rate)


def fortran_order(signal: Any) -> Any:
    """The same values in another memory layout."""
    if isinstance(signal, Image):
        return Image(np.asfortranarray(signal.pixels))
    return replace(signal, samples=np.asfortranarray(signal.samples))


def padded(share: float, data: bytes) -> bytes:
    """Padding bytes at the end, with their number."""
    number = max(0, round(share * len(data)) - _PAD_LENGTH_BYTES)
    return data + bytes(number) + number.to_bytes(_PAD_LENGTH_BYTES, "little")


def unpadded(data: bytes) -> bytes:
    """What `padded` was given."""
    number = int.from_bytes(data[-_PAD_LENGTH_BYTES:], "little")
    return data[: len(data) - number - _PAD_LENGTH_BYTES]


def through_a_file(data: bytes) -> bytes:
    """Written to a file and read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream")
        path.write_bytes(data)
        return path.read_bytes()


def named(function: Callable[..., Any], *arguments: Any) -> Callable[[Any], Any]:
    """A function of the last argument alone."""
    return partial(function, *arguments)


def _levels(image: Image, values: npt.NDArray[np.float64]) -> Image:
    return Image(np.clip(np.rint(values), 0, 255).astype(np.uint8).reshape(image.pixels.shape))


def _samples(audio: Audio, values: npt.NDArray[Any]) -> Audio:
    return replace(audio, samples=np.ascontiguousarray(values, dtype=np.float32))


def _decode_unskipped(data: bytes) -> tuple[npt.NDArray[np.float32], int]:
    import imageio_ffmpeg
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream.wav")
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error"]
        command += ["-flags2", "+skip_manual", "-f", "mp3", "-i", "-", str(path)]
        subprocess.run(command, input=data, check=True, timeout=60)
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(samples.T), int(rate)
