"""From the results of a run, and from printed tables, to the points of the study."""

import math

import pytest
from study_documents import case, document, point, values

from mpq_checks.analysis import points_of_results, points_of_table
from mpq_checks.analysis.difference import PAIRED, UNPAIRED, difference
from mpq_checks.analysis.points import closeness_db, compressed
from mpq_checks.errors import ResultsError

ORIGINAL = case("photos", "none", values(24.0, math.inf, 0.0, 0.8), interval=(0.7, 0.9))


def test_a_case_becomes_a_point():
    jpeg = case(
        "photos", "jpeg-q5", values(0.25, 24.0, 0.1, 0.6), family="jpeg", interval=(0.5, 0.7)
    )
    study = points_of_results(document([jpeg, ORIGINAL]))
    first, original = study.points
    assert (first.case_id, first.family, first.modality) == ("photos/jpeg-q5", "jpeg", "image")
    assert (first.rate, first.psnr_db, first.distance) == (0.25, 24.0, 0.1)
    assert first.closeness_db == pytest.approx(10.0)
    assert (first.score, first.value, first.original) == ("top1", 0.6, 0.8)
    assert first.intervals == {"value": (0.5, 0.7)}
    assert first.change == pytest.approx(-0.2)
    assert first.relative_change == pytest.approx(-0.25)
    assert first.finite
    assert original.uncompressed
    assert not original.finite
    assert (original.psnr_db, original.closeness_db) == (math.inf, math.inf)
    assert compressed(study.points) == (first,)
    assert original.to_json()["psnr_db"] == "inf"


def test_the_ends_of_a_distance_change_places():
    jpeg = case("photos", "jpeg-q5", values())
    jpeg["metrics"]["lpips"]["value_interval"] = [0.01, 0.1]
    (found,) = points_of_results(document([jpeg])).points
    assert found.intervals["closeness_db"] == pytest.approx((10.0, 20.0))
    jpeg["metrics"]["lpips"]["value_interval"] = [-0.01, 0.1]
    (found,) = points_of_results(document([jpeg])).points
    assert found.intervals["closeness_db"] == pytest.approx((10.0, math.inf))


def test_a_case_without_values_is_left_out_and_told():
    broken = {**case("photos", "webp-q0", {}), "metrics": {}}
    unjudged = case("photos", "jpeg-q5", values())
    unjudged["metrics"]["top1"]["value"] = None
    study = points_of_results(document([broken, unjudged, ORIGINAL]))
    assert [found.codec for found in study.points] == ["none"]
    assert study.without_values == ("photos/webp-q0", "photos/jpeg-q5")


def test_without_the_original_there_is_no_change():
    (found,) = points_of_results(document([case("photos", "jpeg-q5", values())])).points
    assert (found.original, found.change, found.relative_change) == (None, None, None)


def test_lower_may_be_better_and_zero_has_no_shares():
    errors = point("jpeg", 30, 10, 0.3, original=0.2, higher_is_better=False)
    assert errors.change == pytest.approx(-0.1)
    assert errors.relative_change == pytest.approx(-0.5)
    assert point("jpeg", 30, 10, 0.3, original=0.0).relative_change is None
    decibels = point("jpeg", 30, 10, -3.0, original=-2.0)
    assert decibels.relative_change == pytest.approx(-0.5)
    assert point("jpeg", 30, 10, 1.0, original=math.inf).change is None


@pytest.mark.parametrize("missing", ["identities", "modality", "samples"])
def test_a_case_that_is_not_whole_is_named(missing):
    jpeg = case("photos", "jpeg-q5", values())
    del jpeg[missing]
    with pytest.raises(ResultsError, match=f"photos/jpeg-q5 .*{missing}"):
        points_of_results(document([jpeg]))


def test_a_sample_that_is_not_whole_is_named():
    jpeg = case("photos", "jpeg-q5", values(), correct=[1, 0])
    del jpeg["samples"][1]["now"]["encoded_bytes"]
    with pytest.raises(ResultsError, match=r"photos/jpeg-q5 .*sample-001.*encoded_bytes"):
        points_of_results(document([jpeg]))


def test_a_negative_distance_is_an_error():
    with pytest.raises(ResultsError, match="photos/jpeg-q5"):
        points_of_results(document([case("photos", "jpeg-q5", values(lpips=-1.0))]))
    assert closeness_db(1.0) == 0


ROW = {
    "task": "beans", "codec": "hific", "modality": "image", "rate": 0.0286, "psnr_db": 21.82,
    "perceptual": "lpips", "closeness_db": 9.779, "score": "top1", "value": 0.9849,
}  # fmt: skip


def test_rows_of_a_printed_table_are_points_too():
    original = {
        "task": "beans", "codec": "none", "modality": "image", "rate": 24.0, "uncompressed": True,
        "perceptual": "lpips", "score": "top1", "value": 0.9774,
    }  # fmt: skip
    hific, none = points_of_table([ROW, original]).points
    assert (hific.family, hific.original, hific.distance) == ("hific", 0.9774, None)
    assert hific.change == pytest.approx(0.0075)
    assert none.uncompressed
    assert not none.finite


@pytest.mark.parametrize("row", [{**ROW, "colour": "red"}, {**ROW, "score": None, "x": 1}])
def test_a_row_with_an_unknown_field_is_named(row):
    with pytest.raises(ResultsError, match="row beans/hific"):
        points_of_table([row])
    with pytest.raises(ResultsError, match="closeness_db"):
        points_of_table([{name: ROW[name] for name in ROW if name != "closeness_db"}])


def test_cases_of_the_same_samples_are_paired():
    before = case("photos", "none", values(24.0, math.inf, 0.0, 0.4), correct=[1, 0, 0, 1, 0])
    after = case("photos", "jpeg-q5", values(top1=1.0), correct=[1, 1, 1, 1, 1])
    original, jpeg = points_of_results(document([before, after])).points
    found = difference(jpeg, original)
    assert found.better_by == pytest.approx(0.6)
    # Three flips, all for the better: one-sided exact McNemar gives 1/8.
    assert found.p_better == pytest.approx(1 / 8)
    assert found.method.startswith(PAIRED)
    low, high = found.interval
    assert low < 0.6 < high
    contrary = difference(original, jpeg)
    assert contrary.interval == pytest.approx((-high, -low))


def test_other_samples_or_another_score_of_the_name_are_not_paired():
    before = case("photos", "none", values(top1=0.5), correct=[1, 0], interval=(0.1, 0.2))
    changed = case("photos", "jpeg-q5", values(top1=0.5), correct=[1, 0], interval=(0.6, 0.9))
    changed["samples"][0]["content_sha256"] = "0" * 64
    lying = case("photos", "webp-q0", values(top1=0.9), correct=[1, 0], interval=(0.6, 0.9))
    other = case("photos", "x", values(top1=0.5), interval=(0.6, 0.9))
    other["samples"] = [
        {**sample, "now": {**sample["now"], "statistics": {"hits": 1}}}
        for sample in before["samples"]
    ]
    original, *others = points_of_results(document([before, changed, lying, other])).points
    for found in others:
        against = difference(found, original)
        assert (against.method, against.p_better) == (UNPAIRED, None)
        assert against.interval == pytest.approx((0.4, 0.8))
        assert against.answer is True


def test_values_alone_decide_nothing():
    found = difference(point("jpeg", 30, 10, 0.9), point("none", 99, 99, 0.1))
    assert (found.better_by, found.interval, found.answer) == (0.8, None, None)
    assert found.to_json()["interval"] is None


def test_unpaired_intervals_where_lower_is_better():
    lower = {"higher_is_better": False, "score": "nll"}
    good = point("a", 30, 10, 0.2, intervals={"value": (0.1, 0.3)}, **lower)
    bad = point("b", 30, 10, 0.6, intervals={"value": (0.5, 0.7)}, **lower)
    assert difference(good, bad).interval == pytest.approx((0.2, 0.6))
    assert difference(bad, good).answer is False
