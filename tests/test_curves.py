import math
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from curve_rows import CASES, RATES, compared, few_resamples, on_line, rows, settings
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from scipy.stats import t as student

from mpq_checks.curves import compare, resampling
from mpq_checks.curves.interpolation import (
    common_rates,
    drops_at_equal_rate,
    points,
    rate_difference_percent,
)
from mpq_checks.errors import CurveError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # matplotlib, which it imports, uses what pyparsing deprecates
    import bjontegaard


ALL_RESAMPLES = resampling.cluster_counts


@pytest.fixture(autouse=True, scope="module")
def _few_resamples():
    """A tenth: a test has many curves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "cluster_counts", few_resamples)
        yield


def of(curve, name="nll"):
    return next(metric for metric in curve.metrics if metric.name == name)


# Rising rates and errors that fall with them.
STEPS = st.lists(st.tuples(st.floats(1.05, 3), st.floats(0.01, 2)), min_size=2, max_size=6)


def curve(steps, rate=0.1, error=20.0):
    found = []
    for factor, step in steps:
        rate, error = rate * factor, error - step
        found.append((rate, [error]))
    return points(*zip(*found, strict=True))


@given(STEPS, STEPS, st.floats(-1, 1))
def test_numbers_are_those_of_the_library(before, now, above):
    old, new = curve(before), curve(now, error=20 + above)
    sides = [10**old.log_rates, -old.errors[:, 0], 10**new.log_rates, -new.errors[:, 0]]
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no overlap: it warns and gives NaN
        score = bjontegaard.bd_psnr(*sides, **options)
        rate = bjontegaard.bd_rate(*sides, **options)
    for theirs, ours in (
        (-score, lambda: drops_at_equal_rate(old, new)[0]),
        (rate, lambda: rate_difference_percent(old, new, 0)),
    ):
        if math.isnan(theirs):
            with pytest.raises(CurveError, match="do not overlap"):
                ours()
        else:
            assert ours() == pytest.approx(theirs, rel=1e-6, abs=1e-9)


def test_parallel_lines_by_hand():
    """Two nats a decade, 0.1 nats above: 0.05 decades more bits."""
    metric = of(compared(on_line(), on_line(factor=1.3, above=0.1)))
    assert metric.drop == pytest.approx(0.1, abs=1e-12)
    assert metric.rate_difference_percent == pytest.approx(100 * (10**0.05 - 1), abs=1e-9)


def test_a_higher_score_that_falls_is_a_drop():
    """PSNR of 10 dB a decade, moved to 8% fewer bits without change of score."""
    now = [rows(0.92 * rate, 1.0) for rate in RATES]
    now = [
        [replace(row, psnr_db=old.psnr_db) for row, old in zip(new, before, strict=True)]
        for new, before in zip(now, on_line(), strict=True)
    ]
    metric = of(compared(on_line(), now), "psnr_db")
    assert metric.drop == pytest.approx(10 * math.log10(0.92), abs=1e-9)
    assert metric.rate_difference_percent == pytest.approx(-8)


def test_the_common_range_is_told():
    old, new = points([0.1, 1.0], [[2.0], [1.0]]), points([1.0, 0.01], [[1.0], [3.0]])
    assert common_rates(old, new) == pytest.approx(0.5)
    assert drops_at_equal_rate(old, new) == pytest.approx(0)


SIDES = st.lists(
    st.tuples(st.floats(0.8, 1.25), st.floats(-0.5, 0.5), st.integers(0, 9)),
    min_size=4,
    max_size=4,
)


def side(changes):
    return [
        rows(rate * factor, 2 - math.log10(rate) + above, num_samples=6, seed=seed)
        for rate, (factor, above, seed) in zip(RATES, changes, strict=True)
    ]


@trials(max_examples=10, deadline=None)
@given(SIDES, SIDES)
def test_changing_sides_changes_the_sign(before, now):
    there, back = compared(side(before), side(now)), compared(side(now), side(before))
    assert not there.missing
    for one, other in zip(there.metrics, back.metrics, strict=True):
        assert one.drop == -other.drop
        assert one.interval == tuple(-end for end in reversed(other.interval))
        if one.rate_difference_percent is None:
            assert other.rate_difference_percent is None
        else:
            ratios = [1 + m.rate_difference_percent / 100 for m in (one, other)]
            assert math.prod(ratios) == pytest.approx(1)


@trials(max_examples=5, deadline=None)
@given(SIDES, SIDES, st.randoms(use_true_random=False))
def test_neither_order_of_rows_nor_of_settings_matters(before, now, random):
    old, new = side(before), side(now)
    straight = compare("toy", "jpeg", settings(old, new))
    for some in (*old, *new):
        random.shuffle(some)
    shuffled = settings(old, new)
    random.shuffle(shuffled)
    assert compare("toy", "jpeg", shuffled).metrics == straight.metrics


def test_identical_evidence_is_exactly_zero():
    same = compared(on_line(), on_line())
    assert same.identical
    assert [(m.drop, m.interval, m.rate_difference_percent) for m in same.metrics] == [
        (0.0, (0.0, 0.0), 0.0)
    ] * 4


def test_an_unmoved_metric_of_a_curve_that_moved_is_exactly_zero():
    now = [[replace(row, psnr_db=row.psnr_db - 1) for row in some] for some in on_line()]
    moved = compared(on_line(), now)
    assert not moved.identical
    assert (of(moved).drop, of(moved).interval) == (0.0, (0.0, 0.0))
    assert of(moved, "psnr_db").drop == pytest.approx(1)


def noisy(num_samples, seed, sigma=0.1, **options):
    """Rates that do not vary, so that the drop is a mean of differences."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, sigma, num_samples)
    before = [
        [replace(row, rate=rate) for row in rows(rate, 1 / rate, num_samples=num_samples)]
        for rate in RATES
    ]
    now = [
        [
            replace(row, statistics={**row.statistics, "nll": row.statistics["nll"] + more})
            for row, more in zip(some, noise, strict=True)
        ]
        for some in before
    ]
    return before, now, noise


@pytest.mark.parametrize("num_samples", [5, 20, 80])
def test_the_interval_of_a_mean_is_about_students(num_samples, monkeypatch):
    monkeypatch.setattr(resampling, "cluster_counts", ALL_RESAMPLES)
    before, now, noise = noisy(num_samples, seed=3)
    metric = of(compared(before, now))
    assert metric.drop == pytest.approx(noise.mean())
    error = noise.std(ddof=1) / math.sqrt(num_samples)
    half = student.isf(0.025, num_samples - 1) * error
    low, high = metric.interval
    assert low < metric.drop < high
    assert high - low == pytest.approx(2 * half, rel=0.35 if num_samples == 5 else 0.1)


def test_pairing_cancels_what_is_hard_about_a_sample():
    """Samples differ by 0.1 nats, all get worse by 0.05 nats: no doubt about it."""
    metric = of(compared(on_line(), on_line(above=0.05)))
    assert metric.interval == pytest.approx((0.05, 0.05), abs=1e-9)


def test_copies_of_a_sample_in_one_cluster_add_no_certainty():
    before, now, _ = noisy(8, seed=5)

    def copied(side):
        return [
            [
                replace(row, sample_id=f"{row.sample_id}-{copy}", cluster=row.sample_id)
                for row in some
                for copy in range(3)
            ]
            for some in side
        ]

    alone, together = compared(before, now), compared(copied(before), copied(now))
    assert (together.num_samples, together.num_clusters) == (24, 8)
    assert of(together).interval == pytest.approx(of(alone).interval)


def test_one_cluster_has_no_interval():
    metric = of(compared(on_line(cluster_size=99), on_line(cluster_size=99, above=0.1)))
    assert metric.drop == pytest.approx(0.1)
    assert metric.interval is None
    assert metric.missing == {"interval": "all samples are one cluster"}


def test_the_method_names_seed_and_resamples():
    method = compared(on_line(), on_line()).method
    assert str(resampling.SEED) in method
    assert str(resampling.NUM_RESAMPLES) in method


WORSE = on_line(above=0.1)


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        (on_line()[:1], WORSE[:1], "a curve takes 2 settings, not 1"),
        (on_line(), on_line(factor=100), "the rates do not overlap: 0.2..1.6 before, 20..160 now"),
        (on_line(), [rows(0.4, 1)] * 4, "two settings have the same rate, 0.4"),
        (on_line(), [[replace(row, rate=0.0) for row in s] for s in on_line()], "a rate is 0"),
        (on_line(), [*WORSE[:3], WORSE[3][:5]], r"have other samples \(12 and 5\)"),
        (
            [[replace(row, statistics={}) for row in some] for some in on_line()],
            WORSE,
            r"the samples do not give these metrics \(KeyError: 'correct'\)",
        ),
    ],
)
def test_what_cannot_be_compared_says_why(before, now, why):
    curve = compared(before, now)
    assert not curve.metrics
    assert curve.missing
    assert re.search(why, curve.missing)


def test_two_settings_are_enough():
    metric = of(compared(on_line()[::3], on_line(above=0.1)[::3]))
    assert metric.drop == pytest.approx(0.1)


@pytest.mark.parametrize("side", [0, 1])
def test_an_infinite_psnr_is_left_out_alone(side):
    sides = [on_line(), on_line(above=0.1)]
    first, *rest = sides[side][3]
    sides[side][3] = [replace(first, psnr_db=math.inf), *rest]
    curve = compared(*sides)
    assert of(curve).drop == pytest.approx(0.1)
    psnr = of(curve, "psnr_db")
    assert psnr.drop is psnr.interval is psnr.rate_difference_percent is None
    assert set(psnr.missing.values()) == {"psnr_db is infinite at jpeg-q80"}


def test_identical_evidence_with_infinite_psnr_is_zero():
    same = [[replace(row, psnr_db=math.inf) for row in some] for some in on_line()]
    assert of(compared(same, same), "psnr_db").drop == 0.0


def test_a_score_that_does_not_rise_with_the_rate_has_no_rate_difference():
    metric = of(compared(on_line(), on_line(above=0.1)), "top1")
    assert (metric.drop, metric.interval) == (0.0, (0.0, 0.0))
    assert metric.rate_difference_percent is None
    assert metric.missing == {"rate_difference_percent": "the score is not monotone before"}


def test_scores_that_do_not_overlap_have_no_rate_difference():
    metric = of(compared(on_line(), on_line(above=10)))
    assert metric.drop == pytest.approx(10)
    assert metric.missing == {"rate_difference_percent": "the scores do not overlap"}


def test_samples_that_the_baseline_lacks_or_has_otherwise():
    with pytest.raises(CurveError, match="the baseline of jpeg-q10 lacks sample 'sample-011'"):
        settings([on_line()[0][:11]], on_line(), CASES)
    other = [replace(row, content_sha256="f" * 64) for row in on_line()[0]]
    with pytest.raises(CurveError, match="'sample-000' is not the one that the baseline"):
        settings([other], on_line(), CASES)


def test_a_subset_is_compared_with_the_same_samples():
    part = [some[:5] for some in on_line(above=0.1)]
    curve = compared(on_line(), part)
    assert curve.num_samples == 5
    assert of(curve).drop == pytest.approx(0.1)
