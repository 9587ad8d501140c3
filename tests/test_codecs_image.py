"""JPEG, WebP and the codec that does nothing, on images."""

import base64
import contextlib
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage
from PIL import ImageFile

from mpq_checks.assets import asset_path
from mpq_checks.codecs import Codec, Jpeg, NoCodec, Opus, WebP
from mpq_checks.datasets.files import read_image
from mpq_checks.errors import CodecSettingError, DecodingError, EncodingError, SignalError
from mpq_checks.signals import Audio, Image, require_same_form

CODECS = [NoCodec("image"), Jpeg(), WebP(), Jpeg(quality=90), WebP(quality=90)]
LOSSY = CODECS[1:]
SIDES = st.integers(1, 64)
SEEDS = st.integers(0, 2**32 - 1)


def by_name(codec: Codec) -> str:
    return codec.name


def noise(height: int, width: int, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image(pixels)


def smooth(height: int, width: int) -> Image:
    y, x = np.mgrid[:height, :width]
    planes = [127 + 120 * np.sin(x / 9), 127 + 120 * np.cos(y / 7), 127 + 120 * np.sin((x + y) / 5)]
    return Image(np.stack(planes, axis=-1).astype(np.uint8))


def psnr_db(a: Image, b: Image) -> float:
    error = np.mean((a.pixels.astype(float) - b.pixels.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error))


def in_another_process(source: str, data: bytes) -> str:
    code = f"import base64, sys\ndata = base64.b64decode(sys.stdin.read())\n{source}"
    return subprocess.run(
        [sys.executable, "-c", code],
        input=base64.b64encode(data).decode(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.mark.parametrize(
    ("codec", "name", "rate"),
    [
        (NoCodec("image"), "none", 24.0),
        (NoCodec("audio"), "none", 16.0),
        (Jpeg(), "jpeg-q5", None),
        (Jpeg(quality=40), "jpeg-q40", None),
        (WebP(), "webp-q0", None),
        (WebP(quality=75), "webp-q75", None),
    ],
)
def test_names_and_rates(codec: Codec, name: str, rate: float | None) -> None:
    assert isinstance(codec, Codec)
    assert codec.name == name
    assert codec.nominal_rate == rate
    assert codec.assets() == ()


def test_codecs_are_values() -> None:
    for codec in CODECS:
        copy = pickle.loads(pickle.dumps(codec))  # noqa: S301
        assert copy == codec
        assert hash(copy) == hash(codec)
    assert Jpeg(5) == Jpeg() != Jpeg(6)


@pytest.mark.parametrize("codec", LOSSY, ids=by_name)
def test_identity_tells_settings_and_libraries(codec: Jpeg | WebP) -> None:
    identity = codec.identity()
    assert identity["quality"] == str(codec.quality)
    assert f"pillow {PilImage.__version__}" in identity["library"]
    assert all(isinstance(value, str) for value in identity.values())
    assert identity != type(codec)(codec.quality + 1).identity()


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
@given(height=SIDES, width=SIDES, seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_any_size_keeps_its_form(codec: Codec, height: int, width: int, seed: int) -> None:
    image = noise(height, width, seed)
    require_same_form(image, codec.decode(codec.encode(image)))


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
@given(height=SIDES, width=SIDES, seeds=st.tuples(SEEDS, SEEDS).filter(lambda s: s[0] != s[1]))
@settings(max_examples=20, deadline=None)
def test_different_images_give_different_bytes(
    codec: Codec, height: int, width: int, seeds: tuple[int, int]
) -> None:
    first, second = (noise(height + 16, width + 16, seed) for seed in seeds)
    assert codec.encode(first) != codec.encode(second)
    assert codec.encode(first) == codec.encode(Image(first.pixels.copy()))


@given(height=SIDES, width=SIDES, seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_none_is_exact(height: int, width: int, seed: int) -> None:
    codec = NoCodec("image")
    image = noise(height, width, seed)
    assert np.array_equal(codec.decode(codec.encode(image)).pixels, image.pixels)


@pytest.mark.parametrize(("codec", "form"), [(Jpeg(7), "JPEG"), (WebP(7), "WEBP")])
def test_bytes_are_what_pillow_saves(codec: Jpeg | WebP, form: str) -> None:
    image = smooth(61, 47)
    out = io.BytesIO()
    PilImage.fromarray(image.pixels).save(out, form, quality=7)
    assert codec.encode(image) == out.getvalue()
    expected = np.asarray(PilImage.open(io.BytesIO(out.getvalue())).convert("RGB"))
    assert np.array_equal(codec.decode(out.getvalue()).pixels, expected)


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_another_process_decodes_from_the_bytes_alone(codec: Codec) -> None:
    data = codec.encode(smooth(40, 56))
    source = (
        f"from mpq_checks.codecs import *\nprint({codec!r}.decode(data).sha256())\n"
        "assert 'torch' not in sys.modules"
    )
    assert in_another_process(source, data) == codec.decode(data).sha256()


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_another_process_gives_the_same_bytes(codec: Codec) -> None:
    image = smooth(40, 56)
    source = (
        "import hashlib, numpy\nfrom mpq_checks.codecs import *\n"
        "from mpq_checks.signals import Image\n"
        "pixels = numpy.frombuffer(data, numpy.uint8).reshape(40, 56, 3)\n"
        f"print({codec!r}.encode(Image(pixels)).hex())"
    )
    assert in_another_process(source, image.pixels.tobytes()) == codec.encode(image).hex()


def test_grey_images_are_coded_as_greyscale_jpeg() -> None:
    colour = smooth(64, 64)
    grey = Image(np.repeat(colour.pixels[..., :1], 3, axis=2))
    data = Jpeg(50).encode(grey)
    assert PilImage.open(io.BytesIO(data)).mode == "L"
    assert PilImage.open(io.BytesIO(Jpeg(50).encode(colour))).mode == "RGB"
    decoded = Jpeg(50).decode(data).pixels
    assert np.array_equal(decoded, np.repeat(decoded[..., :1], 3, axis=2))
    assert psnr_db(grey, Image(decoded)) > 30


@pytest.mark.assets
@pytest.mark.parametrize("codec", [Jpeg, WebP])
def test_quality_buys_fidelity_with_bytes(codec: type[Jpeg] | type[WebP]) -> None:
    photo = read_image(sorted(asset_path("imagenet-robust-vision").iterdir())[0])
    sizes, fidelities = [], []
    for quality in (1, 5, 20, 50, 90):
        data = codec(quality).encode(photo)
        sizes.append(len(data))
        fidelities.append(psnr_db(photo, codec(quality).decode(data)))
    assert sizes == sorted(set(sizes))
    assert fidelities == sorted(set(fidelities))
    assert fidelities[-1] > 30


@pytest.mark.parametrize("quality", [0, -1, 96, 100, 101, 5.0, "5", True, None])
def test_jpeg_qualities_that_would_be_changed_are_refused(quality: object) -> None:
    with pytest.raises(CodecSettingError, match=r"1\.\.95"):
        Jpeg(quality)


@pytest.mark.parametrize("quality", [-1, 101, 0.0, "5", False, None])
def test_webp_qualities_that_do_not_exist_are_refused(quality: object) -> None:
    with pytest.raises(CodecSettingError, match=r"0\.\.100"):
        WebP(quality)


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(CodecSettingError, match="video"):
        NoCodec("video")


@pytest.mark.parametrize(
    ("codec", "limit"), [(WebP(), 16_383), (Jpeg(), 65_500)], ids=["webp", "jpeg"]
)
def test_the_largest_side_of_the_format(codec: Codec, limit: int) -> None:
    longest = Image(np.zeros((1, limit, 3), np.uint8))
    require_same_form(longest, codec.decode(codec.encode(longest)))
    with pytest.raises(EncodingError, match=str(limit)):
        codec.encode(Image(np.zeros((limit + 1, 1, 3), np.uint8)))


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_audio_is_refused(codec: Codec) -> None:
    with pytest.raises(SignalError, match="Audio"):
        codec.encode(Audio(np.zeros((1, 10), np.float32), 16_000))


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_every_truncation_is_refused(codec: Codec) -> None:
    data = codec.encode(smooth(16, 24))
    for length in range(len(data)):
        with pytest.raises(DecodingError, match=codec.name):
            codec.decode(data[:length])


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_bytes_behind_the_end_are_refused(codec: Codec) -> None:
    with pytest.raises(DecodingError):
        codec.decode(codec.encode(smooth(16, 24)) + b"\0")


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_streams_of_other_codecs_are_refused(codec: Codec) -> None:
    image = smooth(32, 32)
    others = [other for other in CODECS if type(other) is not type(codec)]
    png = io.BytesIO()
    PilImage.fromarray(image.pixels).save(png, "PNG")
    sound = NoCodec("audio").encode(Audio(np.zeros((1, 10), np.float32), 16_000))
    for foreign in (b"", b"\0", png.getvalue(), sound, *(o.encode(image) for o in others)):
        with pytest.raises(DecodingError):
            codec.decode(foreign)


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_damage_is_a_decoding_error_or_an_image(codec: Codec, position: int, bit: int) -> None:
    data = bytearray(codec.encode(smooth(16, 24)))
    data[position % len(data)] ^= 1 << bit
    if isinstance(codec, NoCodec):
        with pytest.raises(DecodingError):
            codec.decode(bytes(data))
        return
    with contextlib.suppress(DecodingError):
        assert isinstance(codec.decode(bytes(data)), Image)


@pytest.mark.parametrize("codec", LOSSY, ids=by_name)
def test_lenient_pillow_is_refused(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    data = codec.encode(smooth(16, 24))
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DecodingError, match="LOAD_TRUNCATED_IMAGES"):
        codec.decode(data)


def test_cmyk_and_animated_streams_are_foreign() -> None:
    cmyk, animation = io.BytesIO(), io.BytesIO()
    PilImage.new("CMYK", (8, 8)).save(cmyk, "JPEG")
    frames = [PilImage.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(animation, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(DecodingError, match="CMYK"):
        Jpeg().decode(cmyk.getvalue())
    with pytest.raises(DecodingError, match="2 frames"):
        WebP().decode(animation.getvalue())


def test_importing_codecs_is_light() -> None:
    heavy = ["torch", "PIL", "pydub", "soxr", "imageio_ffmpeg", "scipy"]
    source = f"import mpq_checks.codecs\nprint([m for m in {heavy} if m in sys.modules])"
    assert in_another_process(source, b"") == "[]"
    assert Opus().name == "opus-6kbps"
