"""EnCodec: the compact model that ships, and the official ones from files in their format."""

import pickle
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asset_server import AssetServer, sha256
from hypothesis import given, settings
from hypothesis import strategies as st

from mpq_checks import assets
from mpq_checks.assets.manifest import parse_manifest
from mpq_checks.codecs import Codec, encodec_codes, encodec_models
from mpq_checks.codecs import encodec as encodec_module
from mpq_checks.codecs.encodec import Encodec
from mpq_checks.codecs.encodec_codes import Shape, pack_codes, packed_size, unpack_codes
from mpq_checks.codecs.encodec_models import MODELS
from mpq_checks.codecs.one_thread import one_thread
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.datasets.files import read_audio
from mpq_checks.errors import (
    AssetCorruptError,
    AssetMissingError,
    CodecError,
    CodecSettingError,
    DecodingError,
    SignalError,
)
from mpq_checks.signals import Audio, Image, require_same_form
from mpq_checks.torch_stack import prepare

COMPACT = Encodec(6.0, "compact")
OFFICIAL: tuple[Any, ...] = ("24khz", "48khz")
HEADER_BYTES = 24  # at most, for mono


def voice(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> Audio:
    """Gliding harmonics in bursts: something that a model of speech has codes for."""
    rng = np.random.default_rng(seed)
    length = max(1, round(seconds * rate))
    time = np.arange(length) / rate
    pitch = 2 * np.pi * np.cumsum(130 + 40 * np.sin(2 * np.pi * (1 + seed % 3) * time)) / rate
    waves = [np.sin(n * pitch + rng.uniform(0, 6)) / n for n in range(1, 12)]
    mono = 0.2 * np.sum(waves, 0) * (0.3 + np.abs(np.sin(2 * np.pi * 3 * time)))
    noise = rng.normal(0, 0.01, (channels, length))
    pan = rng.uniform(0.4, 1, (channels, 1))
    return Audio((pan * mono + noise).astype(np.float32), rate)


def snr_db(original: Audio, decoded: Audio) -> float:
    noise = np.mean((original.samples - decoded.samples) ** 2)
    return float(10 * np.log10(np.mean(original.samples**2) / noise))


# Settings.


def test_it_is_a_codec_whose_name_has_the_setting() -> None:
    assert isinstance(COMPACT, Codec)
    assert COMPACT.name == "encodec-compact-6kbps"
    assert Encodec().name == "encodec-24khz-6kbps"
    assert Encodec(1.5, "compact").name == "encodec-compact-1.5kbps"
    assert Encodec(6, "48khz", entropy_coded=True).name == "encodec-48khz-6kbps-entropy"
    assert pickle.loads(pickle.dumps(COMPACT)) == COMPACT  # noqa: S301
    assert COMPACT.modality == "audio"
    assert COMPACT.nominal_rate is None
    with pytest.raises(FrozenInstanceError):
        COMPACT.model = "24khz"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5,), r"5; the model 24khz has 1\.5, 3, 6, 12, 24 kbps"),
        ((1.5, "48khz"), "the model 48khz has 3, 6, 12, 24 kbps"),
        ((12, "compact"), r"the model compact has 1\.5, 3, 6 kbps"),
        (("6",), "the model 24khz has"),
        ((True, "compact"), "the model compact has"),
        ((6, "44khz"), "there are 24khz, 48khz, compact"),
        ((6, "24khz", 1), "True or False"),
    ],
)
def test_settings_that_do_not_exist_are_told(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(CodecSettingError, match=message):
        Encodec(*arguments)


def test_only_official_models_need_assets() -> None:
    assert COMPACT.assets() == ()
    assert replace(COMPACT, entropy_coded=True).assets() == ()
    assert Encodec().assets() == ("encodec-24khz",)
    assert Encodec(6, "48khz", True).assets() == ("encodec-48khz", "encodec-48khz-lm")
    manifest = assets.load_manifest()
    for model in OFFICIAL:
        assert set(Encodec(6, model, True).assets()) <= set(manifest)


def test_identity_names_all_that_the_bytes_depend_on() -> None:
    identity = COMPACT.identity()
    weights = Path(encodec_models.__file__).parents[1] / "weights"
    stated = (weights / "SHA256SUMS").read_text()
    assert f"{identity['weights_sha256']}  encodec-compact/model.safetensors\n" in stated
    assert identity["bandwidth_kbps"] == "6"
    assert "encodec 0.1" in identity["library"]
    assert "soxr" in identity["resampler"]
    others = [Encodec(3, "compact"), Encodec(6, "compact", True)]
    assert all(other.identity() != identity for other in others)


def test_importing_is_light() -> None:
    code = (
        "import sys, mpq_checks.codecs.encodec\n"
        "print([m for m in ('torch', 'encodec', 'torchaudio', 'soxr') if m in sys.modules])"
    )
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# The compact model.


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kbps", [1.5, 3.0, 6.0])
def test_the_rate_is_the_bandwidth_in_all(kbps: float, channels: int) -> None:
    audio = voice(4.0, 16_000, channels)
    data = Encodec(kbps, "compact").encode(audio)
    content = kbps * 1000 * 4.0 / 8
    assert content < len(data) <= content + HEADER_BYTES + 4 * (channels - 1)


def test_the_compact_model_keeps_the_waveform_better_with_more_bits() -> None:
    audio = voice(2.0, 16_000)
    found = [
        snr_db(audio, codec.decode(codec.encode(audio)))
        for codec in (Encodec(kbps, "compact") for kbps in (1.5, 3.0, 6.0))
    ]
    assert found[0] > 0
    assert found[0] < found[1] < found[2]


def test_the_level_does_not_matter() -> None:
    loud = voice(1.0, 16_000)
    quiet = Audio(loud.samples * np.float32(2**-10), loud.sample_rate)
    found = [snr_db(each, COMPACT.decode(COMPACT.encode(each))) for each in (loud, quiet)]
    assert found[0] == pytest.approx(found[1], abs=0.5)


def test_stereo_keeps_its_sides() -> None:
    mono = voice(2.0, 16_000).samples[0]
    audio = Audio(np.stack([mono, 0.2 * mono]), 16_000)
    decoded = COMPACT.decode(COMPACT.encode(audio)).samples
    left, right = np.sqrt(np.mean(decoded**2, axis=1))
    assert 2.5 < left / right < 10


def test_equal_channels_spend_nothing_on_their_difference() -> None:
    mono = voice(1.0, 16_000)
    stereo = Audio(np.repeat(mono.samples, 2, axis=0), mono.sample_rate)
    data = COMPACT.encode(stereo)
    assert len(data) == len(COMPACT.encode(mono))
    decoded = COMPACT.decode(data)
    assert np.array_equal(decoded.samples[0], decoded.samples[1])
    assert np.array_equal(decoded.samples[:1], COMPACT.decode(COMPACT.encode(mono)).samples)


def test_silence_stays_silence() -> None:
    for channels in (1, 2):
        silence = Audio(np.zeros((channels, 5_000), np.float32), 22_050)
        decoded = COMPACT.decode(COMPACT.encode(silence))
        assert np.abs(decoded.samples).max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(
    length=st.one_of(st.integers(1, 700), st.integers(1, 9_000)),
    rate=st.sampled_from([1, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 768_000]),
    channels=st.integers(1, 2),
    kbps=st.sampled_from([1.5, 3.0, 6.0]),
    entropy_coded=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_length_rate_and_channel_count_comes_back(
    length: int, rate: int, channels: int, kbps: float, entropy_coded: bool, seed: int
) -> None:
    length = min(length, 5) if rate == 1 else length  # each of those samples lasts a second
    noise = np.random.default_rng(seed).normal(0, 0.1, (channels, length))
    audio = Audio(noise.astype(np.float32), rate)
    codec = Encodec(kbps, "compact", entropy_coded)
    data = codec.encode(audio)
    decoded = codec.decode(data)
    require_same_form(audio, decoded)
    assert codec.encode(audio) == data
    packed = len(Encodec(kbps, "compact").encode(audio))
    assert len(data) <= packed


def test_different_inputs_give_different_codes() -> None:
    streams = {COMPACT.encode(voice(0.5, 16_000, seed=seed)) for seed in range(5)}
    assert len(streams) == 5
    audio = voice(1.0, 16_000)
    _, body = unpack(b"ec", 5, COMPACT.encode(audio), "")
    (codes,) = unpack_codes(body[4:], [Shape(12, 50)])
    assert all(len(set(book.tolist())) > 10 for book in codes)


@pytest.mark.assets
def test_entropy_coding_of_speech_is_smaller_and_loses_nothing() -> None:
    audio = read_audio(assets.asset_path("ljspeech") / "wavs" / "LJ001-0002.wav")
    entropy = replace(COMPACT, entropy_coded=True)
    shorter, packed = entropy.encode(audio), COMPACT.encode(audio)
    assert len(shorter) < len(packed)
    for codec in (COMPACT, entropy):
        for data in (shorter, packed):
            assert np.array_equal(codec.decode(data).samples, COMPACT.decode(packed).samples)


def likely_codes(frames: int) -> np.ndarray:
    """Codes as often as they were counted in training."""
    rng = np.random.default_rng(3)
    counts = encodec_models.static_counts()
    return np.stack([rng.choice(1024, frames, p=row / row.sum()) for row in counts])


def test_likely_codes_take_fewer_bits() -> None:
    stretches = [likely_codes(100)[:10], likely_codes(100)[:2]]
    shapes = [Shape(10, 100), Shape(2, 100)]
    data = encodec_codes.coded("compact", stretches)
    assert len(data) < 0.98 * packed_size(shapes)
    again = encodec_codes.uncoded("compact", data, shapes, "x")
    assert all(map(np.array_equal, stretches, again))


def test_a_stream_of_another_bandwidth_decodes() -> None:
    audio = voice(0.5, 24_000, 2)
    data = Encodec(3, "compact").encode(audio)
    expected = Encodec(3, "compact").decode(data)
    assert np.array_equal(COMPACT.decode(data).samples, expected.samples)


def test_the_bytes_do_not_depend_on_threads() -> None:
    import torch

    audio = voice(1.5, 22_050, 2)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            data = COMPACT.encode(audio)
            found.append((data, COMPACT.decode(data).sha256()))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1


def test_another_process_decodes_the_same(tmp_path: Path) -> None:
    audio = voice(0.7, 44_100, 2)
    codec = replace(COMPACT, entropy_coded=True)
    (tmp_path / "stream").write_bytes(codec.encode(audio))
    code = (
        "import sys, pathlib\n"
        "from mpq_checks.codecs.encodec import Encodec\n"
        "data = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "print(Encodec(6.0, 'compact').decode(data).sha256())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "stream")],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == codec.decode(codec.encode(audio)).sha256()


def test_random_state_is_left_alone() -> None:
    import torch

    encodec_models.load_model.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    COMPACT.encode(voice(0.1, 16_000))
    assert torch.equal(torch.rand(1), expected)


def test_signals_it_cannot_code_are_told() -> None:
    with pytest.raises(SignalError, match="audio, not Image"):
        COMPACT.encode(Image(np.zeros((2, 2, 3), np.uint8)))  # type: ignore[arg-type]
    with pytest.raises(CodecSettingError, match="1 or 2 channels"):
        COMPACT.encode(Audio(np.zeros((3, 10), np.float32), 16_000))
    with pytest.raises(CodecSettingError, match="768000 Hz"):
        COMPACT.encode(Audio(np.zeros((1, 10), np.float32), 1_000_000))
    with pytest.raises(CodecSettingError, match="take 3 kbps or more for stereo"):
        Encodec(1.5).encode(Audio(np.zeros((2, 10), np.float32), 24_000))


# Damage.


@pytest.fixture(scope="module")
def streams() -> list[bytes]:
    packed = COMPACT.encode(voice(0.4, 16_000))
    integers, body = unpack(b"ec", 5, packed, "")
    by_entropy = body[:4] + encodec_codes.coded("compact", [likely_codes(20)])
    coded = pack(b"ec", (integers[0] | 1, *integers[1:]), by_entropy)
    require_same_form(COMPACT.decode(packed), COMPACT.decode(coded))
    return [packed, coded]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_truncated_and_corrupted_streams_are_refused(streams: list[bytes], data: Any) -> None:
    stream = data.draw(st.sampled_from(streams))
    position = data.draw(st.integers(0, len(stream) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                stream[:position],
                stream + b"\0" * (position + 1),
                stream[:position] + bytes([stream[position] ^ 0x11]) + stream[position + 1 :],
            ]
        )
    )
    with pytest.raises(DecodingError):
        COMPACT.decode(damaged)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    for wrapped in (data, b"ec" + data, pack(b"ec", (), data)):
        with pytest.raises(DecodingError):
            COMPACT.decode(wrapped)


def test_what_is_not_bytes_is_refused() -> None:
    with pytest.raises(DecodingError, match="not bytes"):
        COMPACT.decode("text")  # type: ignore[arg-type]


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("length", [0, 10**9, 1 << 62])
def test_giant_headers_cost_nothing(model: Any, length: int) -> None:
    started = time.monotonic()
    tracemalloc.start()
    try:
        for flags in (0, 1, 2, 3, 4, 5, 8, 9, 64, 1 << 60):
            for rate in (0, 1, 16_000, 768_000, 1 << 62):
                stream = pack(MODELS[model].magic, (flags, 1, rate, 1, length), bytes(19))
                with pytest.raises(DecodingError):
                    Encodec(6, model).decode(stream)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 5


def test_a_stream_of_other_weights_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data = COMPACT.encode(voice(0.2, 16_000))
    monkeypatch.setattr(encodec_module, "weights_sha256", lambda _: "f" * 64)
    with pytest.raises(DecodingError, match="other weights"):
        COMPACT.decode(data)


def test_codes_that_come_out_otherwise_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encodec_codes.coded("compact", [likely_codes(50)])
    counts = encodec_models.static_counts().copy()
    counts[:, ::2] *= 2
    monkeypatch.setattr(encodec_codes, "static_counts", lambda: counts)
    with pytest.raises(DecodingError, match="not those that were encoded"):
        encodec_codes.uncoded("compact", data, [Shape(12, 50)], "x")


def test_levels_that_are_no_numbers_are_refused() -> None:
    data = COMPACT.encode(voice(0.1, 16_000))
    integers, body = unpack(b"ec", 5, data, "")
    for level in (np.inf, np.nan):
        damaged = np.float32(level).tobytes() + body[4:]
        with pytest.raises(DecodingError, match="not finite"):
            COMPACT.decode(pack(b"ec", integers, damaged))


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 20)), min_size=1, max_size=4),
    seed=st.integers(0, 999),
)
def test_codes_pack_at_ten_bits(shapes: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    stretches = [rng.integers(0, 1024, shape) for shape in shapes]
    data = pack_codes(stretches)
    forms = [Shape(*shape) for shape in shapes]
    assert len(data) == packed_size(forms) == -(-10 * sum(s.size for s in stretches) // 8)
    for codes, again in zip(stretches, unpack_codes(data, forms), strict=True):
        assert np.array_equal(codes, again)


# The official models, with random weights of their size and format: they show how files,
# segments, levels and codes are handled, and nothing about quality.


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four official files, whose codes depend on the signal."""
    import torch

    prepare()
    from encodec.model import EncodecModel, LMModel

    folder = tmp_path_factory.mktemp("official")
    generator = torch.Generator().manual_seed(5)
    manifest = assets.load_manifest()
    for model in OFFICIAL:
        with torch.random.fork_rng(devices=[]), encodec_models._quiet_weight_norm():
            torch.manual_seed(1)
            network = getattr(EncodecModel, f"encodec_model_{model}")(pretrained=False)
            language = LMModel(
                network.quantizer.n_q,
                1024,
                num_layers=5,
                dim=200,
                past_context=int(3.5 * network.frame_rate),
            )
        _spread_codebooks(network, generator)
        with torch.no_grad():
            for linear in language.linears:  # some codes likelier than others
                linear.bias.copy_(3 * torch.randn(1024, generator=generator))
        torch.save(network.state_dict(), folder / str(manifest[f"encodec-{model}"].filename))
        torch.save(language.state_dict(), folder / str(manifest[f"encodec-{model}-lm"].filename))
    return folder


def _spread_codebooks(network: Any, generator: Any) -> None:
    """Codebooks as wide as what is left of the latents: all would be zero otherwise."""
    import torch

    audio = voice(1.0, network.sample_rate, network.channels)
    with torch.inference_mode():
        latents = network.encoder(torch.from_numpy(audio.samples)[None] / 0.3)[0].T
    residual = latents.clone()
    for layer in network.quantizer.vq.layers:
        book = layer._codebook
        spread = torch.randn(1024, latents.shape[1], generator=generator)
        embed = residual.mean(0) + spread * residual.std(0) * 0.7
        book.embed.copy_(embed)
        book.inited.fill_(1)
        residual = residual - embed[torch.cdist(residual, embed).argmin(1)]


@pytest.fixture
def official(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files in MPQ_WEIGHTS_DIR, and their hashes in the manifest."""
    _pin(checkpoints, monkeypatch, "https://example.org")
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(checkpoints))
    _forget()
    yield checkpoints
    _forget()


def _forget() -> None:
    encodec_models.load_model.cache_clear()
    encodec_models.load_language_model.cache_clear()


def _pin(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    tables = ["[archives]"]
    for asset in assets.load_manifest().values():
        if asset.name.startswith("encodec-"):
            data = (folder / str(asset.filename)).read_bytes()
            tables.append(
                f'[assets.{asset.name}]\nabout = "x"\nlicence = "x"\norigin = "x"\n'
                f'filename = "{asset.filename}"\nmax_bytes = 200000000\n'
                f'sha256_prefix = "{sha256(data)[:8]}"\n'
                f'[[assets.{asset.name}.sources]]\nurl = "{url}/{asset.filename}"'
            )
    manifest = parse_manifest("\n".join(tables))
    monkeypatch.setattr(assets, "load_manifest", lambda: manifest)
    monkeypatch.setattr(assets, "_checked", set())


@pytest.mark.parametrize("model", OFFICIAL)
def test_the_stated_numbers_are_those_of_the_package(model: Any, official: Path) -> None:
    spec, network = MODELS[model], encodec_models.load_model(model)
    assert network.sample_rate == spec.sample_rate
    assert network.channels == spec.channels
    assert network.encoder.hop_length == spec.hop
    assert network.frame_rate == spec.frame_rate
    assert network.normalize == spec.normalised
    assert (network.segment_length or 0) == spec.segment
    assert (network.segment_stride or 0) == spec.stride
    assert network.quantizer.bins == encodec_models.BINS
    assert list(spec.codebooks) == network.target_bandwidths
    for kbps, count in spec.codebooks.items():
        assert count == network.quantizer.get_num_quantizers_for_bandwidth(network.frame_rate, kbps)


@pytest.mark.parametrize("model", OFFICIAL)
def test_codes_and_sound_are_those_of_the_package(model: Any, official: Path) -> None:
    import torch

    spec, network = MODELS[model], encodec_models.load_model(model)
    audio = voice(1.3, spec.sample_rate, spec.channels)
    codec = Encodec(6, model)
    data = codec.encode(audio)
    network.set_target_bandwidth(6.0)
    with one_thread():
        frames = network.encode(torch.from_numpy(audio.samples)[None])
        expected = network.decode(frames)[0, :, : audio.num_samples].numpy()
    _, body = unpack(spec.magic, 5, data, "")
    codes = [each[0].numpy() for each, _ in frames]
    levels = [float(scale) for _, scale in frames if scale is not None]
    levels_size = 4 * len(levels)
    assert np.array_equal(np.frombuffer(body[:levels_size], "<f4"), np.float32(levels))
    assert body[levels_size:] == pack_codes(codes)
    assert all(len(set(book.tolist())) > 5 for book in codes[0])
    assert np.array_equal(codec.decode(data).samples, expected)
    content = 6000 * 1.3 / 8
    assert content - 3 <= len(data) <= content * 1.02 + HEADER_BYTES + levels_size


@pytest.mark.parametrize("model", OFFICIAL)
@pytest.mark.parametrize(
    ("length", "rate", "channels"),
    [(1, 16_000, 1), (1, 44_100, 2), (319, 24_000, 1), (321, 48_000, 2), (47_521, 48_000, 2)],
)
def test_official_models_give_every_form_back(
    model: Any, length: int, rate: int, channels: int, official: Path
) -> None:
    audio = voice(length / rate, rate, channels)
    assert audio.num_samples == length
    codec = Encodec(3, model)
    data = codec.encode(audio)
    require_same_form(audio, codec.decode(data))
    assert codec.encode(audio) == data
    other = Audio(-audio.samples[:, ::-1].copy(), rate)
    assert length < 1000 or codec.encode(other) != data


@pytest.mark.parametrize("model", OFFICIAL)
def test_the_language_model_codes_without_loss(
    model: Any, official: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = MODELS[model]
    codec, packed = Encodec(3, model, entropy_coded=True), Encodec(3, model)
    rng = np.random.default_rng(2)
    language = encodec_models.load_language_model(model)
    # Codes that the language model expects: random weights do not know those of sounds.
    likely = [linear.bias.topk(40).indices.numpy() for linear in language.linears[:4]]
    stretches = [np.stack([rng.choice(each, 20) for each in likely]) for _ in range(2)]
    shapes = [Shape(4, 20)] * 2
    data = encodec_codes.coded(model, stretches)
    assert len(data) < packed_size(shapes)
    again = encodec_codes.uncoded(model, data, shapes, "x")
    assert all(map(np.array_equal, stretches, again))
    for damaged in (data[:3], data[:10], data[:5] + bytes([data[5] ^ 1]) + data[6:]):
        with pytest.raises(DecodingError):
            encodec_codes.uncoded(model, damaged, shapes, "x")

    audio = voice(0.3, spec.sample_rate, spec.channels)
    stream = codec.encode(audio)
    assert len(stream) <= len(packed.encode(audio))
    assert np.array_equal(codec.decode(stream).samples, packed.decode(packed.encode(audio)).samples)
    assert codec.identity()["language_model_sha256"] == sha256(
        assets.asset_path(f"encodec-{model}-lm").read_bytes()
    )


def test_official_bytes_do_not_depend_on_threads(official: Path) -> None:
    import torch

    audio, before = voice(0.6, 24_000), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(Encodec().encode(audio))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_identity_has_the_whole_hash_of_the_checkpoint(official: Path) -> None:
    path = assets.asset_path("encodec-24khz")
    assert path.parent == official
    assert Encodec().identity()["weights_sha256"] == sha256(path.read_bytes())


def test_a_checkpoint_comes_from_its_official_address(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = AssetServer()
    try:
        monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("MPQ_WEIGHTS_DIR", raising=False)
        monkeypatch.delenv("MPQ_OFFLINE", raising=False)
        _pin(checkpoints, monkeypatch, server.url)
        _forget()
        filename = "encodec_24khz-d7cc33bc.th"
        audio = voice(0.1, 24_000)
        with pytest.raises(AssetMissingError, match="MPQ_WEIGHTS_DIR"):
            Encodec().encode(audio)
        server.files[f"/{filename}"] = (checkpoints / filename).read_bytes()
        require_same_form(audio, Encodec().decode(Encodec().encode(audio)))
        assert server.requests[f"/{filename}"] == 2
    finally:
        server.close()
        _forget()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps({"a": 1})])
def test_a_file_that_is_no_checkpoint_is_told(
    content: bytes, checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in checkpoints.iterdir():
        (tmp_path / path.name).write_bytes(content)
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(tmp_path))
    _forget()
    with pytest.raises(AssetCorruptError, match="Put the official file into"):
        Encodec().encode(voice(0.1, 24_000))
    _pin(tmp_path, monkeypatch, "https://example.org")
    with pytest.raises(CodecError, match="not a checkpoint of EncodecModel"):
        Encodec().encode(voice(0.1, 24_000))
    _forget()


def test_a_checkpoint_of_another_model_is_told(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in checkpoints.iterdir():
        other = path.name.replace("24khz-d7cc33bc", "48khz-7e698e3e")
        (tmp_path / path.name).write_bytes((checkpoints / other).read_bytes())
    monkeypatch.setenv("MPQ_WEIGHTS_DIR", str(tmp_path))
    _pin(tmp_path, monkeypatch, "https://example.org")
    _forget()
    with pytest.raises(CodecError, match="not a checkpoint of EncodecModel"):
        Encodec().encode(voice(0.1, 24_000))
    _forget()
