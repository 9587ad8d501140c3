"""MS-ILLM: with checkpoints saved from the real class where neuralcompression is installed."""

import importlib.util
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from asset_server import AssetServer, sha256

from mpq_checks.assets import unpinned
from mpq_checks.assets.unpinned import UnpinnedFile, download_unpinned, unpinned_path
from mpq_checks.cli import main
from mpq_checks.codecs import msillm
from mpq_checks.codecs.base import Codec
from mpq_checks.codecs.msillm import CHECKPOINTS, Msillm
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import (
    AssetCorruptError,
    AssetMissingError,
    CodecError,
    CodecSettingError,
    DecodingError,
    EncodingError,
    SignalError,
)
from mpq_checks.signals import Audio, Image

INSTALLED = importlib.util.find_spec("neuralcompression") is not None
needs_package = pytest.mark.skipif(
    not INSTALLED, reason='neuralcompression is not installed: pip install "mpq-checks[msillm]"'
)


def image(height: int, width: int, seed: int = 0) -> Image:
    y, x = np.mgrid[:height, :width]
    planes = [127 + 90 * np.sin(x / (9 + seed) + y / 20), 127 + 90 * np.cos(y / 17), (x + y) % 255]
    return Image(np.stack(planes, axis=-1).astype(np.uint8))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("MPQ_WEIGHTS_DIR", raising=False)
    return tmp_path


# The codec as data


def test_names_and_settings() -> None:
    assert isinstance(Msillm(), Codec)
    assert Msillm("vlo1").name == "msillm-vlo1"
    assert Msillm().assets() == ()
    assert [*CHECKPOINTS] == ["vlo1", "vlo2", "1", "2", "3", "4", "5", "6"]
    assert len({file.filename for file in CHECKPOINTS.values()}) == len(CHECKPOINTS)


@pytest.mark.parametrize("quality", ["0", "7", 3, None, "vlo3"])
def test_qualities_that_do_not_exist(quality: object) -> None:
    with pytest.raises(CodecSettingError, match="'vlo1'"):
        Msillm(quality)  # type: ignore[arg-type]


def test_without_the_package(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(empty_cache))
    (empty_cache / CHECKPOINTS["3"].filename).write_bytes(b"")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    data = pack(b"MI", (64, 64, 0, 4), b"12345678")
    for use in (
        Msillm().identity,
        lambda: Msillm().encode(image(8, 8)),
        lambda: Msillm().decode(data),
    ):
        with pytest.raises(CodecError, match=r"neuralcompression.*mpq-checks\[msillm\]"):
            use()


def test_without_a_checkpoint(empty_cache: Path) -> None:
    with pytest.raises(AssetMissingError, match=r"mpq fetch-official msillm-3`.*CC-BY-NC"):
        Msillm().encode(image(8, 8))


def test_what_cannot_be_coded() -> None:
    with pytest.raises(SignalError):
        Msillm().encode(Audio(np.zeros((1, 10), np.float32), 16_000))  # type: ignore[arg-type]
    with pytest.raises(EncodingError, match="pixels"):
        Msillm().encode(Image(np.broadcast_to(np.uint8(0), (2**13, 2**13, 3))))


def test_damaged_and_foreign_streams() -> None:
    data = pack(b"MI", (64, 64, 1, 4), b"12345678")
    for length in range(len(data)):
        with pytest.raises(DecodingError, match="msillm-3"):
            Msillm().decode(data[:length])
    for header in ((0, 64, 1, 4), (2**40, 2**40, 1, 4), (64, 64, 1, 0), (64, 64, 1, 8)):
        with pytest.raises(DecodingError, match="header"):
            Msillm().decode(pack(b"MI", header, b"12345678"))


# Files without a published hash


@pytest.fixture
def server() -> Iterator[AssetServer]:
    one = AssetServer()
    yield one
    one.close()


def file_at(server: AssetServer, content: bytes, max_bytes: int = 1000) -> UnpinnedFile:
    server.files["/file.ckpt"] = content
    return UnpinnedFile("a-file", "file.ckpt", f"{server.url}/file.ckpt", max_bytes, "CC0")


def test_a_download_is_recorded_and_kept(empty_cache: Path, server: AssetServer) -> None:
    file = file_at(server, b"weights")
    with pytest.raises(AssetMissingError, match=r"MPQ_WEIGHTS_DIR.*mpq fetch-official a-file"):
        unpinned_path(file)
    assert not server.requests
    assert download_unpinned(file) == sha256(b"weights")
    path = unpinned_path(file)
    assert path.read_bytes() == b"weights"
    record = json.loads(path.with_name("file.ckpt.json").read_text())
    assert record["url"] == file.url
    assert record["sha256"] == sha256(b"weights")
    assert record["num_bytes"] == 7
    server.files["/file.ckpt"] = b"other"
    assert download_unpinned(file) == sha256(b"weights")
    assert server.requests["/file.ckpt"] == 1


def test_a_cached_file_that_changed_is_refused(empty_cache: Path, server: AssetServer) -> None:
    file = file_at(server, b"weights")
    download_unpinned(file)
    path = unpinned_path(file)
    path.write_bytes(b"changed!")
    with pytest.raises(AssetCorruptError, match="as it was downloaded"):
        unpinned_path(file)
    path.with_name("file.ckpt.json").unlink()
    with pytest.raises(AssetCorruptError, match="record"):
        unpinned_path(file)


def test_a_local_file_comes_first(
    empty_cache: Path, server: AssetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_at(server, b"weights")
    download_unpinned(file)
    (empty_cache / "file.ckpt").write_bytes(b"mine")
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(empty_cache))
    assert unpinned_path(file) == empty_cache / "file.ckpt"
    assert unpinned.unpinned_sha256(file) == sha256(b"mine")


def test_downloads_that_fail_leave_nothing(
    empty_cache: Path, server: AssetServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssetCorruptError, match="larger"):
        download_unpinned(file_at(server, b"x" * 1001))
    server.files.clear()
    absent = UnpinnedFile("a-file", "file.ckpt", f"{server.url}/none", 10, "CC0")
    with pytest.raises(AssetMissingError, match="cannot be downloaded"):
        download_unpinned(absent)
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    with pytest.raises(AssetMissingError, match="downloads are off"):
        download_unpinned(absent)
    with pytest.raises(AssetMissingError):
        unpinned_path(absent)


def test_the_command(
    empty_cache: Path,
    server: AssetServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(CHECKPOINTS, "3", file_at(server, b"weights"))
    assert main(["fetch-official", "a-file"]) == 0
    shown = capsys.readouterr().out
    assert sha256(b"weights") in shown
    assert server.url in shown
    assert "CC0" in shown


# With neuralcompression


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the real class as state dicts, scaled so that latents are not zero."""
    from mpq_checks.torch_stack import prepare

    prepare()
    import torch

    with msillm._quiet():
        from neuralcompression.models import HiFiCAutoencoder

    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, quality in enumerate(("3", "4")):
        torch.manual_seed(seed)
        model = HiFiCAutoencoder()
        with torch.no_grad():
            model.encoder.blocks[-1].weight.mul_(20)
            model.hyper_analysis[-1].weight.mul_(20)
            model.hyper_synthesis_scale[-1].bias.fill_(3.0)
        model.update()
        torch.save(model.state_dict(), folder / CHECKPOINTS[quality].filename)
    return folder


@pytest.fixture
def local(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(checkpoints))
    return checkpoints


@needs_package
def test_real_bit_streams(local: Path) -> None:
    streams = set()
    for seed, (height, width) in enumerate([(16, 16), (64, 64), (65, 100), (17, 130)]):
        picture = image(height, width, seed)
        data = Msillm().encode(picture)
        assert Msillm().encode(picture) == data
        decoded = Msillm().decode(data)
        assert decoded.pixels.shape == picture.pixels.shape
        assert decoded.pixels.std() > 0
        streams.add(data)
    assert len(streams) == 4
    assert Msillm().encode(image(64, 64, 8)) != Msillm().encode(image(64, 64, 9))


@needs_package
def test_it_is_what_the_model_decompresses(local: Path) -> None:
    import torch
    from neuralcompression import HyperpriorCompressedOutput

    picture = image(70, 90)
    data = Msillm().encode(picture)
    (height, width, _, length), payload = unpack(b"MI", 4, data, "c")
    model = msillm._model(local / CHECKPOINTS["3"].filename)
    pixels = torch.from_numpy(picture.pixels.transpose(2, 0, 1).astype(np.float32) / 255)
    with torch.inference_mode():
        theirs = model.compress(pixels[None])
        decoded = model.decompress(
            HyperpriorCompressedOutput(
                [payload[length:]], [payload[:length]], (height, width), (128, 128)
            )
        )
    assert payload == theirs.hyper_latent_strings[0] + theirs.latent_strings[0]
    expected = (decoded[0] * 255).round().numpy().transpose(1, 2, 0)
    assert np.array_equal(Msillm().decode(data).pixels, expected)
    symbols, _ = msillm._latents(model, (payload[:length], payload[length:]), height, width)
    assert np.count_nonzero(symbols.numpy()) > 0.2 * symbols.numel()


@needs_package
def test_another_process_decodes(local: Path) -> None:
    data = Msillm().encode(image(40, 50))
    source = (
        "import sys\nfrom mpq_checks.codecs.msillm import Msillm\n"
        f"print(Msillm().decode(bytes.fromhex({data.hex()!r})).sha256())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == Msillm().decode(data).sha256()


@needs_package
def test_another_quality_and_other_latents_are_noticed(local: Path) -> None:
    data = Msillm().encode(image(64, 64))
    with pytest.raises(DecodingError, match="latents"):
        Msillm("4").decode(data)
    (height, width, checksum, length), payload = unpack(b"MI", 4, data, "c")
    forged = pack(b"MI", (height, width, checksum ^ 1, length), payload)
    with pytest.raises(DecodingError, match="latents"):
        Msillm().decode(forged)


@needs_package
def test_identity(local: Path) -> None:
    identity = Msillm().identity()
    path = local / CHECKPOINTS["3"].filename
    assert identity["weights_sha256"] == sha256(path.read_bytes())
    assert "neuralcompression 0.3" in identity["library"]


@needs_package
@pytest.mark.parametrize("content", [b"", b"text", "state", "pickle"])
def test_foreign_checkpoints(
    content: bytes | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    if content == "state":
        saved = io.BytesIO()
        torch.save({"encoder.weight": torch.zeros(3)}, saved)
        content = saved.getvalue()
    elif content == "pickle":
        saved = io.BytesIO()
        torch.save({"path": Path("x")}, saved)
        content = saved.getvalue()
    assert isinstance(content, bytes)
    (tmp_path / CHECKPOINTS["3"].filename).write_bytes(content)
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(AssetCorruptError, match=r"no checkpoint of MS-ILLM"):
        Msillm().encode(image(64, 64))
