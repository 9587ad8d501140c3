"""Spleeter against its U-Net written anew with torch's modules, and what its masks must do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpq_checks.assets import asset_path
from mpq_checks.datasets.music_mini import MusicMini
from mpq_checks.errors import ModelError, SignalError
from mpq_checks.metrics.sdr import sdr_db
from mpq_checks.models.spleeter import Spleeter
from mpq_checks.models.spleeter_unet import read_unet
from mpq_checks.signals import Audio

SAMPLE = "blue-sky-140"


@pytest.fixture(scope="module")
def separator() -> Any:
    return Spleeter().load("cpu")


def _mixture() -> Audio:
    signal = MusicMini().load(SAMPLE).signal
    assert isinstance(signal, Audio)
    return signal


def _excerpt(seconds: float) -> Audio:
    mixture = _mixture()
    return Audio(mixture.samples[:, : round(seconds * 44100)].copy(), 44100)


def _module_network(weights: Any) -> Any:
    """The published architecture as torch modules; takes the checkpoint's own tensors."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            down, up = [2, 16, 32, 64, 128, 256, 512], [512, 256, 128, 64, 32, 16, 1]
            for k in range(1, 7):
                conv = nn.Conv2d(down[k - 1], down[k], 5, 2)
                self.add_module(f"down{k}_conv", nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), conv))
                norm = nn.BatchNorm2d(down[k], eps=1e-3)
                self.add_module(f"down{k}_act", nn.Sequential(norm, nn.LeakyReLU(0.2)))
                back = nn.ConvTranspose2d(up[k - 1] * (1 if k == 1 else 2), up[k], 5, 2)
                crop = nn.ZeroPad2d((-1, -2, -1, -2))
                norm = nn.BatchNorm2d(up[k], eps=1e-3)
                self.add_module(f"up{k}", nn.Sequential(back, crop, nn.ReLU(), norm))
            last = nn.Conv2d(1, 2, 4, dilation=2, padding=3)
            self.add_module("up7", nn.Sequential(last, nn.Sigmoid()))

        def forward(self, x: Any) -> Any:
            raw, y = [], x
            for k in range(1, 7):
                raw.append(getattr(self, f"down{k}_conv")(y))
                y = getattr(self, f"down{k}_act")(raw[-1])
            y = self.up1(raw[5])
            for k in range(2, 7):
                y = getattr(self, f"up{k}")(torch.cat([raw[6 - k], y], 1))
            return self.up7(y) * x

    network = Network()
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing)
    assert not unexpected
    return network.eval()


@pytest.mark.assets
@pytest.mark.parametrize("stem", ["vocals", "accompaniment"])
def test_network_equals_the_architecture_in_modules(stem: str) -> None:
    import torch

    ours = read_unet(asset_path("spleeter-2stems") / f"{stem}.ckpt", "cpu")
    theirs = _module_network(ours._weights)
    mixture = torch.from_numpy(_mixture().samples)
    spectrum = torch.stft(mixture, 4096, 1024, window=torch.hann_window(4096), return_complex=True)
    magnitude = spectrum[:, :1024, :128].abs().transpose(1, 2)[None]
    with torch.no_grad():
        expected = theirs(magnitude)
        torch.testing.assert_close(ours(magnitude), expected, rtol=1e-4, atol=1e-4)
    assert 0.05 < float(expected.sum() / magnitude.sum()) < 0.95


@pytest.mark.assets
def test_separates_speech_from_music(separator: Any) -> None:
    sample = MusicMini().load(SAMPLE)
    stems = separator.separate(sample.signal)
    assert set(stems) == {"vocals", "accompaniment"}
    for name, other in (("vocals", "accompaniment"), ("accompaniment", "vocals")):
        own = sdr_db(sample.reference[name], stems[name])
        assert own == pytest.approx(12.0, abs=1.0)
        assert sdr_db(sample.reference[other], stems[name]) < 0


@pytest.mark.assets
@pytest.mark.parametrize("seconds", [1.0, 13.0])
def test_stems_share_out_the_mixture_below_11_khz(separator: Any, seconds: float) -> None:
    mixture = _excerpt(8.0)
    if seconds > 8:  # more than one segment
        samples = np.concatenate([mixture.samples] * 2, axis=1)[:, : round(seconds * 44100)]
        mixture = Audio(samples, 44100)
    else:
        mixture = _excerpt(seconds)
    stems = separator.separate(mixture)
    for stem in stems.values():
        assert stem.samples.shape == mixture.samples.shape
        assert stem.sample_rate == 44100
    rest = mixture.samples - stems["vocals"].samples - stems["accompaniment"].samples
    spectrum = np.abs(np.fft.rfft(rest * np.hanning(rest.shape[1]))) ** 2
    frequencies = np.fft.rfftfreq(rest.shape[1], 1 / 44100)
    low = spectrum[:, frequencies < 10_900].sum()
    assert low < 1e-6 * np.sum(np.abs(np.fft.rfft(mixture.samples)) ** 2)
    assert spectrum[:, frequencies > 11_100].sum() > low


@pytest.mark.assets
def test_segments_are_joined_in_order(separator: Any) -> None:
    # The second segment hears what the first one heard, 512 frames later.
    piece = _excerpt(8.0).samples[:, :262144]
    twice = np.concatenate([piece, piece, piece], axis=1)
    stems = separator.separate(Audio(twice, 44100))
    for stem in stems.values():
        first = stem.samples[:, 20_000:240_000]
        later = stem.samples[:, 20_000 + 524288 : 240_000 + 524288]
        assert np.corrcoef(first.ravel(), later.ravel())[0, 1] > 0.98


@pytest.mark.assets
def test_mono_other_rates_and_short_clips_keep_their_form(separator: Any) -> None:
    stereo = _excerpt(1.5)
    mono = Audio(stereo.samples[:1], 44100)
    slow = Audio(stereo.samples[:, ::2].copy(), 22050)
    single = Audio(np.full((1, 1), 0.25, np.float32), 48000)
    for mixture in (mono, slow, single):
        for stem in separator.separate(mixture).values():
            assert stem.samples.shape == mixture.samples.shape
            assert stem.sample_rate == mixture.sample_rate
    doubled = Audio(np.concatenate([mono.samples] * 2), 44100)
    expected = separator.separate(doubled)["vocals"].samples.mean(axis=0, keepdims=True)
    np.testing.assert_allclose(separator.separate(mono)["vocals"].samples, expected, atol=1e-6)


@pytest.mark.assets
def test_silence_stays_silent_and_surround_is_refused(separator: Any) -> None:
    silence = Audio(np.zeros((2, 44100), np.float32), 44100)
    for stem in separator.separate(silence).values():
        assert not stem.samples.any()
    with pytest.raises(SignalError, match="3 channels"):
        separator.separate(Audio(np.zeros((3, 4410), np.float32), 44100))


@pytest.mark.assets
def test_repeats_exactly(separator: Any) -> None:
    mixture = _excerpt(1.0)
    first, second = (separator.separate(mixture)["vocals"].samples for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.assets
def test_identity_and_assets() -> None:
    assert Spleeter().assets() == ("spleeter-2stems",)
    assert len(Spleeter().identity()["weights_sha256"]) == 64
    assert hash(Spleeter()) == hash(Spleeter())


def test_files_that_are_no_network_are_refused(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "vocals.ckpt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match=r"vocals\.ckpt"):
        read_unet(path, "cpu")
    torch.save({"down1_conv.1.weight": np.zeros((16, 2, 5, 5), np.float32)}, path)
    with pytest.raises(ModelError, match="is missing, misshapen"):
        read_unet(path, "cpu")


def test_a_checkpoint_with_code_is_not_run(tmp_path: Path) -> None:
    import torch

    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "harmed",))

    torch.save({"up7.0.bias": Harm()}, tmp_path / "vocals.ckpt")
    with pytest.raises(ModelError, match=r"vocals\.ckpt"):
        read_unet(tmp_path / "vocals.ckpt", "cpu")
    assert not (tmp_path / "harmed").exists()
