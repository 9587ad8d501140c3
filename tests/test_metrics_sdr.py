"""Signal-to-distortion ratios against museval and scipy, on real audio."""

import functools
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import noisy, speech

from mpq_checks.errors import MetricError
from mpq_checks.metrics.sdr import (
    EXACT,
    SDR_DB,
    decode_db,
    encode_db,
    framewise_sdr_db,
    magnitude_sdr_db,
    mean_db,
    sdr_db,
    stem_sdr_metric,
)
from mpq_checks.signals import Audio

_RATE = 22050


def _stereo(seconds: float, start: float) -> Audio:
    """Real speech, wider than mono: the right channel lags and is softer."""
    mono = speech(seconds, start=start).samples[0]
    right = 0.6 * np.roll(mono, 7)
    return Audio(np.stack([mono, right]).astype(np.float32), _RATE)


def _case(seconds: float = 2.6) -> tuple[dict[str, Audio], dict[str, Audio]]:
    """Two stems, and estimates that leak into each other and are noisy."""
    truth = {"vocals": _stereo(seconds, 0.4), "accompaniment": _stereo(seconds, 5.0)}
    a, b = (audio.samples for audio in truth.values())
    leaky = {
        "vocals": Audio((0.9 * a + 0.2 * b).astype(np.float32), _RATE),
        "accompaniment": Audio((0.1 * np.roll(a, 3, axis=1) + b).astype(np.float32), _RATE),
    }
    return truth, {name: noisy(audio, 0.004) for name, audio in leaky.items()}


@functools.cache
def _metrics() -> Any:
    """museval's `metrics.py` by its path: the package itself wants an ffmpeg on the PATH."""
    package = importlib.util.find_spec("museval")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "metrics.py"
    spec = importlib.util.spec_from_file_location("museval_metrics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _museval(
    references: dict[str, Audio], estimates: dict[str, Audio], window: float = 1.0, hop: float = 1.0
) -> Any:
    """SDR by stem and frame, of 1 s as `museval.evaluate` asks for it."""
    arrays = [
        np.stack([audio.samples.T.astype(np.float64) for audio in stems.values()])
        for stems in (references, estimates)
    ]
    return _metrics().bss_eval(
        *arrays, window=window * _RATE, hop=hop * _RATE, compute_permutation=False
    )[0]


@pytest.mark.assets
@pytest.mark.filterwarnings("ignore")
def test_frames_equal_museval() -> None:
    references, estimates = _case()
    expected = _museval(references, estimates)
    assert expected.shape == (2, 2)
    frames = framewise_sdr_db(references, estimates)
    np.testing.assert_allclose(list(frames.values()), expected, atol=1e-5)
    assert np.ptp(expected) > 1  # they are not all alike


@pytest.mark.assets
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seconds", [1.1, 2.0, 2.6])
def test_overlapping_frames_equal_museval(seconds: float) -> None:
    references, estimates = _case(seconds)
    expected = _museval(references, estimates, 1.0, 0.5)
    frames = framewise_sdr_db(references, estimates, window_seconds=1.0, hop_seconds=0.5)
    np.testing.assert_allclose(list(frames.values()), expected, atol=1e-5)


@pytest.mark.assets
@pytest.mark.filterwarnings("ignore")
def test_silent_frames_are_left_out_as_by_museval() -> None:
    references, estimates = _case(3.0)
    references["vocals"].samples[:, _RATE : 2 * _RATE] = 0
    # Opposite channels add up to nothing: that is silence for museval, too.
    estimates["vocals"].samples[1, 2 * _RATE :] = -estimates["vocals"].samples[0, 2 * _RATE :]
    expected = _museval(references, estimates)
    frames = framewise_sdr_db(references, estimates)
    assert np.isnan(expected).tolist() == [[False, True, True]] * 2
    for name, row in zip(references, expected, strict=True):
        assert frames[name][1:] == [None, None]
        assert frames[name][0] == pytest.approx(row[0], abs=1e-5)
        assert mean_db(frames[name]) == pytest.approx(np.nanmean(row), abs=1e-5)


@pytest.mark.assets
@pytest.mark.filterwarnings("ignore")
def test_a_short_clip_is_one_frame_as_by_museval() -> None:
    references, estimates = _case(0.7)
    expected = _museval(references, estimates)
    frames = framewise_sdr_db(references, estimates)
    np.testing.assert_allclose(list(frames.values()), expected, atol=1e-5)
    assert expected.shape == (2, 1)


@pytest.mark.assets
def test_magnitudes_equal_scipy_stft() -> None:
    references, estimates = _case()
    truth, guess = references["vocals"], estimates["vocals"]

    def spectrogram(audio: Audio) -> Any:
        window = np.hanning(2048)
        transform = scipy.signal.ShortTimeFFT(window, 512, _RATE)
        # Only frames that lie within the clip.
        first, last = 2, transform.upper_border_begin(audio.num_samples)[1]
        return np.abs(transform.stft(audio.samples.astype(np.float64), p0=first, p1=last))

    inner = (audio.samples.shape[1] // 512 * 512 for audio in (truth, guess))
    cut = [
        Audio(np.ascontiguousarray(audio.samples[:, :length]), _RATE)
        for audio, length in zip((truth, guess), inner, strict=True)
    ]
    s, e = (spectrogram(audio) for audio in cut)
    expected = 10 * np.log10(np.sum(s**2) / np.sum((s - e) ** 2))
    assert magnitude_sdr_db(*cut) == pytest.approx(expected, abs=0.02)


@pytest.mark.assets
def test_magnitudes_are_blind_to_phase_and_waveforms_are_not() -> None:
    audio = _stereo(1.5, 1.0)
    flipped = Audio(-audio.samples, _RATE)
    assert sdr_db(audio, flipped) == pytest.approx(-20 * math.log10(2))
    assert magnitude_sdr_db(audio, flipped) == math.inf
    shifted = Audio(np.roll(audio.samples, 64, axis=1), _RATE)
    assert magnitude_sdr_db(audio, shifted) > sdr_db(audio, shifted) + 10


@given(gain=st.floats(-3, 3).filter(lambda g: abs(g) > 1e-3))
@settings(deadline=None, max_examples=40)
def test_a_gain_gives_its_own_ratio(gain: float) -> None:
    rng = np.random.default_rng(1)
    truth = Audio(rng.normal(0, 0.1, (2, 3000)).astype(np.float32), 1000)
    scaled = Audio((truth.samples * np.float32(1 + gain)).astype(np.float32), 1000)
    expected = -20 * math.log10(abs(gain))
    assert sdr_db(truth, scaled) == pytest.approx(expected, abs=1e-2)
    assert magnitude_sdr_db(truth, scaled) >= sdr_db(truth, scaled) - 1e-6
    for value in framewise_sdr_db({"x": truth}, {"x": scaled})["x"]:
        assert value is None or value == pytest.approx(expected, abs=1e-2)


@pytest.mark.assets
@pytest.mark.parametrize("ratio", [sdr_db, magnitude_sdr_db])
def test_more_noise_gives_less(ratio: Any) -> None:
    audio = _stereo(1.5, 1.0)
    values = [ratio(audio, noisy(audio, level)) for level in (0.0005, 0.003, 0.02, 0.1)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 20


def test_silent_estimates_and_references() -> None:
    rng = np.random.default_rng(2)
    sound = Audio(rng.normal(0, 0.1, (1, 2500)).astype(np.float32), 1000)
    silence = Audio(np.zeros((1, 2500), np.float32), 1000)
    assert sdr_db(sound, silence) == pytest.approx(0.0)
    assert framewise_sdr_db({"x": sound}, {"x": silence}) == {"x": [None, None]}
    for ratio in (sdr_db, magnitude_sdr_db):
        assert ratio(sound, sound) == math.inf
        with pytest.raises(MetricError, match="silent"):
            ratio(silence, sound)


def test_other_forms_are_refused() -> None:
    one = Audio(np.ones((1, 100), np.float32), 1000)
    for other in (
        Audio(np.ones((2, 100), np.float32), 1000),
        Audio(np.ones((1, 99), np.float32), 1000),
        Audio(np.ones((1, 100), np.float32), 1001),
    ):
        with pytest.raises(MetricError, match="the reference 1 x 100 at 1000 Hz"):
            sdr_db(one, other)
        with pytest.raises(MetricError, match="sdr"):
            framewise_sdr_db({"x": one}, {"x": other})
    with pytest.raises(MetricError, match="gave no vocals, only drums"):
        framewise_sdr_db({"vocals": one}, {"drums": one})
    with pytest.raises(MetricError, match="no stems"):
        framewise_sdr_db({}, {})


@given(st.one_of(st.none(), st.just(math.inf), st.floats(-80, 120)))
def test_ratios_survive_json(value: float | None) -> None:
    encoded = encode_db(value)
    assert encoded is None or encoded == EXACT or isinstance(encoded, float)
    decoded = decode_db(encoded)
    assert decoded == (None if value is None else pytest.approx(value, abs=5.1e-5))


@pytest.mark.parametrize("value", ["inf", "12", math.nan, [], {}])
def test_foreign_values_are_refused(value: object) -> None:
    with pytest.raises(MetricError, match="statistics"):
        decode_db(value)


def test_means_leave_silence_out() -> None:
    assert mean_db([1.0, None, 4.0]) == 2.5
    assert mean_db([1.0, math.inf]) == math.inf
    assert mean_db([None]) is None
    assert mean_db([]) is None


def test_metrics() -> None:
    assert stem_sdr_metric("vocals").name == "vocals_sdr_db"
    assert SDR_DB.drop(10.0, 8.5) == pytest.approx(1.5)
    assert SDR_DB.drop(math.inf, math.inf) == 0
