"""Coefficients against independent implementations, and what they must not depend on."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from study_documents import point

from mpq_checks.analysis import correlations
from mpq_checks.analysis.advantage import advantages
from mpq_checks.analysis.correlation import COEFFICIENTS, groups

# Few distinct values, so that there are ties.
LEVELS = st.integers(-6, 6).map(float)
TRIPLES = st.lists(st.tuples(LEVELS, LEVELS, LEVELS), min_size=3, max_size=12)


def points(triples, **fields):
    """One codec each: PSNR, closeness, score."""
    return [point(f"codec-{i}", *triple, **fields) for i, triple in enumerate(triples)]


def by_name(found):
    return {(one.kind, one.group, one.quality, one.coefficient): one for one in found}


def pearson(x, y):
    return float(np.corrcoef(x, y)[0, 1])


def average_ranks(values):
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def spearman(x, y):
    return pearson(average_ranks(x), average_ranks(y))


def kendall_tau_b(x, y):
    pairs = [
        (np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in combinations(range(len(x)), 2)
    ]
    score = sum(a * b for a, b in pairs)
    return score / math.sqrt(sum(a != 0 for a, _ in pairs) * sum(b != 0 for _, b in pairs))


INDEPENDENT = {"pearson": pearson, "spearman": spearman, "kendall": kendall_tau_b}


@given(TRIPLES)
@settings(max_examples=60, deadline=None)
def test_the_coefficients_are_those_of_other_implementations(triples):
    found = by_name(correlations(points(triples), kinds=("task",)))
    psnrs, near, scores = zip(*triples, strict=True)
    for quality, values in (("psnr_db", psnrs), ("closeness_db", near)):
        for coefficient, independent in INDEPENDENT.items():
            one = found["task", "photos", quality, coefficient]
            if len(set(values)) == 1 or len(set(scores)) == 1:
                assert one.value is None
                assert "the same in all" in one.missing
            else:
                assert one.value == pytest.approx(independent(values, scores), abs=1e-12)


@given(TRIPLES, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_points_does_not_matter(triples, random):
    before = by_name(correlations(points(triples)))
    mixed = points(triples)
    random.shuffle(mixed)
    for name, one in by_name(correlations(mixed)).items():
        assert one.n == before[name].n
        assert one.value == pytest.approx(before[name].value, abs=1e-12)


@given(TRIPLES)
@settings(max_examples=40, deadline=None)
def test_ranks_do_not_change_under_monotone_transforms(triples):
    bent = [(psnr**3, math.exp(near), score**5) for psnr, near, score in triples]
    before, after = (by_name(correlations(points(t), kinds=("task",))) for t in (triples, bent))
    for name in before:
        if name[-1] != "pearson":
            assert after[name].value == pytest.approx(before[name].value, abs=1e-12)


@given(TRIPLES)
@settings(max_examples=40, deadline=None)
def test_a_score_of_which_less_is_better_is_turned_round(triples):
    errors = points([(psnr, near, -score) for psnr, near, score in triples], higher_is_better=False)
    before = by_name(correlations(points(triples)))
    after = by_name(correlations(errors))
    for name in before:
        if name[0] == "task":
            assert after[name].value == pytest.approx(before[name].value, abs=1e-12)


def test_the_intervals_are_those_of_the_named_sources():
    random = np.random.default_rng(3)
    quality = random.normal(size=12)
    scores = quality + random.normal(size=12)
    made = points(list(zip(quality, quality, scores, strict=True)))
    found = by_name(correlations(made, kinds=("task",)))
    r, rho, tau = (found["task", "photos", "psnr_db", name] for name in COEFFICIENTS)
    assert r.interval == pytest.approx(tuple(stats.pearsonr(quality, scores).confidence_interval()))
    for one, variance in ((rho, (1 + rho.value**2 / 2) / 9), (tau, 0.437 / 8)):
        reach = 1.959963984540054 * math.sqrt(variance)
        ends = [math.tanh(math.atanh(one.value) + sign * reach) for sign in (-1, 1)]
        assert one.interval == pytest.approx(ends)
    assert "Bonett and Wright" in rho.method
    assert "Fieller" in tau.method


def test_the_intervals_hold_what_they_promise():
    """Bivariate normal with r = 0.6, 16 points: the share of intervals that hold the true value."""
    random = np.random.default_rng(20240)
    truth = {
        "pearson": 0.6,
        "spearman": 6 / math.pi * math.asin(0.6 / 2),
        "kendall": 2 / math.pi * math.asin(0.6),
    }
    held = dict.fromkeys(truth, 0)
    trials = 300
    for _ in range(trials):
        x, noise = random.normal(size=(2, 16))
        triples = list(zip(x, x, 0.6 * x + 0.8 * noise, strict=True))
        for one in correlations(points(triples), kinds=("task",)):
            if one.quality == "psnr_db":
                low, high = one.interval
                held[one.coefficient] += low <= truth[one.coefficient] <= high
    for count in held.values():
        # Four standard errors about 95%, and as wide again for the approximation.
        assert 0.90 <= count / trials <= 1.0


def test_few_points_say_so():
    for n, value, interval in ((2, False, False), (3, True, False), (4, True, True)):
        triples = [(float(i), float(i % 3), float((i * 7) % 5)) for i in range(n)]
        found = by_name(correlations(points(triples), kinds=("task",)))
        one = found["task", "photos", "psnr_db", "spearman"]
        assert (one.n, one.value is not None, one.interval is not None) == (n, value, interval)
        assert ("too few" in one.missing) is not interval
    kendall = found["task", "photos", "psnr_db", "kendall"]
    assert kendall.value is not None
    assert "needs 5" in kendall.missing


def test_no_points_at_all():
    assert all(one.value is None for one in correlations([]))
    only_original = [point("none", math.inf, math.inf, 1.0, uncompressed=True)]
    assert {one.n for one in correlations(only_original)} == {0}


def test_one_codec_has_no_coefficient():
    found = correlations(points([(30.0, 10.0, 0.5)]))
    assert {one.value for one in found} == {None}
    assert {one.n for one in found} == {1}


def test_perfect_agreement_has_no_interval():
    made = points([(float(i), float(i), float(i)) for i in range(8)])
    for one in correlations(made, kinds=("task",)):
        assert one.value == pytest.approx(1)
        assert one.interval is None
        assert "perfectly" in one.missing


def test_what_is_infinite_or_has_no_original_is_left_out_and_told():
    made = points([(30.0, 8.0, 0.5), (31.0, 9.0, 0.6), (33.0, 9.5, 0.7)])
    lossless = point("lossless", math.inf, math.inf, 1.0)
    alone = point("alone", 30.0, 9.0, 0.8, task="other", original=None)
    of_task, other, _, everything = groups([*made, lossless, alone])
    assert (of_task.name, of_task.left_out) == ("photos", ("photos/lossless",))
    assert (other.name, len(other.points)) == ("other", 1)
    assert everything.left_out == ("photos/lossless", "other/alone")
    assert len(everything.points) == 3
    found = by_name(correlations([*made, lossless, alone]))
    assert found["all", "all", "psnr_db", "pearson"].left_out == everything.left_out


def test_across_tasks_it_is_the_relative_change():
    photos = points([(30.0, 8.0, 0.5), (31.0, 9.0, 0.6)])
    songs = points(
        [(20.0, 3.0, 4.0), (22.0, 3.5, 9.0)],
        task="songs", modality="audio", original=10.0, perceptual="cdpam",
    )  # fmt: skip
    *_, everything = groups([*photos, *songs])
    assert everything.scores == pytest.approx((-0.5, -0.4, -0.6, -0.1))
    assert everything.quality_name("closeness_db") == "lpips and cdpam"
    assert {one.name for one in groups([*photos, *songs]) if one.kind == "modality"} == {
        "image",
        "audio",
    }
    as_json = correlations([*photos, *songs])[0].to_json()
    assert as_json["left_out"] == []


def study(seed, tasks=6, codecs=5, follows=1.0):
    """Tasks whose scores follow closeness, each at its own level; PSNR is noise."""
    random = np.random.default_rng(seed)
    made = []
    for task in range(tasks):
        near = random.normal(size=codecs) + 10 * task
        scores = 0.5 + 0.01 * (follows * (near - 10 * task) + 0.05 * random.normal(size=codecs))
        psnrs = 30 + random.normal(size=codecs)
        triples = list(zip(psnrs, near, scores, strict=True))
        made += points(triples, task=f"task-{task}")
    return made


def test_the_mean_over_tasks_is_a_paired_t_test():
    made = study(1)
    coefficients = by_name(correlations(made, kinds=("task",)))
    differences = [
        coefficients["task", f"task-{i}", "closeness_db", "spearman"].value
        - coefficients["task", f"task-{i}", "psnr_db", "spearman"].value
        for i in range(6)
    ]
    found = next(one for one in advantages(made) if one.coefficient == "spearman")
    assert (found.kind, found.n) == ("tasks", 6)
    assert found.value == pytest.approx(np.mean(differences))
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert found.interval == pytest.approx(tuple(expected))


def test_the_pooled_difference_is_bootstrapped_with_a_fixed_seed():
    made = study(2)
    pooled = [one for one in advantages(made) if one.kind == "all"]
    assert [one.coefficient for one in pooled] == ["pearson", "spearman"]
    for one in pooled:
        reference = by_name(correlations(made, kinds=("all",)))
        values = [
            reference["all", "all", quality, one.coefficient].value
            for quality in ("closeness_db", "psnr_db")
        ]
        assert (one.closeness, one.psnr) == pytest.approx(values)
        assert one.value == pytest.approx(values[0] - values[1])
        low, high = one.interval
        assert low < one.value < high
        assert "BCa" in one.method
    assert [one for one in advantages(made) if one.kind == "all"] == pooled


def test_the_pooled_interval_holds_one_of_another_making():
    """The percentile bootstrap of independent code, to a tenth of the interval's width."""
    made = study(4, tasks=8, codecs=8)
    found = next(o for o in advantages(made) if o.kind == "all" and o.coefficient == "pearson")
    table = np.array([(p.relative_change, p.closeness_db, p.psnr_db) for p in made])
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(2000):
        score, near, psnr = table[random.integers(0, len(table), len(table))].T
        drawn.append(pearson(score, near) - pearson(score, psnr))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.interval == pytest.approx((low, high), abs=0.1 * (high - low))


def test_an_advantage_needs_tasks_and_cases():
    few = advantages(study(3, tasks=2, codecs=3))
    assert {one.interval for one in few} == {None}
    assert all("too few" in one.missing for one in few)
    constant = [replace(one, value=0.5) for one in study(3)]
    assert {one.value for one in advantages(constant)} == {None}
    nothing = advantages([])
    assert {one.n for one in nothing} == {0}
    assert {one.value for one in nothing} == {None}


def test_tasks_that_all_differ_alike_have_no_interval():
    made = []
    for task in range(4):
        made += points([(3.0, 1.0, 0.1), (2.0, 2.0, 0.2), (1.0, 3.0, 0.3)], task=f"task-{task}")
    found = next(one for one in advantages(made) if one.coefficient == "kendall")
    assert found.value == pytest.approx(2)
    assert found.interval is None
    assert "the same in all 4 tasks" in found.missing


def test_equal_qualities_have_no_interval_of_their_difference():
    same = [(float(i), float(i), float((i * 7) % 10)) for i in range(10)]
    found = next(one for one in advantages(points(same)) if one.kind == "all")
    assert (found.value, found.interval) == (0, None)
    assert found.missing


def test_resamples_without_a_coefficient_give_no_interval():
    triples = [(30.0, 9.0, 0.5)] * 9 + [(31.0, 9.5, 0.6)]
    found = next(one for one in advantages(points(triples)) if one.kind == "all")
    assert found.value == pytest.approx(0)
    assert found.interval is None
    assert "resamples" in found.missing
