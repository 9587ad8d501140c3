"""MBT2018: real streams of a learned codec, with shipped weights and with official ones."""

import base64
import hashlib
import io
import os
import pickle
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import latent_networks as networks
import numpy as np
import pytest
import torch
from asset_server import AssetServer
from compressai.models import JointAutoregressiveHierarchicalPriors
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mpq_checks import assets
from mpq_checks.assets.manifest import UrlSource, load_manifest
from mpq_checks.codecs import mbt2018
from mpq_checks.codecs.base import BatchCodec
from mpq_checks.codecs.latents.images import MAX_PIXELS, LatentImageCoder
from mpq_checks.codecs.mbt2018 import Mbt2018
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import (
    AssetCorruptError,
    AssetMissingError,
    CodecSettingError,
    DecodingError,
    EncodingError,
    ModelError,
    SignalError,
)
from mpq_checks.shipped import read_config, read_weights
from mpq_checks.signals import Audio, Image, require_same_form

COMPACT = Mbt2018(weights="compact")
SEEDS = st.integers(0, 2**32 - 1)
SIZES = ((64, 64), (16, 16), (1, 70), (100, 150), (130, 65))
IMAGES = [networks.smooth(h, w, seed) for seed in range(4) for h, w in SIZES][:16]


@pytest.fixture(scope="module")
def model() -> Any:
    return networks.context_network()


@pytest.fixture(scope="module")
def coder(model: Any) -> LatentImageCoder:
    return networks.context_coder(model)


@pytest.fixture(scope="module")
def compact_streams() -> list[bytes]:
    return COMPACT.encode_batch(IMAGES)


# Names, settings, identity.


@pytest.mark.parametrize(
    ("codec", "name", "asset_names"),
    [
        (Mbt2018(), "mbt2018-q1", ("mbt2018-1",)),
        (Mbt2018(quality=8), "mbt2018-q8", ("mbt2018-8",)),
        (COMPACT, "mbt2018-compact", ()),
    ],
)
def test_names_and_assets(codec: Mbt2018, name: str, asset_names: tuple[str, ...]) -> None:
    assert isinstance(codec, BatchCodec)
    assert codec.name == name
    assert codec.assets() == asset_names
    assert codec.modality == "image"
    assert codec.nominal_rate is None
    assert pickle.loads(pickle.dumps(codec)) == codec  # noqa: S301


@pytest.mark.parametrize("quality", [0, 9, 1.0, True, "1"])
def test_other_qualities_are_refused(quality: Any) -> None:
    with pytest.raises(CodecSettingError, match="quality"):
        Mbt2018(quality=quality)


def test_other_weights_are_refused() -> None:
    with pytest.raises(CodecSettingError, match="'official' or 'compact'"):
        Mbt2018(weights="small")  # type: ignore[arg-type]
    with pytest.raises(CodecSettingError, match="with compact weights"):
        Mbt2018(quality=2, weights="compact")


def test_identity_tells_weights_and_libraries() -> None:
    identity = COMPACT.identity()
    path = Path(mbt2018.__file__).parents[1] / "weights" / "mbt2018-compact" / "model.safetensors"
    assert identity["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"torch {torch.__version__}" in identity["library"]
    assert "compressai " in identity["library"]
    assert all(isinstance(value, str) for value in identity.values())


def test_only_images_are_coded() -> None:
    with pytest.raises(SignalError, match="codes images"):
        COMPACT.encode(Audio(np.zeros((1, 8), np.float32), 8000))  # type: ignore[arg-type]


def test_nothing_heavy_is_imported_before_it_codes() -> None:
    code = (
        "import sys, mpq_checks.codecs.mbt2018 as m\n"
        "m.Mbt2018(weights='compact').identity()\n"
        "print([x for x in ('torch', 'compressai', 'safetensors') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Round trips.


@given(height=st.integers(1, 140), width=st.integers(1, 140), seed=SEEDS, flat=st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_size_and_content_keeps_its_form(
    coder: LatentImageCoder, height: int, width: int, seed: int, flat: bool
) -> None:
    image = networks.smooth(height, width, seed) if flat else networks.noise(height, width, seed)
    (stream,) = coder.encode([image])
    require_same_form(image, coder.decode([stream])[0])


@given(seeds=st.tuples(SEEDS, SEEDS).filter(lambda pair: pair[0] != pair[1]))
@settings(max_examples=5, deadline=None)
def test_different_images_give_different_bytes(seeds: tuple[int, int]) -> None:
    first, second = (networks.smooth(96, 80, seed) for seed in seeds)
    one, other = COMPACT.encode_batch([first, second])
    assert one != other
    assert COMPACT.encode(Image(first.pixels.copy())) == one


def test_what_is_decoded_resembles_the_image(compact_streams: list[bytes]) -> None:
    for image, decoded in zip(IMAGES, COMPACT.decode_batch(compact_streams), strict=True):
        require_same_form(image, decoded)
        error = np.mean((image.pixels.astype(float) - decoded.pixels) ** 2)
        assert 10 * np.log10(255**2 / error) > 18


def test_grey_images_stay_about_grey() -> None:
    grey = networks.smooth(64, 64).pixels[..., :1].repeat(3, axis=2)
    decoded = COMPACT.decode(COMPACT.encode(Image(grey))).pixels.astype(int)
    assert np.abs(decoded - decoded.mean(axis=2, keepdims=True)).mean() < 12


def test_the_header_is_small(compact_streams: list[bytes]) -> None:
    for image, data in zip(IMAGES, compact_streams, strict=True):
        (height, width), payload = unpack(b"Mc", 2, data, "x")
        assert (height, width) == (image.height, image.width)
        assert len(data) - len(payload) <= 10


# The same bytes everywhere.


@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("threads", [1, 2])
def test_batch_and_threads_change_nothing(
    coder: LatentImageCoder, batch: int, threads: int
) -> None:
    expected = coder.encode(IMAGES)
    pixels = [image.sha256() for image in coder.decode(expected)]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        parts = [IMAGES[start : start + batch] for start in range(0, len(IMAGES), batch)]
        streams = [stream for part in parts for stream in coder.encode(part)]
        assert streams == expected
        pieces = [streams[start : start + batch] for start in range(0, len(streams), batch)]
        decoded = [image for piece in pieces for image in coder.decode(piece)]
        assert [image.sha256() for image in decoded] == pixels
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_compact_streams_do_not_depend_on_the_batch(compact_streams: list[bytes]) -> None:
    chosen = range(0, len(IMAGES), 3)
    assert [COMPACT.encode(IMAGES[i]) for i in chosen] == [compact_streams[i] for i in chosen]


def decoded_elsewhere(streams: list[bytes], **environment: str) -> list[Image]:
    """What another process with two threads makes of the streams."""
    code = """
import base64, sys, torch
torch.set_num_threads(2)
from mpq_checks.codecs.mbt2018 import Mbt2018
for image in Mbt2018(weights="compact").decode_batch([*map(base64.b64decode, sys.stdin)]):
    print(*image.pixels.shape, base64.b64encode(image.pixels).decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input="\n".join(base64.b64encode(data).decode() for data in streams),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    return [
        Image(np.frombuffer(base64.b64decode(row[3]), np.uint8).reshape(*map(int, row[:3])))
        for row in rows
    ]


def test_another_process_decodes_the_same(compact_streams: list[bytes]) -> None:
    elsewhere = decoded_elsewhere(compact_streams[:5])
    here = COMPACT.decode_batch(compact_streams[:5])
    assert [image.sha256() for image in elsewhere] == [image.sha256() for image in here]


def test_a_processor_with_fewer_instructions_arrives_at_the_same_latents(
    compact_streams: list[bytes],
) -> None:
    older = {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    }
    elsewhere = decoded_elsewhere(compact_streams[:5], **older)
    for image, other in zip(COMPACT.decode_batch(compact_streams[:5]), elsewhere, strict=True):
        # Floats that lie between two values of a pixel; the latents' checksum held.
        assert np.abs(image.pixels.astype(int) - other.pixels).max() <= 1


# Against compressai's own.


def whole(image: Image) -> torch.Tensor:
    pixels = torch.from_numpy(image.pixels.transpose(2, 0, 1).copy())
    return pixels[None].float() / 255


def psnr_db(image: Image, x: torch.Tensor) -> float:
    error = F.mse_loss(x, whole(image)).item()
    return float(-10 * np.log10(error))


@pytest.mark.parametrize("size", [(128, 192), (192, 64)])
def test_rate_and_quality_are_those_of_compressai(size: tuple[int, int]) -> None:
    image = networks.smooth(*size)
    config = read_config("mbt2018-compact")
    theirs = JointAutoregressiveHierarchicalPriors(config["N"], config["M"]).eval()
    theirs.load_state_dict(read_weights("mbt2018-compact"))
    with torch.no_grad():
        compressed = theirs.compress(whole(image))
        restored = theirs.decompress(compressed["strings"], compressed["shape"])["x_hat"]
    num_bytes = sum(len(string) for (string,) in compressed["strings"])
    data = COMPACT.encode(image)
    # Beyond 1%: the header, which compressai's strings lack.
    assert abs(len(data) - num_bytes) <= 0.01 * num_bytes + 12
    ours = whole(COMPACT.decode(data))
    # Symbols that lie halfway fall otherwise, and small images have few. On 14 crops of photographs
    # the mean difference was 0.015 dB, in our favour.
    assert psnr_db(image, ours) == pytest.approx(psnr_db(image, restored), abs=0.3)


def test_rate_of_a_long_stream_is_compressais(model: Any, coder: LatentImageCoder) -> None:
    image = networks.noise(256, 192)
    with torch.no_grad():
        compressed = model.compress(whole(image))
    num_bytes = sum(len(string) for (string,) in compressed["strings"])
    assert len(coder.encode([image])[0]) == pytest.approx(num_bytes, rel=0.01)
    assert num_bytes > 2000


# Damaged, foreign and hostile streams.


def test_every_truncation_is_noticed(compact_streams: list[bytes]) -> None:
    data = compact_streams[0]
    for length in range(len(data)):
        with pytest.raises(DecodingError):
            COMPACT.decode(data[:length])
    with pytest.raises(DecodingError):
        COMPACT.decode(data + b"\0")


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_every_flip_is_noticed(compact_streams: list[bytes], position: int, bit: int) -> None:
    data = bytearray(compact_streams[3])
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(DecodingError):
        COMPACT.decode(bytes(data))


def test_foreign_bytes_are_refused(coder: LatentImageCoder, compact_streams: list[bytes]) -> None:
    (other,) = coder.encode(IMAGES[:1])
    for data in (b"", b"Mc", b"\xff\xd8\xff\xe0" + bytes(50), other, compact_streams[0][::-1]):
        with pytest.raises(DecodingError):
            COMPACT.decode(data)
    with pytest.raises(DecodingError):
        COMPACT.decode(None)  # type: ignore[arg-type]


def test_a_damaged_stream_spoils_its_batch(compact_streams: list[bytes]) -> None:
    with pytest.raises(DecodingError):
        COMPACT.decode_batch([*compact_streams[:2], compact_streams[2][:-1]])


@pytest.mark.parametrize(
    ("height", "width"), [(10**9, 10**9), (0, 5), (5, 0), (2**13 + 1, 2**13), (1, 2**62)]
)
def test_sizes_that_are_never_coded_are_refused(height: int, width: int) -> None:
    data = pack(b"Mc", (height, width), bytes(range(200)))
    with pytest.raises(DecodingError, match="the header states"):
        COMPACT.decode(data)


def test_a_size_that_the_bytes_cannot_hold_is_refused() -> None:
    _, payload = unpack(b"Mc", 2, COMPACT.encode(IMAGES[0]), "x")
    with pytest.raises(DecodingError, match="cannot hold"):
        COMPACT.decode(pack(b"Mc", (8192, 8192), payload))


@given(payload=st.binary(max_size=400), height=st.integers(1, 200), width=st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_a_hostile_payload_under_a_right_checksum_is_refused(
    coder: LatentImageCoder, payload: bytes, height: int, width: int
) -> None:
    state = b"\xff" * 7 + b"\x7f"  # one that the range coder takes
    for stream in (payload, b"ab" + state + payload[: len(payload) // 4 * 4]):
        with pytest.raises(DecodingError):
            coder.decode([pack(b"Mt", (height, width), stream)])


def test_images_beyond_the_limit_are_refused() -> None:
    pixels = np.broadcast_to(np.zeros(3, np.uint8), (1, MAX_PIXELS // 64 + 1, 3))
    with pytest.raises(EncodingError, match="it codes up to"):
        COMPACT.encode(Image(pixels))


def test_other_numbers_in_the_entropy_model_are_noticed(coder: LatentImageCoder) -> None:
    streams = coder.encode(IMAGES[:3])
    other = networks.context_network()
    with torch.no_grad():
        other.entropy_parameters[4].bias.add_(0.01)
    with pytest.raises(DecodingError, match="where this was encoded"):
        networks.context_coder(other).decode(streams)


def test_the_checksum_itself_is_checked(coder: LatentImageCoder) -> None:
    (data,) = coder.encode(IMAGES[:1])
    sizes, payload = unpack(b"Mt", 2, data, "x")
    flipped = bytes([payload[0] ^ 1]) + payload[1:]
    with pytest.raises(DecodingError, match="checksum of the latents differs"):
        coder.decode([pack(b"Mt", sizes, flipped)])


# Weights.


def test_shipped_weights_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mpq_checks.shipped._sums", lambda: {"mbt2018-compact/model.safetensors": "0" * 64}
    )
    with pytest.raises(ModelError, match="SHA256SUMS pins"):
        read_weights("mbt2018-compact")


@pytest.fixture
def official(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dict[str, Any]], AssetServer]]:
    """Publishes a state dict as quality 1 on a local server, under the hash that it has."""
    server = AssetServer()
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("MPQ_OFFLINE", "MPQ_WEIGHTS_DIR"):
        monkeypatch.delenv(name, raising=False)

    def publish(state: dict[str, Any]) -> AssetServer:
        out = io.BytesIO()
        torch.save(state, out)
        data = out.getvalue()
        prefix = hashlib.sha256(data).hexdigest()[:8]
        filename = f"mbt2018-1-{prefix}.pth.tar"
        server.files[f"/{filename}"] = data
        asset = replace(
            load_manifest()["mbt2018-1"],
            sha256=prefix,
            filename=filename,
            sources=(UrlSource(f"{server.url}/{filename}"),),
        )
        manifest = {**load_manifest(), "mbt2018-1": asset}
        monkeypatch.setattr(assets, "load_manifest", lambda: manifest)
        monkeypatch.setattr(assets, "_checked", set())
        return server

    yield publish
    server.close()


def zoo_state() -> dict[str, Any]:
    """A state dict of quality 1 with the keys that the zoo's files have."""
    torch.manual_seed(0)
    model: Any = JointAutoregressiveHierarchicalPriors(192, 192)
    with torch.no_grad():
        model.g_a[6].weight.mul_(20)
        model.h_a[4].weight.mul_(20)
    model.update(force=True)
    return {f"module.{_old_key(key)}": value for key, value in model.state_dict().items()}


def _old_key(key: str) -> str:
    for new, old in (("matrices.", "_matrix"), ("biases.", "_bias"), ("factors.", "_factor")):
        key = key.replace(f"entropy_bottleneck.{new}", f"entropy_bottleneck.{old}")
    return key


def test_official_weights_come_from_their_address(
    official: Callable[[dict[str, Any]], AssetServer],
) -> None:
    codec = Mbt2018(quality=1)
    server = official(zoo_state())
    (asset,) = codec.assets()
    with pytest.raises(AssetMissingError):
        codec.identity()
    image = networks.smooth(70, 50)
    data = codec.encode(image)
    require_same_form(image, codec.decode(data))
    assert data != codec.encode(networks.smooth(70, 50, 1))
    (content,) = server.files.values()
    assert codec.identity()["weights_sha256"] == hashlib.sha256(content).hexdigest()
    assert assets.is_cached(asset)
    assert sum(server.requests.values()) == 1
    with pytest.raises(DecodingError):
        Mbt2018(weights="compact").decode(data)
    mbt2018._official_coder.cache_clear()


@pytest.mark.parametrize(
    "state",
    [
        {"weights": torch.zeros(3)},
        networks.context_network().state_dict(),
        {"g_a.0.weight": "text", "code": zlib.crc32},
    ],
    ids=["foreign", "other size", "pickled function"],
)
def test_a_file_of_another_form_is_refused(
    official: Callable[[dict[str, Any]], AssetServer], state: dict[str, Any]
) -> None:
    official(state)
    with pytest.raises(AssetCorruptError, match="mbt2018"):
        Mbt2018(quality=1).encode(networks.smooth(16, 16))
