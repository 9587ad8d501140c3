"""The paper's findings: when the answer is yes, when no, and when it cannot be told."""

import json
import math

import pytest
from study_documents import case, document, point, values

from mpq_checks.analysis import findings, points_of_results
from mpq_checks.analysis.families import GENERATIVE, LEARNED
from mpq_checks.codecs import Encodec, HiFiC, Jpeg, Mbt2018
from mpq_checks.report.palette import FAMILIES

NARROW = 0.01


def known(codec, value, **fields):
    """A point whose score is known to 0.01 either way."""
    return point(
        codec, 30.0, 10.0, value, intervals={"value": (value - NARROW, value + NARROW)}, **fields
    )


def original(value=0.9):
    return known("none", value, uncompressed=True, rate=24.0)


def first(*points):
    return findings(points)[0]


def third(*points):
    return findings(points)[2]


def test_a_generative_codec_that_beats_what_spends_more():
    found = first(known("hific", 0.8, rate=0.1), known("jpeg", 0.6, rate=0.2), original())
    assert found.answer == "yes"
    (one,) = found.numbers
    assert (one["holds"], one["against"][0]["case"]) == ("yes", "photos/jpeg")
    assert one["against_uncompressed"]["better_by"] == pytest.approx(-0.1)


def test_it_has_to_beat_them_all():
    jpeg, webp = known("jpeg", 0.6, rate=0.2), known("webp", 0.79, rate=0.3)
    hific = known("hific", 0.8, rate=0.1)
    assert first(hific, jpeg, webp).answer == "cannot be told"
    assert first(hific, jpeg, known("webp", 0.9, rate=0.3)).answer == "no"


def test_a_codec_that_spends_less_is_no_rival_and_neither_is_a_learned_one():
    hific = known("hific", 0.5, rate=0.1)
    rivals = [known("webp", 0.9, rate=0.05), known("mbt2018", 0.9, rate=0.2)]
    other_task = known("jpeg", 0.9, rate=0.2, task="songs")
    found = first(hific, *rivals, other_task, original())
    assert found.answer == "cannot be told"
    assert "1 spend more bits than every conventional codec" in found.reason


def test_one_failure_outweighs():
    good = known("hific", 0.8, rate=0.1), known("jpeg", 0.6, rate=0.2)
    bad = (
        known("encodec", 0.4, rate=0.1, task="songs"),
        known("opus", 0.6, rate=0.2, task="songs"),
    )
    assert first(*good, *bad).answer == "no"


def test_estimates_alone_do_not_answer():
    found = first(
        point("hific", 30, 10, 0.8, rate=0.1),
        point("jpeg", 30, 10, 0.2, rate=0.2),
    )
    assert found.answer == "cannot be told"
    assert "by the estimates alone 1 are ahead" in found.reason


def test_without_generative_codecs():
    assert "no case of a generative codec" in first(known("jpeg", 0.5)).reason


def tasks(better, n=6):
    """Tasks in which the score follows PSNR, closeness or neither, up to one exchange each."""
    made = []
    for task in range(n):
        scores = [0.1, 0.2, 0.3, 0.4, 0.5]
        order = [1.0, 2.0, 3.0, 4.0, 5.0]
        contrary = [3.0, 5.0, 1.0, 4.0, 2.0]
        exchanged = [2.0, 1.0, 3.0, 4.0, 5.0] if task % 2 else order
        near, psnr = (exchanged, contrary) if better == "closeness" else (contrary, exchanged)
        made += [
            point(f"codec-{i}", 20 + psnr[i], near[i], scores[i], task=f"task-{task}")
            for i in range(5)
        ]
    return made


def test_deep_similarity_or_psnr():
    assert findings(tasks("closeness"))[1].answer == "yes"
    contrary = findings(tasks("psnr"))[1]
    assert contrary.answer == "no"
    assert "95% interval" in contrary.reason
    few = findings(tasks("closeness", n=2))[1]
    assert few.answer == "cannot be told"
    assert "no interval" in few.reason
    assert "no task has both" in findings([])[1].reason


def test_a_score_above_the_original():
    assert third(original(0.5), known("jpeg", 0.6)).answer == "yes"
    assert third(original(0.5), known("jpeg", 0.51)).answer == "cannot be told"
    assert third(original(0.5), known("jpeg", 0.4)).answer == "no"
    assert third(original(0.5), known("jpeg", 0.4), known("webp", 0.49)).answer == "cannot be told"
    assert third(known("jpeg", 0.4)).answer == "cannot be told"
    assert "no compressed case" in third(known("jpeg", 0.4)).reason


def test_many_comparisons_are_corrected_for():
    """Six flips for the better: p = 1/64, enough for one case and not for five."""
    hits = [0] * 6 + [1] * 14
    cases = [case("photos", "none", values(24.0, math.inf, 0.0, 0.7), correct=hits)]
    better = case("photos", "jpeg-q5", values(top1=1.0), correct=[1] * 20)
    unchanged = [
        case("photos", f"webp-q{i}", values(top1=0.7), correct=hits, family="webp")
        for i in range(4)
    ]

    def answer(*compressed):
        found = findings(points_of_results(document([*cases, *compressed])).points)[2]
        return found.answer, found.numbers[0]["p_corrected"]

    assert answer(better) == ("yes", pytest.approx(1 / 64))
    assert answer(better, *unchanged) == ("cannot be told", pytest.approx(5 / 64))


def test_findings_are_json():
    made = (known("hific", 0.8, rate=0.1), known("jpeg", 0.6, rate=0.2), original())
    text = json.dumps([found.to_json() for found in findings(made)], allow_nan=False)
    assert [found["number"] for found in json.loads(text)] == [1, 2, 3]


def test_the_families_are_those_of_the_codecs():
    def family(codec):
        return codec.identity()["codec"]

    shipped = (HiFiC(weights="compact"), Encodec(model="compact"))
    # MS-ILLM's identity needs its optional package.
    assert {*map(family, shipped), "msillm"} == GENERATIVE
    assert family(Mbt2018(weights="compact")) in LEARNED
    assert family(Jpeg(quality=5)) not in LEARNED
    assert set(FAMILIES) >= LEARNED
