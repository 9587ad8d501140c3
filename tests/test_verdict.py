import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_gate import ToyDataset, ToyTask, make_profile, profile

from mpq_checks.aggregate import aggregate
from mpq_checks.errors import BaselineError, MetricError
from mpq_checks.evidence import Evidence, Row
from mpq_checks.measure import measure
from mpq_checks.noise import floor
from mpq_checks.profiles import Margin
from mpq_checks.verdict import Verdict, judge, judge_new

CASE = profile.cases[1]
FAMILY = profile.family_size
SHA = "a" * 64
OTHER = "b" * 64


def make_evidence(rows, total=None) -> Evidence:
    rows = tuple(rows)
    return Evidence(
        "toy", "toy", "jpeg-q50", "image", {"codec": {"pillow": "12"}}, {"python": "3.11"},
        {}, total or len(rows), rows,
    )  # fmt: skip


def make_row(index: int, **changes) -> Row:
    statistics = {"correct": 1, "nll": 0.25, "predicted": 0}
    row = Row(f"s{index}", None, SHA, 10, SHA, SHA, 0.5, 30.0, 0.1, statistics)
    return replace(row, **changes)


def with_nll(rows, nll):
    return [replace(row, statistics={**row.statistics, "nll": nll}) for row in rows]


ROWS = [make_row(index) for index in range(10)]


def test_identical_evidence_passes_and_nothing_moved():
    judgement = judge(CASE, make_evidence(ROWS), make_evidence(ROWS), FAMILY)
    assert judgement.verdict is Verdict.PASS
    assert judgement.first_moved is None
    assert judgement.notes == judgement.worst == ()
    assert all(metric.drop == 0 for metric in judgement.metrics)


@settings(deadline=None)
@given(
    # Nearer than its float noise to the margin, a drop cannot be told from it.
    st.floats(0.0, 5.0).filter(lambda nll: abs(abs(nll - 0.25) - 0.002) > floor("nll")),
)
def test_a_metric_fails_exactly_when_it_leaves_its_margin(nll):
    judgement = judge(CASE, make_evidence(with_nll(ROWS, nll)), make_evidence(ROWS), FAMILY)
    expected = Verdict.PASS
    if nll - 0.25 > 0.002:
        expected = Verdict.REGRESSION
    elif 0.25 - nll > 0.002:
        expected = Verdict.IMPROVED
    assert judgement.verdict is expected


@settings(deadline=None)
@given(st.floats(0, 2), st.floats(0, 2), st.floats(0.1, 3), st.floats(0.1, 3))
def test_swapping_baseline_and_candidate_flips_the_sign(nll_a, nll_b, rate_a, rate_b):
    first = make_evidence([replace(row, rate=rate_a) for row in with_nll(ROWS, nll_a)])
    second = make_evidence([replace(row, rate=rate_b) for row in with_nll(ROWS, nll_b)])
    forth = judge(CASE, first, second, FAMILY)
    back = judge(CASE, second, first, FAMILY)
    assert [m.drop for m in forth.metrics] == [-m.drop if m.drop else 0.0 for m in back.metrics]


@settings(deadline=None)
@given(st.permutations(range(10)))
def test_the_order_of_samples_does_not_matter(order):
    worse = with_nll(ROWS, 0.3)
    shuffled = judge(CASE, make_evidence([worse[i] for i in order]), make_evidence(ROWS), FAMILY)
    assert shuffled == judge(CASE, make_evidence(worse), make_evidence(ROWS), FAMILY)


def test_one_regression_decides_even_when_all_else_improved():
    better = [replace(row, rate=0.01, perceptual=0.0) for row in with_nll(ROWS, 0.5)]
    judgement = judge(CASE, make_evidence(better), make_evidence(ROWS), FAMILY)
    assert judgement.verdict is Verdict.REGRESSION
    by_name = {metric.name: metric.verdict for metric in judgement.metrics}
    assert by_name["bits_per_pixel"] is Verdict.IMPROVED
    assert by_name["nll"] is Verdict.REGRESSION


def test_a_relative_margin_follows_the_baseline():
    margin = {
        metric.name: metric for metric in judge_new(CASE, make_evidence(ROWS), FAMILY).metrics
    }
    assert margin["bits_per_pixel"].margin == pytest.approx(0.02 * 0.5)


def test_infinite_psnr_equals_itself_and_losing_it_is_a_regression():
    exact = make_evidence([replace(row, psnr_db=math.inf) for row in ROWS])
    assert judge(CASE, exact, exact, FAMILY).verdict is Verdict.PASS
    lossy = judge(CASE, make_evidence(ROWS), exact, FAMILY)
    assert lossy.metrics[1].verdict is Verdict.REGRESSION
    assert lossy.metrics[1].drop == math.inf


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({"encoded_sha256": OTHER, "decoded_sha256": OTHER, "perceptual": 0.5}, "encoded bytes"),
        ({"decoded_sha256": OTHER, "perceptual": 0.5}, "decoded signal"),
        ({"perceptual": 0.5}, "perceptual distance"),
        ({"statistics": {"correct": 0, "nll": 0.25, "predicted": 1}}, "model output"),
        ({"statistics": {"correct": 1, "nll": 0.250001, "predicted": 0}}, None),
    ],
)
def test_the_first_moved_link_is_named(changes, link):
    moved = [replace(row, **changes) for row in ROWS]
    assert judge(CASE, make_evidence(moved), make_evidence(ROWS), FAMILY).first_moved == link


def test_changed_bytes_within_the_margins_are_drift():
    moved = [replace(ROWS[0], encoded_sha256=OTHER), *ROWS[1:]]
    judgement = judge(CASE, make_evidence(moved), make_evidence(ROWS), FAMILY)
    assert judgement.verdict is Verdict.PASS
    assert judgement.notes == ("DRIFT: encoded bytes changed for 1 of 10 samples",)


def test_changed_identities_and_environment_are_named():
    moved = [replace(row, encoded_sha256=OTHER) for row in ROWS]
    candidate = replace(
        make_evidence(moved), identities={"codec": {"pillow": "13"}}, environment={"python": "3.12"}
    )
    notes = judge(CASE, candidate, make_evidence(ROWS), FAMILY).notes
    assert "codec pillow: 12 -> 13" in notes
    assert "environment python: 3.11 -> 3.12" in notes


def random_rows(size, spread, seed=3, drop=0.0):
    """Rows whose NLL is off the baseline's by noise of this spread around `drop`."""
    noise = np.random.default_rng(seed).normal(drop, spread, size)
    return [with_nll([make_row(k)], 0.25 + float(noise[k]))[0] for k in range(size)]


def nll_of(judgement):
    return next(metric for metric in judgement.metrics if metric.name == "nll")


@pytest.mark.parametrize(
    ("size", "spread", "drop", "verdict"),
    [
        (200, 0.001, 0.0, Verdict.PASS),
        (200, 0.1, 0.0, Verdict.INCONCLUSIVE),
        (4, 0.002, 0.0, Verdict.INCONCLUSIVE),
        (200, 0.001, 0.004, Verdict.REGRESSION),
        (200, 0.001, -0.004, Verdict.IMPROVED),
        (200, 0.1, 0.01, Verdict.INCONCLUSIVE),
        (200, 0.0005, 0.0015, Verdict.PASS),
    ],
)
def test_noise_decides_what_can_be_said(size, spread, drop, verdict):
    stored = make_evidence([make_row(k) for k in range(size)])
    candidate = make_evidence(random_rows(size, spread, drop=drop))
    assert nll_of(judge(CASE, candidate, stored, FAMILY)).verdict is verdict


def test_a_larger_family_asks_for_more_certainty():
    stored = make_evidence([make_row(k) for k in range(20)])
    candidate = make_evidence(random_rows(20, 0.01, drop=0.009))
    few, many = (nll_of(judge(CASE, candidate, stored, size)) for size in (1, 1000))
    assert few.p_value == many.p_value
    assert few.interval == many.interval
    assert (few.verdict, many.verdict) == (Verdict.REGRESSION, Verdict.INCONCLUSIVE)
    assert few.smallest_detectable_drop < many.smallest_detectable_drop
    assert few.samples_needed < many.samples_needed


def test_what_is_not_settled_is_not_passed():
    # Nothing flipped, but the likelihood moved: ten samples do not bound the flips of others.
    narrow = make_profile(top1=Margin(0.1, "narrow")).cases[1]
    judgement = judge(narrow, make_evidence(with_nll(ROWS, 0.251)), make_evidence(ROWS), FAMILY)
    top1 = next(metric for metric in judgement.metrics if metric.name == "top1")
    assert (top1.drop, top1.verdict) == (0.0, Verdict.INCONCLUSIVE)
    assert judgement.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("size", [1, 2, 10])
def test_identical_evidence_is_never_inconclusive(size):
    rows = ROWS[:size]
    narrow = make_profile(top1=Margin(0.0, "none"), nll=Margin(0.0, "none")).cases[1]
    judgement = judge(narrow, make_evidence(rows), make_evidence(rows), FAMILY)
    assert {metric.verdict for metric in judgement.metrics} == {Verdict.PASS}
    noisy = with_nll(rows, 0.25 + 1e-9)
    assert judge(narrow, make_evidence(noisy), make_evidence(rows), FAMILY).verdict is Verdict.PASS


def test_the_same_bytes_cost_the_same_whatever_the_model_does():
    judgement = judge(CASE, make_evidence(random_rows(10, 0.5)), make_evidence(ROWS), FAMILY)
    verdicts = {metric.name: metric.verdict for metric in judgement.metrics}
    assert [verdicts[name] for name in ("bits_per_pixel", "psnr_db", "lpips")] == [Verdict.PASS] * 3


@pytest.mark.parametrize(("distance", "verdict"), [(0.01, "INCONCLUSIVE"), (0.5, "REGRESSION")])
def test_a_distance_that_moves_alone_is_another_metric(distance, verdict):
    moved = [replace(row, perceptual=distance + 0.0001 * k) for k, row in enumerate(ROWS)]
    judgement = judge(CASE, make_evidence(moved), make_evidence(ROWS), FAMILY)
    assert judgement.first_moved == "perceptual distance"
    assert judgement.metrics[2].verdict == judgement.verdict == verdict
    decoded = [replace(row, decoded_sha256=OTHER) for row in moved]
    better = judge(CASE, make_evidence(decoded), make_evidence(ROWS), FAMILY).metrics[2].verdict
    assert better == ("IMPROVED" if distance < 0.1 else "REGRESSION")


def test_two_changed_samples_state_no_finer_sensitivity_than_they_have():
    size = 70
    random = random_rows(size, 0.1)
    changed = [*with_nll(random[:2], 9.0), *random[2:]]
    nll = nll_of(judge(CASE, make_evidence(changed), make_evidence(random), FAMILY))
    assert nll.verdict is Verdict.INCONCLUSIVE
    assert nll.smallest_detectable_drop > nll.drop
    assert nll.drop < nll.interval[1] < 2.0


def test_the_signature_tells_what_the_verdict_follows_from():
    found = judge(CASE, make_evidence(ROWS), make_evidence(ROWS), 25).signature
    assert found == "method 1, family of 25, false alarms 0.01, 2000 resamples, seed 20240"


def test_a_new_case_tells_what_it_will_be_able_to_see():
    rows = random_rows(30, 0.1)
    nll = nll_of(judge_new(CASE, make_evidence(rows), FAMILY))
    assert 0 < nll.smallest_detectable_drop < 0.1
    assert nll.interval is None


def test_the_worst_five_samples_come_worst_first():
    nlls = [0.25, 0.9, 0.3, 0.8, 0.1, 0.5, 0.7, 0.6, 0.25, 0.4]
    moved = [with_nll([row], nll)[0] for row, nll in zip(ROWS, nlls, strict=True)]
    worst = judge(CASE, make_evidence(moved), make_evidence(ROWS), FAMILY).worst
    assert [line.split(":")[0] for line in worst] == ["s1", "s3", "s6", "s7", "s5"]
    assert worst[0] == "s1: class 0, nll 0.250 -> class 0, nll 0.900"


def test_a_subset_is_compared_with_the_same_samples():
    stored = make_evidence([*with_nll(ROWS[:5], 0.1), *with_nll(ROWS[5:], 9.0)])
    part = make_evidence(with_nll(ROWS[:5], 0.1), total=10)
    assert judge(CASE, part, stored, FAMILY).verdict is Verdict.PASS


def test_another_sample_set_is_not_compared():
    with pytest.raises(BaselineError, match="'s9' is not in the baseline"):
        judge(CASE, make_evidence(ROWS), make_evidence(ROWS[:9]), FAMILY)
    with pytest.raises(BaselineError, match="1 samples of the baseline are gone, such as 's9'"):
        judge(CASE, make_evidence(ROWS[:9]), make_evidence(ROWS), FAMILY)
    changed = [replace(ROWS[0], content_sha256=OTHER), *ROWS[1:]]
    with pytest.raises(BaselineError, match="source data changed: sample 's0'"):
        judge(CASE, make_evidence(changed), make_evidence(ROWS), FAMILY)


def test_nan_is_refused():
    with pytest.raises(MetricError, match="nll: a sample's value is NaN"):
        judge(CASE, make_evidence(with_nll(ROWS, math.nan)), make_evidence(ROWS), FAMILY)


def test_audio_psnr_is_that_of_the_mean_square_error():
    # The paper's formula: -10 log10 of the mean MSE, not the mean of the PSNRs.
    case = replace(CASE, task=replace(ToyTask(), modality="audio"), codec=_AudioCodec())
    rows = [make_row(0, psnr_db=10.0), make_row(1, psnr_db=30.0), make_row(2, psnr_db=math.inf)]
    mean_square = (0.1 + 0.001 + 0.0) / 3
    assert aggregate(case, rows)["psnr_db"] == pytest.approx(-10 * math.log10(mean_square))
    assert aggregate(CASE, rows[:2])["psnr_db"] == 20.0


class _AudioCodec:
    name = "none"
    modality = "audio"


def test_measuring_twice_and_in_parts_gives_the_same_rows():
    whole = measure(CASE)
    again = measure(CASE)
    ids = ToyDataset().sample_ids()
    parts = measure(CASE, ids[5:]).rows + measure(CASE, ids[:5]).rows
    assert whole.rows == again.rows
    assert sorted(parts, key=lambda row: row.sample_id) == list(whole.rows)
    assert whole.complete
    assert not measure(CASE, ids[:5]).complete


def test_margins_can_be_set_for_a_profile():
    wide = make_profile(nll=Margin(10.0, "wide")).cases[1]
    judgement = judge(wide, make_evidence(with_nll(ROWS, 5.0)), make_evidence(ROWS), FAMILY)
    assert judgement.verdict is Verdict.PASS
