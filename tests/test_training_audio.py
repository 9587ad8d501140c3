"""What the compact EnCodec learned from is not what it is measured on."""

import hashlib
import math
import tomllib
from pathlib import Path

import numpy as np
import pytest

from mpq_checks.assets import asset_path
from mpq_checks.torch_stack import prepare

TRAINING = Path(__file__).resolve().parent.parent / "training"
EVALUATED = ("ljspeech", "midi-multitrack", "general-midi-soundfont", "musdb-excerpt")


@pytest.fixture(autouse=True)
def _training_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TRAINING))


def trained_on() -> dict[str, str]:
    lines = (TRAINING / "splits" / "encodec-train.txt").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_the_list_holds_the_sounds_of_every_archive() -> None:
    listed = trained_on()
    assert len(listed) > 3000
    suffixes = [Path(name).suffix for name in listed.values()]
    assert set(suffixes) == {".g722", ".mid", ".flac", ".sf2"}
    assert suffixes.count(".sf2") == 1
    tables = tomllib.loads((TRAINING / "audio_sources.toml").read_text())
    for table in tables.values():
        assert set(table) == {"kind", "version", "filename", "sha256", "num_bytes", "licence"}
        assert len(table["sha256"]) == 64


@pytest.mark.assets
@pytest.mark.parametrize("name", EVALUATED)
def test_no_file_of_the_evaluation_was_trained_on(name: str) -> None:
    path = asset_path(name)
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    evaluated = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    assert evaluated
    assert not evaluated & set(trained_on())


def test_held_out_files_are_chosen_by_content() -> None:
    from audio_data import is_held_out

    share = np.mean([is_held_out(bytes([a, b])) for a in range(64) for b in range(64)])
    assert 0.005 < share < 0.03


def test_crops_have_one_level_and_follow_the_seed() -> None:
    from audio_data import crops

    rng = np.random.default_rng(0)
    speech, music = (rng.normal(0, 3000, 50_000).astype(np.int16) for _ in range(2))
    first = crops(np.random.default_rng(4), speech, music, 30, 3200)
    assert first.shape == (30, 3200)
    assert first.dtype == np.float32
    level = 20 * np.log10(np.sqrt(np.mean(first**2, axis=1)))
    assert -26 < level.min() < level.max() < 9
    assert np.array_equal(first, crops(np.random.default_rng(4), speech, music, 30, 3200))


def test_the_network_begins_as_a_transform_that_keeps_low_sounds() -> None:
    import torch

    prepare()
    from encodec_initial import start_as_transform
    from encodec_network import SETTINGS, Network

    torch.manual_seed(0)
    with pytest.warns(FutureWarning, match="weight_norm"):
        network = Network()
    time = torch.arange(12_800) / SETTINGS["sample_rate"]
    pitches = torch.arange(100, 500, 10).unsqueeze(1)
    waves = torch.sin(2 * math.pi * pitches * time).unsqueeze(1)
    noise = torch.randn(waves.shape) * 0.05
    slope = SETTINGS["activation_params"]["negative_slope"]
    start_as_transform(network.encoder, network.decoder, waves + noise, slope)
    with torch.no_grad():
        latents = network.encoder(waves)
        again = network.decoder(latents)
    assert latents.shape == (40, SETTINGS["dimension"], 40)
    inner = slice(1000, -1000)
    error = (again - waves)[..., inner].pow(2).mean() / waves.pow(2).mean()
    assert error < 0.1


def test_codebooks_come_from_the_vectors_and_dead_codes_are_replaced() -> None:
    import torch

    prepare()
    from encodec.quantization.vq import ResidualVectorQuantizer
    from encodec_network import revive_codes, start_codebooks

    torch.manual_seed(0)
    quantizer = ResidualVectorQuantizer(
        dimension=4, n_q=3, bins=64, kmeans_init=False, threshold_ema_dead_code=0
    )
    vectors = torch.randn(2000, 4)
    start_codebooks(quantizer, vectors)
    codes = quantizer.vq.encode(vectors.T.unsqueeze(0))
    error = (quantizer.decode(codes)[0].T - vectors).pow(2).mean()
    assert error < 0.02
    book = quantizer.vq.layers[1]._codebook
    book.cluster_size[:5] = 0.0
    book.embed[:5] = 100.0
    assert revive_codes(quantizer, vectors, np.random.default_rng(0)) == 5
    assert book.embed.abs().max() < 10
    assert torch.allclose(book.embed_avg[:5] / book.cluster_size[:5, None], book.embed[:5])
