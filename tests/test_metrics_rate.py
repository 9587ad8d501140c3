"""The rate against counts by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpq_checks.errors import MetricError
from mpq_checks.metrics.rate import BITS_PER_PIXEL, BITS_PER_SAMPLE, bits_per_unit, rate_metric
from mpq_checks.signals import Audio, Image

IMAGE = Image(np.zeros((20, 30, 3), np.uint8))
STEREO = Audio(np.zeros((2, 500), np.float32), 8000)


def test_counts_pixels_not_values() -> None:
    assert bits_per_unit(75, IMAGE) == 1.0


def test_counts_every_channel_of_audio() -> None:
    assert bits_per_unit(250, STEREO) == 2.0


@pytest.mark.parametrize(("signal", "nominal"), [(IMAGE, 24.0), (STEREO, 16.0)])
def test_nominal_rate_replaces_the_count(signal: Image | Audio, nominal: float) -> None:
    assert bits_per_unit(1, signal, nominal) == nominal


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**9), st.integers(1, 40), st.integers(1, 40))
def test_bytes_come_back_from_the_rate(num_bytes: int, height: int, width: int) -> None:
    image = Image(np.zeros((height, width, 3), np.uint8))
    assert bits_per_unit(num_bytes, image) * height * width / 8 == pytest.approx(num_bytes)


def test_negative_length_is_refused() -> None:
    with pytest.raises(MetricError, match="-1"):
        bits_per_unit(-1, IMAGE)


def test_metric_follows_the_modality() -> None:
    assert rate_metric("image") is BITS_PER_PIXEL
    assert rate_metric("audio") is BITS_PER_SAMPLE
    assert BITS_PER_PIXEL.drop(1.0, 1.5) == 0.5  # more bits are worse
