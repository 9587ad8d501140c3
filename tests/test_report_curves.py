import json
import math
from dataclasses import replace

import pytest
from curve_rows import compared, on_line
from toy_gate import make_profile

from mpq_checks.curves import resampling
from mpq_checks.curves.comparison import no_curve
from mpq_checks.report.curves import curve_lines
from mpq_checks.results import results


@pytest.fixture(autouse=True, scope="module")
def _few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "NUM_RESAMPLES", 200)
        yield


def body(curve):
    heading, *lines = curve_lines([curve])[1:]
    return heading, [line.split(maxsplit=1) for line in lines]


def test_no_curves_no_section():
    assert curve_lines([]) == []


def test_a_curve_that_moved_has_a_line_a_metric():
    heading, lines = body(compared(on_line(), on_line(factor=0.9, above=0.1)))
    assert heading == "toy jpeg (4 settings):"
    assert [name for name, _ in lines] == ["psnr_db", "lpips", "top1", "nll"]
    assert lines[-1][1] == ("+0.100 (+0.100..+0.100) at equal rate; 12.2% more bits at equal score")
    assert lines[0][1].endswith("the same bits at equal score")


def test_a_curve_that_did_not_move_is_one_line():
    (line,) = curve_lines([compared(on_line(), on_line())])[1:]
    assert line == "toy jpeg (4 settings): all rates and scores are those of the baselines"


def test_float_noise_is_one_line_too():
    noise = [[replace(row, rate=row.rate * (1 + 1e-8)) for row in some] for some in on_line()]
    moved = compared(on_line(), noise)
    assert not moved.identical
    (line,) = curve_lines([moved])[1:]
    assert line == "toy jpeg (4 settings): as the baselines at this precision"


def test_little_in_common_is_told():
    heading, _ = body(compared(on_line(), on_line(factor=4)))
    assert heading == "toy jpeg (4 settings) over 20% of the rates:"


def test_what_is_missing_says_why():
    sides = [on_line(), on_line(above=9)]
    sides[1][0] = [replace(row, psnr_db=math.inf) for row in sides[1][0]]
    text = "\n".join(curve_lines([compared(*sides)]))
    assert "psnr_db no comparison, because psnr_db is infinite at jpeg-q10" in text
    assert "at equal rate; bits unknown: the scores do not overlap" in text


def test_every_line_fits_100_columns_and_no_word_is_lost():
    why = "/a/long/folder/of/baselines/mini/imagenet-mini/jpeg-q5.json: there is no baseline " * 3
    curve = no_curve("a-task-with-a-long-name", "a codec with spaces", ["a", "b"], why)
    lines = curve_lines([curve, compared(on_line(cluster_size=99), on_line(above=9))])
    assert max(map(len, lines)) <= 100
    assert " ".join(why.split()) in " ".join(" ".join(lines).split())


def test_results_hold_the_curves(tmp_path):
    curve = compared(on_line(), on_line(above=0.1))
    data = json.loads(json.dumps(results(make_profile(), [], tmp_path, [curve]), allow_nan=False))
    (stored,) = data["curves"]
    assert (stored["task"], stored["codec"], stored["num_samples"]) == ("toy", "jpeg", 12)
    assert stored["settings"] == ["jpeg-q10", "jpeg-q20", "jpeg-q40", "jpeg-q80"]
    nll = stored["metrics"]["nll"]
    assert nll["drop"] == pytest.approx(0.1)
    assert nll["interval"] == pytest.approx([0.1, 0.1])
    assert nll["missing"] == {}
    assert stored["metrics"]["top1"]["missing"] == {
        "rate_difference_percent": "the score is not monotone before"
    }
