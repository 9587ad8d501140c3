"""A tally aggregates any resample exactly, and knows what each sample has to do with it."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from mpq_checks.errors import MetricError
from mpq_checks.metrics.classification import auc_tally, top1_tally
from mpq_checks.metrics.segmentation import mean_iou_tally
from mpq_checks.metrics.tally import Tally, mean_tally, ratio_tally
from mpq_checks.metrics.wer import wra_tally

RANDOM = np.random.default_rng(7)
N = 24
WORDS = RANDOM.integers(5, 20, N)
ERRORS = RANDOM.poisson(2, N)
HITS = RANDOM.integers(0, 50, (N, 3))
UNIONS = HITS + RANDOM.integers(0, 50, (N, 3))
SCORES = np.round(RANDOM.normal(size=N), 1)
LABELS = (SCORES + RANDOM.normal(size=N) > 0).astype(int)
CORRECT = RANDOM.integers(0, 2, N)
NLL = RANDOM.gamma(1.0, size=N)

MAKERS = {
    "mean": lambda rows: mean_tally(NLL[rows].tolist(), "nll"),
    "top1": lambda rows: top1_tally(CORRECT[rows].tolist()),
    "wra": lambda rows: wra_tally(ERRORS[rows].tolist(), WORDS[rows].tolist()),
    "token_nll": lambda rows: ratio_tally(NLL[rows].tolist(), WORDS[rows].tolist(), "token_nll"),
    "mean_iou": lambda rows: mean_iou_tally(HITS[rows].tolist(), UNIONS[rows].tolist()),
    "auc": lambda rows: auc_tally(SCORES[rows].tolist(), LABELS[rows].tolist()),
}
EACH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
ALL = np.arange(N)


@EACH
@settings(deadline=None, max_examples=30)
@given(rows=hnp.arrays(np.intp, N, elements=st.integers(0, N - 1)))
def test_a_resample_equals_the_aggregate_of_its_samples(make, rows):
    assume(len(set(LABELS[rows])) == 2)
    counts = np.bincount(rows, minlength=N)[None, :].astype(float)
    assert make(ALL).resampled(counts)[0] == pytest.approx(make(rows).value(), rel=1e-12)


@EACH
def test_influence_is_the_derivative_by_a_sample_s_weight(make):
    tally: Tally = make(ALL)
    influence = tally.influence()
    step = 1e-6
    weights = 1.0 + step * np.eye(N)
    slopes = (tally.resampled(weights) - tally.value()) / step * N
    assert influence == pytest.approx(slopes, abs=2e-4)
    assert influence.mean() == pytest.approx(0, abs=1e-9)


@EACH
def test_the_value_does_not_depend_on_the_order(make):
    assert make(ALL).value() == make(ALL[::-1]).value()


def test_auc_of_a_resample_equals_scikit_learn():
    rows = RANDOM.integers(0, N, N)
    counts = np.bincount(rows, minlength=N)[None, :].astype(float)
    expected = roc_auc_score(LABELS[rows], SCORES[rows])
    assert MAKERS["auc"](ALL).resampled(counts)[0] == pytest.approx(expected, abs=1e-12)


def test_auc_of_a_resample_of_one_class_is_not_defined():
    counts = LABELS[None, :].astype(float)
    assert math.isnan(MAKERS["auc"](ALL).resampled(counts)[0])


def test_an_infinite_sample_makes_the_mean_infinite_and_none_is_left_out():
    tally = mean_tally([1.0, math.inf, None, 4.0], "sdr_db")
    assert tally.value() == math.inf
    assert tally.infinite.tolist() == [False, True, False, False]
    assert mean_tally([1.0, None, 4.0], "sdr_db").value() == 2.5


@pytest.mark.parametrize("values", [[], [None], [math.nan], [-math.inf]])
def test_a_mean_of_nothing_or_of_nan_is_refused(values):
    with pytest.raises(MetricError, match="x: "):
        mean_tally(values, "x")


def test_one_event_is_what_an_erring_sample_has():
    tally = wra_tally([0, 2, 4, 0], [10, 10, 10, 10])
    assert tally.event == pytest.approx(3 / 40)
    assert wra_tally([0, 0], [10, 10]).event == pytest.approx(1 / 20)
