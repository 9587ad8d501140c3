"""Paired statistics: against independent implementations, by their symmetries, at their edges."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower

from mpq_checks.errors import MetricError
from mpq_checks.metrics.classification import auc_tally, top1_tally
from mpq_checks.metrics.segmentation import mean_iou_tally
from mpq_checks.metrics.tally import Proportion, mean_tally
from mpq_checks.metrics.wer import wra_tally
from mpq_checks.significance import power, proportions
from mpq_checks.significance.paired import compare, planned_noise
from mpq_checks.significance.proportions import exact_interval, mcnemar_p
from mpq_checks.significance.resampling import SEED, Effects, cluster_counts, interval, one_sided_p
from mpq_checks.significance.sensitivity import EffectNoise, PairNoise, ShareNoise

RANDOM = np.random.default_rng(11)


def means(before, after, clusters=None, *, higher_is_better=False, floor=0.0):
    return compare(
        mean_tally(list(before), "x"),
        mean_tally(list(after), "x"),
        list(range(len(before))) if clusters is None else clusters,
        higher_is_better=higher_is_better,
        floor=floor,
    )


# Against independent implementations


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_equals_statsmodels(losses, gains):
    two_sided = mcnemar([[0, losses], [gains, 0]], exact=True).pvalue
    one_sided = min(mcnemar_p(losses, gains), mcnemar_p(gains, losses))
    assert min(1.0, 2 * one_sided) == pytest.approx(two_sided)


@pytest.mark.parametrize("size", [3, 8, 32, 128, 1000])
@pytest.mark.parametrize("significance", [0.01, 1e-4])
def test_power_equals_statsmodels(size, significance):
    ours = power.smallest_detectable(1.0, size, significance)
    theirs = TTestPower().solve_power(
        nobs=size, alpha=significance, power=power.POWER, alternative="larger"
    )
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert power.detection_rate(ours, 1.0, size, significance) == pytest.approx(0.8, abs=1e-4)


@pytest.mark.parametrize("drop", [0.05, 0.3, 2.0])
def test_the_number_needed_is_the_least_that_has_the_power(drop):
    needed = power.clusters_needed(drop, 1.0, 1e-3)
    assert power.detection_rate(drop, 1.0, needed, 1e-3) >= power.POWER
    assert power.detection_rate(drop, 1.0, needed - 1, 1e-3) < power.POWER


def test_p_and_t_interval_equal_scipy():
    before, change = RANDOM.normal(size=20), RANDOM.normal(0.3, 1, size=20)
    expected = stats.ttest_rel(before + change, before, alternative="greater")
    assert means(before, before + change).p_worse == pytest.approx(expected.pvalue, rel=1e-9)


def test_the_bootstrap_equals_one_written_as_a_loop():
    change = RANDOM.exponential(size=15)
    effects = Effects(float(change.mean()), change - change.mean())
    ratios = []
    for counts in np.concatenate(list(cluster_counts(15))):
        sample = np.repeat(change, counts.astype(int))
        error = np.std(sample, ddof=1) / math.sqrt(15)
        ratios.append((sample.mean() - change.mean()) / error)
    ratios.sort()
    error = np.std(change, ddof=1) / math.sqrt(15)
    quantile = stats.t.isf(0.025, 14)
    low, high = interval(effects, 0.95, lambda counts: counts @ change / 15)
    rank = int(0.025 * len(ratios))
    assert low == pytest.approx(change.mean() - error * max(quantile, ratios[-1 - rank]))
    assert high == pytest.approx(change.mean() + error * max(quantile, -ratios[rank]))


def test_resamples_are_the_same_in_every_process():
    first = next(iter(cluster_counts(5)))[:2].astype(int).tolist()
    drawn = np.random.default_rng([SEED, 5]).integers(5, size=(2000, 5))
    assert first == [np.bincount(row, minlength=5).tolist() for row in drawn[:2]]
    assert all(sum(row) == 5 for row in first)


# The exact interval


@pytest.mark.parametrize("size", [4, 9])
def test_no_true_drop_lies_above_the_exact_bound_too_often(size):
    tables = [(b, c) for b, c in product(range(size + 1), repeat=2) if b + c <= size]
    bounds = {table: exact_interval(*table, size, 0.95)[1] for table in tables}
    for drop, gained in product((0.0, 0.05, 0.2, 0.5, 0.8), (0.0, 0.02, 0.1, 0.3)):
        lost = drop + gained
        if lost + gained > 1 - 1e-9:
            continue
        missed = sum(
            math.comb(size, b) * math.comb(size - b, c)
            * lost**b * gained**c * (1 - lost - gained) ** (size - b - c)
            for (b, c), bound in bounds.items()
            if bound < drop - 1e-4
        )  # fmt: skip
        assert missed <= 0.025 + 1e-4


def test_without_flips_the_exact_bound_is_that_of_clopper_and_pearson():
    assert exact_interval(0, 0, 70, 0.95)[1] == pytest.approx(1 - 0.025 ** (1 / 70), abs=1e-4)


@given(st.integers(0, 6), st.integers(0, 6))
@settings(deadline=None, max_examples=20)
def test_the_exact_interval_rises_with_losses(losses, gains):
    low, high = exact_interval(losses, gains, 20, 0.95)
    lower, higher = exact_interval(losses + 1, gains, 20, 0.95)
    assert lower >= low - 1e-4
    assert higher >= high - 1e-4
    assert low <= (losses - gains) / 20 <= high


def test_the_power_of_mcnemar_equals_its_simulation():
    background, size, significance = 0.05, 100, 1e-3
    least = proportions.smallest_detectable(background, size, significance, 0.8)
    flips = RANDOM.multinomial(
        size, [least + background, background, 1 - least - 2 * background], size=4000
    )
    found = np.mean([mcnemar_p(int(b), int(c)) <= significance for b, c, _ in flips])
    assert found == pytest.approx(0.8, abs=0.03)


def test_no_number_of_flips_suffices_for_a_few_samples():
    assert proportions.smallest_detectable(0.0, 5, 1e-4, 0.8) == math.inf
    assert ShareNoise(0.02, 70).units_needed(0.0, 1e-4) is None
    needed = ShareNoise(0.02, 70).units_needed(0.05, 1e-4)
    assert ShareNoise(0.02, needed).detection_rate(0.05, 1e-4) >= 0.8


# Symmetries


def pairs(make):
    """Baseline and candidate of each kind of metric."""
    size = 30
    correct = RANDOM.integers(0, 2, (2, size))
    words, errors = RANDOM.integers(8, 20, size), RANDOM.poisson(1.5, (2, size))
    hits, extra = RANDOM.integers(50, 90, (2, size, 2)), RANDOM.integers(5, 20, (2, size, 2))
    scores, labels = RANDOM.normal(size=(2, size)), RANDOM.integers(0, 2, size)
    scores += labels
    values = RANDOM.gamma(2, size=(2, size))
    makers = {
        "top1": lambda k: top1_tally(correct[k].tolist()),
        "wra": lambda k: wra_tally(errors[k].tolist(), words.tolist()),
        "mean_iou": lambda k: mean_iou_tally(hits[k].tolist(), (hits[k] + extra[k]).tolist()),
        "auc": lambda k: auc_tally(scores[k].tolist(), labels.tolist()),
        "mean": lambda k: mean_tally(values[k].tolist(), "x"),
    }
    return makers[make](0), makers[make](1)


@pytest.mark.parametrize("kind", ["top1", "wra", "mean_iou", "auc", "mean"])
@pytest.mark.parametrize("clusters", [list(range(30)), [k // 2 for k in range(30)]])
def test_swapping_the_sides_turns_the_sign(kind, clusters):
    one, other = pairs(kind)
    forth = compare(one, other, clusters, higher_is_better=True)
    back = compare(other, one, clusters, higher_is_better=True)
    assert back.drop == pytest.approx(-forth.drop, abs=1e-12)
    assert back.interval == pytest.approx((-forth.interval[1], -forth.interval[0]), abs=1e-9)
    assert (back.p_worse, back.p_better) == pytest.approx((forth.p_better, forth.p_worse))


@pytest.mark.parametrize("kind", ["top1", "wra", "mean_iou", "auc", "mean"])
def test_the_interval_holds_the_estimate_and_its_p_value_agrees(kind):
    one, other = pairs(kind)
    found = compare(one, other, list(range(30)), higher_is_better=True)
    low, high = found.interval
    assert low <= found.drop <= high
    assert (found.p_worse < 0.5) == (found.drop > 0) or found.drop == 0


differences = st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=25)


@given(differences, st.floats(-3, 3, width=32))
@settings(deadline=None, max_examples=30)
def test_a_shift_of_all_samples_shifts_drop_and_interval(change, shift):
    zeros = [0.0] * len(change)
    here, there = means(zeros, change), means(zeros, [value + shift for value in change])
    assert there.drop == pytest.approx(here.drop + shift, abs=1e-6)
    assume(max(map(abs, here.interval)) < 1e3)  # else resamples without spread decide
    moved = (here.interval[0] + shift, here.interval[1] + shift)
    assert there.interval == pytest.approx(moved, rel=1e-5, abs=1e-4)
    if shift > 0:
        assert there.p_worse <= here.p_worse + 1e-9


@given(differences)
@settings(deadline=None, max_examples=30)
def test_more_float_noise_makes_less_sure(change):
    zeros = [0.0] * len(change)
    sure, unsure = means(zeros, change, floor=0.01), means(zeros, change, floor=1.0)
    assert abs(unsure.p_worse - 0.5) <= abs(sure.p_worse - 0.5) + 1e-9


def test_samples_of_a_cluster_count_once():
    change = RANDOM.normal(size=10)
    single = means([0.0] * 10, change)
    doubled = means([0.0] * 20, np.repeat(change, 2), [k // 2 for k in range(20)])
    assert doubled.interval == pytest.approx(single.interval)
    assert doubled.p_worse == pytest.approx(single.p_worse)
    naive = means([0.0] * 20, np.repeat(change, 2))
    assert naive.interval[1] - naive.interval[0] < single.interval[1] - single.interval[0]


# Edges


def test_one_sample_shows_nothing():
    found = means([1.0], [3.0])
    assert found.drop == 2.0
    assert found.interval == (-math.inf, math.inf)
    assert found.p_worse == found.p_better == 1.0
    assert found.noise is None
    assert found.few


def test_constant_differences_are_certain_but_for_float_noise():
    exact = means([1.0] * 5, [1.5] * 5)
    assert exact.interval == (0.5, 0.5)
    assert (exact.p_worse, exact.p_better) == (0.0, 1.0)
    noisy = means([1.0] * 5, [1.5] * 5, floor=0.01)
    assert noisy.interval[0] < 0.5 < noisy.interval[1]
    assert 0 < noisy.p_worse < 1e-6


def test_no_discordance_is_not_proof_of_none():
    same = Proportion(np.ones(50))
    found = compare(same, same, range(50), higher_is_better=True)
    assert (found.drop, found.p_worse) == (0.0, 1.0)
    assert found.interval == pytest.approx((-0.0711, 0.0711), abs=1e-3)


@pytest.mark.parametrize("changed", [0, 1, 3])
def test_few_changed_clips_leave_room_for_more(changed):
    words, errors = [15] * 32, [1] * 32
    after = [2] * changed + errors[changed:]
    one, other = wra_tally(errors, words), wra_tally(after, words)
    found = compare(one, other, range(32), higher_is_better=True)
    most = stats.beta.isf(0.025, changed + 1, 32 - changed) if changed < 32 else 1.0
    assert found.interval[1] >= most * 32 / 480 - 1e-9
    assert found.few


@pytest.mark.parametrize(
    ("before", "after", "higher_is_better", "drop"),
    [
        ([math.inf, 1.0], [2.0, 1.0], True, math.inf),
        ([2.0, 1.0], [math.inf, 1.0], True, -math.inf),
        ([math.inf, 1.0], [2.0, 1.0], False, -math.inf),
        ([math.inf, math.inf], [math.inf, math.inf], True, 0.0),
    ],
)
def test_an_infinite_sample_on_one_side_decides(before, after, higher_is_better, drop):
    found = means(before, after, higher_is_better=higher_is_better)
    assert found.drop == drop
    assert found.interval == ((drop, drop) if drop else (0.0, 0.0))
    assert (found.p_worse == 0) == (drop > 0)


def test_samples_infinite_on_both_sides_do_not_hide_the_others():
    found = means([math.inf, 3.0, 4.0, 5.0], [math.inf, 2.0, 3.1, 3.9], higher_is_better=True)
    assert found.drop == pytest.approx(3.0 / 4)


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(MetricError, match="cannot be paired"):
        means([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(MetricError, match="cannot be paired"):
        means([1.0, 2.0], [1.0, 2.0], clusters=[0])


def test_planned_noise_is_a_share_of_the_spread_between_samples():
    values = RANDOM.gamma(2, size=40)
    noise = planned_noise(mean_tally(list(values), "x"), range(40), 0.1)
    assert noise == PairNoise(pytest.approx(0.1 * np.std(values, ddof=1)), 40)
    assert planned_noise(top1_tally([1] * 40), range(40), 0.06) == ShareNoise(0.03, 40)
    assert planned_noise(mean_tally([1.0], "x"), [0], 0.1) is None


def test_the_p_value_of_no_effect_is_one_or_a_half():
    assert one_sided_p(Effects(0.0, np.zeros(5))) == 1.0
    assert one_sided_p(Effects(0.0, np.array([-1.0, 1.0]))) == pytest.approx(0.5)


def test_the_stated_drop_of_skewed_effects_is_found_in_eighty_percent():
    pool = RANDOM.exponential(size=40)
    effects = Effects(0.0, pool - pool.mean())
    least = EffectNoise(effects).smallest_detectable(1e-3)
    found = 0
    for _ in range(2000):
        drawn = RANDOM.choice(effects.influence, size=40)
        found += one_sided_p(Effects(least + drawn.mean(), drawn - drawn.mean())) <= 1e-3
    assert found / 2000 == pytest.approx(0.8, abs=0.05)
    assert EffectNoise(effects).detection_rate(least, 1e-3) == pytest.approx(0.8, abs=0.01)


def test_of_normal_effects_the_stated_drop_is_that_of_the_t_test():
    drawn = RANDOM.normal(size=200)
    noise = EffectNoise(Effects(0.0, drawn - drawn.mean()))
    expected = PairNoise(float(np.std(drawn, ddof=1)), 200).smallest_detectable(1e-3)
    assert noise.smallest_detectable(1e-3) == pytest.approx(expected, rel=0.05)
