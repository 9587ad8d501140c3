import io
import math
from dataclasses import replace

import pytest
from toy_gate import ToyTask, make_profile

from mpq_checks.gate import GateSettings, run_case
from mpq_checks.report.failure import failure_text
from mpq_checks.report.numbers import metric_number, now_and_before
from mpq_checks.report.terminal import print_table
from mpq_checks.update import accept


@pytest.fixture
def outcomes(tmp_path):
    """A healthy case and one whose model got worse."""
    settings = GateSettings(make_profile(), tmp_path, "new", device="cpu")
    accept([run_case(case, settings) for case in settings.profile.cases], tmp_path, "toy", None)
    none, jpeg = settings.profile.cases
    worse = replace(jpeg, task=ToyTask(gain=0.001))
    return [run_case(case, replace(settings, update="none")) for case in (none, worse)]


def metric(**changes):
    return {"value": 0.25, "baseline": 0.25, "decimals": 3, "drop": None, **changes}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "0.250 ="),
        ({"value": 0.2500001}, "0.250 ="),
        ({"value": 0.5}, "0.500 was 0.250"),
        ({"baseline": None}, "0.250 new"),
        ({"value": "inf", "baseline": "inf"}, "inf ="),
        ({"value": math.inf, "baseline": 3.0}, "inf was 3.000"),
    ],
)
def test_numbers_stand_beside_their_baseline(changes, text):
    assert now_and_before(metric(**changes)) == text


def test_a_missing_number_is_a_dash():
    assert metric_number(metric(), "drop") == "-"


@pytest.mark.parametrize("colour", [False, True])
def test_the_table_fits_100_columns_and_has_a_row_a_case(outcomes, colour):
    stream = io.StringIO()
    print_table(outcomes, stream, colour=colour)
    text = stream.getvalue()
    assert ("\x1b[" in text) == colour
    if not colour:
        assert max(map(len, text.splitlines())) <= 100
    assert "toy/none" in text
    assert "REGRESSION" in text


def test_a_failure_says_first_what_a_person_needs(outcomes):
    lines = failure_text(replace(outcomes[1], reproduce="pytest x")).splitlines()
    assert lines[0].startswith("toy/jpeg-q50: REGRESSION. nll ")
    assert "->" in lines[0]
    assert lines[1] == "first moved link: model output"
    assert lines[-2:] == [
        "reproduce: pytest x",
        'accept:    pytest x --mpq-update --mpq-reason "why"',
    ]
    worst = lines[lines.index("worst samples (baseline -> now):") + 1 :]
    assert sum(line.startswith("  square-") for line in worst) == 5
    assert any("task gain: 0.02 -> 0.001" in line for line in lines)
