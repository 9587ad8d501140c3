"""PSNR against scikit-learn's mean squared error and values by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import PHOTOGRAPHS, jpeg, noisy, photograph, speech
from sklearn.metrics import mean_squared_error as sklearn_mse

from mpq_checks.errors import MetricError
from mpq_checks.metrics.psnr import PSNR_DB, psnr_db
from mpq_checks.signals import Audio, Image


@pytest.mark.assets
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_image_equals_an_independent_computation(name: str) -> None:
    image = photograph(name)
    decoded = jpeg(image, 5)
    mse = sklearn_mse(image.pixels.ravel().astype(float), decoded.pixels.ravel().astype(float))
    assert psnr_db(image, decoded) == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-9)
    assert 15 < psnr_db(image, decoded) < 35


@pytest.mark.assets
def test_audio_equals_an_independent_computation() -> None:
    audio = speech(2.0)
    decoded = noisy(audio, 0.01)
    mse = sklearn_mse(audio.samples[0].astype(float), decoded.samples[0].astype(float))
    assert psnr_db(audio, decoded) == pytest.approx(-10 * math.log10(mse), abs=1e-9)
    assert psnr_db(audio, decoded) == pytest.approx(40.0, abs=0.2)  # noise power 1e-4


@pytest.mark.assets
def test_falls_with_growing_distortion() -> None:
    image, audio = photograph(), speech(1.0)
    images = [psnr_db(image, jpeg(image, quality)) for quality in (95, 70, 40, 20, 10, 5, 2)]
    audios = [psnr_db(audio, noisy(audio, level)) for level in (1e-4, 1e-3, 1e-2, 1e-1)]
    assert images == sorted(images, reverse=True)
    assert audios == sorted(audios, reverse=True)


def test_black_against_white_is_zero() -> None:
    black, white = (Image(np.full((3, 5, 3), level, np.uint8)) for level in (0, 255))
    assert psnr_db(black, white) == psnr_db(white, black) == 0.0


def test_one_level_off_everywhere_is_the_peak() -> None:
    image = Image(np.arange(75, dtype=np.uint8).reshape(5, 5, 3))
    assert psnr_db(image, Image(image.pixels + np.uint8(1))) == pytest.approx(48.1308036, abs=1e-6)


def test_equal_signals_are_infinite() -> None:
    image = Image(np.full((1, 1, 3), 7, np.uint8))
    silence = Audio(np.zeros((2, 9), np.float32), 8000)
    assert psnr_db(image, Image(image.pixels.copy())) == math.inf
    assert psnr_db(silence, silence) == math.inf
    assert PSNR_DB.drop(math.inf, math.inf) == 0.0


def test_long_quiet_audio_keeps_its_precision() -> None:
    """A float32 sum over 5 million samples would stop growing."""
    samples = np.full((1, 5_000_000), 0.5, np.float32)
    off = Audio(samples + np.float32(2**-14), 48_000)
    assert psnr_db(Audio(samples, 48_000), off) == pytest.approx(280 * math.log10(2), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_is_symmetric_and_at_least_zero(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (Image(random.integers(0, 256, (height, width, 3), dtype=np.uint8)) for _ in range(2))
    assert psnr_db(a, b) == psnr_db(b, a) >= 0


@pytest.mark.parametrize(
    ("reference", "decoded", "said"),
    [
        (Image(np.zeros((4, 4, 3), np.uint8)), Image(np.zeros((4, 5, 3), np.uint8)), "shape"),
        (Audio(np.zeros((1, 9), np.float32), 8), Audio(np.zeros((2, 9), np.float32), 8), "shape"),
        (Audio(np.zeros((1, 9), np.float32), 8), Audio(np.zeros((1, 9), np.float32), 9), "Hz"),
        (Image(np.zeros((4, 4, 3), np.uint8)), Audio(np.zeros((1, 9), np.float32), 8), "Audio"),
    ],
)
def test_signals_of_other_form_are_refused(
    reference: Image | Audio, decoded: Image | Audio, said: str
) -> None:
    with pytest.raises(MetricError, match=said):
        psnr_db(reference, decoded)
