"""HiFiC: real streams of the compact network that ships, and what settings there are.

The official metagraph has tests of its own, in test_codecs_tfci.py.
"""

import base64
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import latent_networks as networks
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mpq_checks import shipped
from mpq_checks.codecs import hific
from mpq_checks.codecs.base import BatchCodec
from mpq_checks.codecs.hific import HiFiC
from mpq_checks.codecs.mbt2018 import Mbt2018
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import CodecSettingError, DecodingError, ModelError, SignalError
from mpq_checks.signals import Audio, Image, require_same_form

COMPACT = HiFiC(weights="compact")
SEEDS = st.integers(0, 2**32 - 1)
SIZES = ((64, 64), (16, 16), (1, 70), (100, 150), (130, 65))
IMAGES = [networks.smooth(h, w, seed) for seed in range(4) for h, w in SIZES][:16]


@pytest.fixture(scope="module")
def streams() -> list[bytes]:
    return COMPACT.encode_batch(IMAGES)


@pytest.mark.parametrize(
    ("codec", "name"),
    [(HiFiC(), "hific-lo"), (HiFiC(quality="hi"), "hific-hi"), (COMPACT, "hific-compact")],
)
def test_names(codec: HiFiC, name: str) -> None:
    assert isinstance(codec, BatchCodec)
    assert codec.name == name
    assert codec.modality == "image"
    assert codec.nominal_rate is None
    assert codec.assets() == ()
    assert pickle.loads(pickle.dumps(codec)) == codec  # noqa: S301


@pytest.mark.parametrize(
    "setting",
    [{"quality": "medium"}, {"quality": "mi", "weights": "compact"}, {"weights": "small"}],
)
def test_other_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(CodecSettingError, match="HiFiC"):
        HiFiC(**setting)


def test_identity_tells_weights_and_libraries() -> None:
    identity = COMPACT.identity()
    assert identity["weights_sha256"] == shipped.weights_sha256("hific-compact")
    assert f"torch {torch.__version__}" in identity["library"]
    assert all(isinstance(value, str) for value in identity.values())


def test_nothing_heavy_is_imported_before_it_codes() -> None:
    code = (
        "import sys, mpq_checks.codecs.hific as h\n"
        "h.HiFiC(weights='compact').identity()\n"
        "print([x for x in ('torch', 'compressai', 'safetensors') if x in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_only_images_are_coded() -> None:
    with pytest.raises(SignalError, match="codes images"):
        COMPACT.encode(Audio(np.zeros((1, 8), np.float32), 8000))  # type: ignore[arg-type]


@given(height=st.integers(1, 140), width=st.integers(1, 140), seed=SEEDS, flat=st.booleans())
@settings(max_examples=8, deadline=None)
def test_any_size_and_content_keeps_its_form(
    height: int, width: int, seed: int, flat: bool
) -> None:
    image = networks.smooth(height, width, seed) if flat else networks.noise(height, width, seed)
    require_same_form(image, COMPACT.decode(COMPACT.encode(image)))


@given(seeds=st.tuples(SEEDS, SEEDS).filter(lambda pair: pair[0] != pair[1]))
@settings(max_examples=4, deadline=None)
def test_different_images_give_different_bytes(seeds: tuple[int, int]) -> None:
    first, second = (networks.smooth(96, 80, seed) for seed in seeds)
    one, other = COMPACT.encode_batch([first, second])
    assert one != other
    assert COMPACT.encode(Image(first.pixels.copy())) == one


def test_what_is_decoded_resembles_the_image(streams: list[bytes]) -> None:
    for image, decoded in zip(IMAGES, COMPACT.decode_batch(streams), strict=True):
        require_same_form(image, decoded)
        error = np.mean((image.pixels.astype(float) - decoded.pixels) ** 2)
        assert 10 * np.log10(255**2 / error) > 16


def test_a_batch_gives_what_each_image_gives_alone(streams: list[bytes]) -> None:
    assert [COMPACT.encode(image) for image in IMAGES[:5]] == streams[:5]
    assert COMPACT.encode_batch(IMAGES[5:8]) == streams[5:8]
    together = COMPACT.decode_batch(streams[:5])
    for stream, decoded in zip(streams[:5], together, strict=True):
        assert COMPACT.decode(stream).sha256() == decoded.sha256()


def test_threads_change_nothing(streams: list[bytes]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert COMPACT.encode_batch(IMAGES[:5]) == streams[:5]
    finally:
        torch.set_num_threads(threads)


def test_another_process_decodes_the_bytes_alone(streams: list[bytes]) -> None:
    code = (
        "import base64, sys\n"
        "from mpq_checks.codecs.hific import HiFiC\n"
        "data = base64.b64decode(sys.stdin.read())\n"
        "print(HiFiC(weights='compact').decode(data).sha256())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        input=base64.b64encode(streams[3]).decode(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == COMPACT.decode(streams[3]).sha256()


def test_damaged_and_foreign_streams_are_refused(streams: list[bytes]) -> None:
    stream = streams[0]
    for length in range(len(stream)):
        with pytest.raises(DecodingError):
            COMPACT.decode(stream[:length])
    foreign = Mbt2018(weights="compact").encode(IMAGES[0])
    with pytest.raises(DecodingError, match="not a stream of this codec"):
        COMPACT.decode(foreign)


def test_a_hostile_header_allocates_nothing(streams: list[bytes]) -> None:
    _, payload = unpack(b"Hc", 2, streams[0], "hific-compact")
    for size in ((10**9, 10**9), (0, 64), (8000, 8000)):
        with pytest.raises(DecodingError):
            COMPACT.decode(pack(b"Hc", size, payload))


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=20, deadline=None)
def test_a_changed_payload_under_a_right_checksum_is_noticed(position: int, bit: int) -> None:
    """The CRC of the header made anew: what is left is the checksum over the latents."""
    stream = COMPACT.encode(IMAGES[3])
    sizes, payload = unpack(b"Hc", 2, stream, "hific-compact")
    changed = bytearray(payload)
    changed[position % len(changed)] ^= 1 << bit
    forged = pack(b"Hc", sizes, bytes(changed))
    assert zlib.crc32(forged[6:]) == int.from_bytes(forged[2:6], "little")
    try:
        decoded = COMPACT.decode(forged)
    except DecodingError:
        return
    # Bits after the last symbol carry nothing.
    assert decoded.sha256() == COMPACT.decode(stream).sha256()


def test_weights_of_another_form_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hific._compact_coder.cache_clear()
    monkeypatch.setattr(hific, "read_config", lambda _: {"sizes": {"widths": [1, 2, 3, 4]}})
    try:
        with pytest.raises(ModelError, match=r"config\.json and model\.safetensors"):
            COMPACT.encode(IMAGES[0])
    finally:
        hific._compact_coder.cache_clear()
