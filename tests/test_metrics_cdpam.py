"""CDPAM against the cdpam package itself. The network is slow: windows are short."""

import functools
import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest
import soxr
from metric_cases import noisy, speech

from mpq_checks.assets import asset_path
from mpq_checks.errors import MetricError
from mpq_checks.metrics.base import PerceptualDistance
from mpq_checks.metrics.cdpam import CDPAM, Cdpam, loudest_window
from mpq_checks.signals import Audio, Image


@pytest.fixture(scope="module")
def tenth() -> PerceptualDistance:
    """CDPAM of the loudest 0.1 s."""
    return Cdpam(0.1).load("cpu")


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The cdpam package, with the modules it forgets to declare and the numpy it was made for."""
    import torch

    librosa = types.ModuleType("librosa")
    librosa.load = lambda samples, sr: (samples, sr)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "librosa", librosa)
    monkeypatch.setitem(sys.modules, "resampy", types.ModuleType("resampy"))
    monkeypatch.setattr(np, "float", float, raising=False)
    # The file is pinned by its hash.
    asset_path("cdpam")
    monkeypatch.setattr(torch, "load", functools.partial(torch.load, weights_only=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cdpam
    yield cdpam
    for name in [name for name in sys.modules if name.split(".")[0] == "cdpam"]:
        del sys.modules[name]


@pytest.mark.assets
def test_equals_the_package(package: Any) -> None:
    theirs = package.CDPAM(dev="cpu")
    ours = Cdpam(None).load("cpu")
    reference = speech(0.3, start=1.0)
    for decoded in (noisy(reference, 0.003), noisy(reference, 0.1)):
        arrays = [package.load_audio(audio.samples[0]) for audio in (reference, decoded)]
        expected = float(theirs.forward(*arrays).detach())
        assert expected > 0.01
        for _ in range(2):  # computed, and from what is remembered of the reference
            assert ours.distance(reference, decoded) == pytest.approx(expected, abs=1e-5)


@pytest.mark.assets
def test_judges_the_loudest_window_of_the_reference(tenth: PerceptualDistance) -> None:
    whole = speech(1.5)
    decoded = noisy(whole, 0.02)
    start, stop = loudest_window(whole.samples[0], 2205)
    cuts = [Audio(audio.samples[:, start:stop], 22_050) for audio in (whole, decoded)]
    assert tenth.distance(whole, decoded) == pytest.approx(tenth.distance(*cuts), abs=1e-6)


@pytest.mark.assets
def test_form_of_the_audio_hardly_matters(tenth: PerceptualDistance) -> None:
    """The same sound as 44.1 kHz stereo."""
    reference = speech(0.6)
    decoded = noisy(reference, 0.02)

    def stereo(audio: Audio) -> Audio:
        upsampled = soxr.resample(audio.samples[0], 22_050, 44_100).astype(np.float32)
        return Audio(np.stack([upsampled * np.float32(1.5), upsampled * np.float32(0.5)]), 44_100)

    expected = tenth.distance(reference, decoded)
    assert tenth.distance(stereo(reference), stereo(decoded)) == pytest.approx(expected, rel=0.1)


@pytest.mark.assets
def test_grows_with_distortion(tenth: PerceptualDistance) -> None:
    audio = speech(0.5)
    values = [tenth.distance(audio, noisy(audio, level)) for level in (3e-4, 3e-3, 3e-2, 0.2)]
    assert values == sorted(values)
    assert values[0] > 0
    assert CDPAM.drop(values[0], values[-1]) > 0  # a larger distance is worse


@pytest.mark.assets
def test_equal_audio_is_exactly_zero_and_costs_nothing(tenth: Any) -> None:
    audio = speech(0.3)
    passes = []
    hook = tenth._network.base_encoder.register_forward_hook(lambda *_: passes.append(1))
    try:
        assert tenth.distance(audio, Audio(audio.samples.copy(), audio.sample_rate)) == 0.0
    finally:
        hook.remove()
    assert passes == []


@pytest.mark.assets
def test_each_reference_is_embedded_once(tenth: Any) -> None:
    audio = speech(0.2, start=2.0)
    passes = []
    hook = tenth._network.base_encoder.register_forward_hook(lambda *_: passes.append(1))
    try:
        for level in (0.01, 0.02):
            tenth.distance(audio, noisy(audio, level))
    finally:
        hook.remove()
    assert len(passes) == 1 + 2


@pytest.mark.assets
@pytest.mark.parametrize("seconds", [0.05, 0.08])
def test_audio_shorter_than_the_window_is_taken_whole(
    tenth: PerceptualDistance, seconds: float
) -> None:
    audio = speech(seconds, start=1.0)
    assert tenth.distance(audio, noisy(audio, 0.05)) > 0


@pytest.mark.assets
def test_silence_has_a_distance(tenth: PerceptualDistance) -> None:
    silence = Audio(np.zeros((2, 3000), np.float32), 16_000)
    assert tenth.distance(silence, silence) == 0.0
    hum = Audio(silence.samples + np.float32(0.01), 16_000)
    assert np.isfinite(tenth.distance(silence, hum))
    assert np.isfinite(tenth.distance(hum, silence))


@pytest.mark.assets
@pytest.mark.parametrize(
    ("reference", "decoded", "said"),
    [
        (Audio(np.zeros((1, 99), np.float32), 8000), None, "shorter than 0.05 s"),
        (
            Audio(np.zeros((1, 900), np.float32), 8000),
            Audio(np.zeros((1, 901), np.float32), 8000),
            "shape",
        ),
        (
            Audio(np.zeros((1, 900), np.float32), 8000),
            Audio(np.zeros((1, 900), np.float32), 8001),
            "Hz",
        ),
        (Image(np.zeros((9, 9, 3), np.uint8)), None, "Image"),
    ],
)
def test_bad_input_is_refused(
    tenth: PerceptualDistance,
    reference: Audio | Image,
    decoded: Audio | Image | None,
    said: str,
) -> None:
    with pytest.raises(MetricError, match=said):
        tenth.distance(reference, decoded if decoded is not None else reference)


def test_loudest_window_lies_on_the_burst() -> None:
    mono = np.full(50_000, 0.01, np.float32)
    mono[31_000:33_000] = 0.5
    start, stop = loudest_window(mono, 10_000)
    assert stop - start == 10_000
    assert start <= 31_000
    assert stop >= 33_000
    assert start % 1000 == 0


def test_loudest_window_reaches_the_end_and_ties_go_to_the_first() -> None:
    mono = np.zeros(12_345, np.float32)
    assert loudest_window(mono, 1000) == (0, 1000)
    mono[-1] = 1.0
    assert loudest_window(mono, 1000) == (11_345, 12_345)
    assert loudest_window(mono, 20_000) == (0, 12_345)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.01, float("inf"), float("nan")])
def test_windows_that_cannot_be_are_refused(seconds: float) -> None:
    with pytest.raises(MetricError, match="window_seconds"):
        Cdpam(seconds)


@pytest.mark.assets
def test_identity_names_weights_and_window() -> None:
    assert Cdpam().identity() != Cdpam(None).identity()
    assert len(Cdpam().identity()["weights_sha256"]) == 64
    assert Cdpam().metric.name == "cdpam"
    assert len({Cdpam(), Cdpam(1.0), Cdpam(2.0)}) == 2
