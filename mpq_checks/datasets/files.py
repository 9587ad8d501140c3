"""Reading images and audio from files, strictly: one documented conversion or one clear error."""

import io
import struct
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mpq_checks.errors import MpqError, SignalError
from mpq_checks.signals import Audio, Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image as PilImage

__all__ = [
    "AUDIO_SUFFIXES",
    "IMAGE_SUFFIXES",
    "MAX_PIXELS",
    "audio_from_bytes",
    "image_from_bytes",
    "read_audio",
    "read_bytes",
    "read_image",
]

IMAGE_SUFFIXES = (".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
AUDIO_SUFFIXES = (".aif", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav")
MAX_PIXELS = 89_478_485
"""More pixels than this are taken for a decompression bomb (a quarter GiB of RGB)."""

# Only formats that Pillow decodes by itself: some others start programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF", "JPEG2000")
_DIRECT_MODES = ("1", "L", "P", "RGB", "YCbCr")
_ALPHA_MODES = ("LA", "PA", "RGBA", "RGBa", "La")
_SAMPLE_RATES = range(1_000, 384_001)
_MAX_AUDIO_VALUES = 1 << 29
_STREAMED_RIFF_BYTES = 0x7FFF_0000


def read_image(path: Path) -> Image:
    """Read an image file as `image_from_bytes` does. Raises SignalError naming the file."""
    return image_from_bytes(read_bytes(path), str(path))


def image_from_bytes(data: bytes, name: str) -> Image:
    """Decode an image file to RGB.

    Converted: greyscale, 1-bit, palette and YCbCr images to RGB; an alpha channel that is opaque
    everywhere is dropped; EXIF orientation is applied; of a multi-picture JPEG, as phones write it,
    the main picture is taken. Colour profiles are not applied.

    Refused, as there is no one right conversion: real transparency, CMYK and other colour models,
    more than 8 bits a channel, animations and files of several pages.

    Raises:
        SignalError: refused as above; not an image, truncated or damaged; empty; more than
            `MAX_PIXELS` pixels. The message begins with `name`.
    """
    from PIL import Image as PilImage
    from PIL import ImageOps

    if not data:
        raise SignalError(f"{name}: the file is empty")
    with _image_errors(name), PilImage.open(io.BytesIO(data), formats=_FORMATS) as opened:
        _require_convertible(opened, name)
        opened.load()
        upright = ImageOps.exif_transpose(opened)
        if upright.mode in _ALPHA_MODES or "transparency" in upright.info:
            upright = upright.convert("RGBA")
            lowest = np.asarray(upright.getchannel("A")).min()
            if lowest < 255:
                raise SignalError(
                    f"{name}: the image is transparent (alpha down to {lowest}); flatten it onto "
                    f"the background that it is meant for"
                )
        return Image(np.array(upright.convert("RGB")))


def read_audio(path: Path) -> Audio:
    """Read an audio file as `audio_from_bytes` does. Raises SignalError naming the file."""
    return audio_from_bytes(read_bytes(path), str(path))


def audio_from_bytes(data: bytes, name: str) -> Audio:
    """Decode an audio file to float32, channels x samples, at its own sample rate.

    Integer formats are scaled to -1..1; floating-point samples beyond that are kept. Silence,
    clipping, any number of channels and odd sample rates are accepted. MP3 is decoded by ffmpeg, to
    16 bits; it states no length, so that a truncated one is not always noticed.

    Raises:
        SignalError: not audio, truncated or damaged; no samples; NaN or infinity; a sample rate
            outside 1,000..384,000 Hz; more than 2^29 values. The message begins with `name`.
    """
    import soundfile  # type: ignore[import-untyped]

    if not data:
        raise SignalError(f"{name}: the file is empty")
    try:
        with soundfile.SoundFile(_SeekableBytes(data)) as file:
            _require_plausible(file, name)
            if file.format == "MP3":
                return _mp3_from_bytes(data, name)
            stated = file.frames
            frames = file.read(dtype="float32", always_2d=True)
    # TypeError: what soundfile raises for headerless formats.
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as exc:
        raise SignalError(f"{name}: not a whole audio file: {exc}") from exc
    if len(frames) != stated:
        raise SignalError(f"{name}: {len(frames)} of {stated} samples; the file is truncated")
    _require_whole_riff(data, name)
    try:
        return Audio(np.ascontiguousarray(frames.T), int(file.samplerate))
    except SignalError as exc:
        raise SignalError(f"{name}: {exc}") from exc


def _mp3_from_bytes(data: bytes, name: str) -> Audio:
    """By ffmpeg: libsndfile guesses the length of a file without a Xing header, and cuts it."""
    from mpq_checks.codecs.ffmpeg import decode_pcm

    try:
        return Audio(*decode_pcm(data, codec="mp3", container="mp3"))
    except MpqError as exc:
        raise SignalError(f"{name}: not a whole MP3 file: {exc}") from exc


def read_bytes(path: Path) -> bytes:
    """The stored bytes. Raises SignalError naming the file."""
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise SignalError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


class _SeekableBytes(io.BytesIO):
    """Goes to the beginning where a damaged file says to seek before it.

    An exception would end in a callback from C, which can only print it.
    """

    def seek(self, offset: int, whence: int = 0, /) -> int:
        start = (0, self.tell(), len(self.getbuffer()))[whence]
        return super().seek(max(0, start + offset))


@contextmanager
def _image_errors(name: str) -> "Iterator[None]":
    from PIL import Image as PilImage
    from PIL import ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise SignalError(
            f"{name}: PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so that damaged files would pass "
            f"as whole ones; set it to False"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PilImage.DecompressionBombWarning)
            # Damage that Pillow only warns of (corrupt EXIF and the like) is damage.
            warnings.simplefilter("error", UserWarning)
            yield
    except (PilImage.DecompressionBombWarning, PilImage.DecompressionBombError) as exc:
        raise SignalError(f"{name}: more than {MAX_PIXELS} pixels: {exc}") from exc
    except SignalError:
        raise
    # Pillow's decoders raise all of these for damaged files.
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        NotImplementedError,
        OSError,
        SyntaxError,
        TypeError,
        UserWarning,
        ValueError,
        struct.error,
        zlib.error,
    ) as exc:
        raise SignalError(f"{name}: not a whole image file: {exc}") from exc


def _require_convertible(opened: "PilImage.Image", name: str) -> None:
    pixels = opened.width * opened.height
    if pixels > MAX_PIXELS:
        raise SignalError(
            f"{name}: {opened.width} x {opened.height} pixels, more than {MAX_PIXELS} in all"
        )
    frames = getattr(opened, "n_frames", 1)
    if frames != 1 and opened.format != "MPO":
        raise SignalError(f"{name}: {frames} frames or pages; store the one that is meant")
    # 16-bit RGB opens as "RGB", with half of the bits thrown away: only the raw mode tells.
    tiles: Any = getattr(opened, "tile", [])
    deep = any(";16" in str(tile) for tile in tiles)
    if deep or opened.mode.startswith(("I", "F")):
        raise SignalError(
            f"{name}: more than 8 bits a channel; scale it to 8 bits the way that you mean"
        )
    if opened.mode not in (*_DIRECT_MODES, *_ALPHA_MODES):
        raise SignalError(f"{name}: colour model {opened.mode}; convert it to RGB first")


def _require_whole_riff(data: bytes, name: str) -> None:
    # libsndfile reads what there is of a WAV file. Streams state a size near 2^31 or 2^32.
    stated = int.from_bytes(data[4:8], "little") + 8
    if data[:4] == b"RIFF" and len(data) + 1 < stated < _STREAMED_RIFF_BYTES:
        raise SignalError(f"{name}: {len(data)} of {stated} bytes; the file is truncated")


def _require_plausible(file: Any, name: str) -> None:
    if file.samplerate not in _SAMPLE_RATES:
        raise SignalError(
            f"{name}: a sample rate of {file.samplerate} Hz, outside "
            f"{_SAMPLE_RATES[0]}..{_SAMPLE_RATES[-1]}"
        )
    if file.frames < 1:
        raise SignalError(f"{name}: no samples")
    if file.frames * file.channels > _MAX_AUDIO_VALUES:
        raise SignalError(
            f"{name}: {file.channels} channels of {file.frames} samples, more than "
            f"{_MAX_AUDIO_VALUES} values in all"
        )
