import math
import re
from dataclasses import replace

import pytest
from toy_gate import ToyTask, make_profile

from mpq_checks.decision import decision, drop_in_margins
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.outcome import Outcome
from mpq_checks.report.failure import failure_text
from mpq_checks.report.headline import deciding_metric, from_worst, headline
from mpq_checks.report.numbers import metric_number, now_and_before
from mpq_checks.report.plain import encodable, one_line
from mpq_checks.report.terminal import quiet_lines, table_lines
from mpq_checks.update import accept
from mpq_checks.verdict import Judgement, MetricJudgement, Verdict


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


def text_of(**parts):
    """An outcome of the toy case that failed before it was judged, unless `parts` say more."""
    return Outcome("toy/none", "toy", "none", "image_classification", "image", False, **parts)


@pytest.mark.parametrize("colour", [False, True])
def test_the_table_fits_100_columns_and_has_a_row_a_case(outcomes, colour):
    text = "\n".join(table_lines(outcomes, colour=colour))
    assert ("\x1b[" in text) == colour
    if not colour:
        assert max(map(len, text.splitlines())) <= 100
    assert "toy/none" in text
    assert "REGRESSION" in text
    assert text.splitlines()[-1] == "1 of 2 cases failed: 1 REGRESSION, 1 PASS"


@pytest.mark.parametrize("width", [100, 80, 60, 40])
def test_a_table_fits_its_width_in_ascii(outcomes, width):
    long = replace(outcomes[1], case_id=f"{'long-name-' * 3}/jpeg-q50")
    lines = table_lines([*outcomes, long], width=width, colour=False)
    assert max(map(len, lines)) <= width
    assert all(line.isascii() for line in lines)
    assert ("PSNR dB" in lines[0]) == (width == 100)
    assert "REGRESSION" in "\n".join(lines)
    assert ("PSNR dB" in table_lines(outcomes[:1], width=width, colour=False)[0]) == (width >= 80)


def test_what_cannot_be_encoded_is_written_as_escapes():
    assert encodable("na\u00efve \u2026 \u8a9e", "latin-1") == "na\u00efve \\u2026 \\u8a9e"
    assert encodable("\u2026", "ascii") == "\\u2026"
    assert encodable("\u2026", None) == "\u2026"


def test_a_failure_says_first_what_a_person_needs(outcomes):
    lines = failure_text(replace(outcomes[1], reproduce="pytest x")).splitlines()
    assert re.fullmatch(r"toy/jpeg-q50: REGRESSION, nll [\d.]+ -> [\d.]+, drop [\d.]+", lines[0])
    assert re.match(
        r"nll [\d.]+ -> [\d.]+, drop [\d.]+ \(95% interval .*, margin 0.002\)", lines[1]
    )
    assert lines[2:5] == [
        "first moved link: model output (8 of 8 samples)",
        "reproduce: pytest x",
        'accept:    pytest x --mpq-update --mpq-reason "why"',
    ]
    assert lines[5].split()[:3] == ["metric", "baseline", "now"]
    worst = lines[lines.index("worst samples (baseline -> now):") + 1 :]
    assert sum(line.startswith("  - square-") for line in worst) == 5
    assert "  - task gain: 0.02 -> 0.001" in lines
    assert max(map(len, lines)) <= 100


def with_metrics(outcome, *names, verdict="REGRESSION"):
    """The outcome with one deciding metric, copied under these names, worst last."""
    (nll,) = (one for one in outcome.judgement["metrics"] if one["name"] == "nll")
    metrics = [
        {**nll, "name": name, "drop": nll["drop"] * (place + 1), "verdict": verdict}
        for place, name in enumerate(names)
    ]
    return replace(outcome, judgement={**outcome.judgement, "verdict": verdict, "metrics": metrics})


def test_the_metric_that_lost_most_margins_stands_for_the_others(outcomes):
    several = with_metrics(outcomes[1], "small", "large")
    assert deciding_metric(several)["name"] == "large"
    assert headline(several).startswith("toy/jpeg-q50: REGRESSION, large ")
    ranked = from_worst([outcomes[0], text_of(), outcomes[1], several])
    assert [case.case_id for case in ranked] == [
        "toy/jpeg-q50", "toy/jpeg-q50", "toy/none", "toy/none",
    ]  # fmt: skip
    assert ranked[0] is several


@pytest.mark.parametrize(
    ("drop", "margin", "verdict", "margins"),
    [
        (0.04, 0.02, "REGRESSION", 2),
        (0.04, 0.0, "REGRESSION", math.inf),
        (0.0, 0.0, "INCONCLUSIVE", 0),
        ("inf", 0.1, "REGRESSION", math.inf),
        (-0.04, 0.02, "IMPROVED", 2),
        (None, 0.02, "NEW", 0),
    ],
)
def test_drops_are_ranked_in_margins(drop, margin, verdict, margins):
    assert drop_in_margins({"drop": drop, "margin": margin, "verdict": verdict}) == margins


def test_the_decision_names_the_others():
    settings = {"unit": "", "higher_is_better": False, "decimals": 2, "p_value": 0.0, "method": ""}
    metrics = [
        MetricJudgement(
            name=name, value=2.0, baseline=1.0, drop=drop, interval=(0.5, 1.5), margin=0.1,
            smallest_detectable_drop=None, samples_needed=None, verdict=Verdict.REGRESSION,
            **settings,
        )
        for name, drop in (("a", 1.0), ("b", 3.0), ("c", 2.0))
    ]  # fmt: skip
    assert decision(Judgement(Verdict.REGRESSION, tuple(metrics))) == (
        "b 1.00 -> 2.00, drop 3.00 (95% interval 0.50..1.50, margin 0.10); and 2 more: c, a"
    )
    assert decision(Judgement(Verdict.PASS, tuple(metrics))) == ""


def test_an_error_tells_its_cause_and_only_commands_that_can_work():
    lines = failure_text(text_of(message="the codec broke", reproduce="pytest x")).splitlines()
    assert lines == ["toy/none: ERROR, the codec broke", "reproduce: pytest x"]
    long = text_of(message=f"/a/folder/none.json: {'damaged ' * 20}", reproduce="pytest x")
    lines = failure_text(long).splitlines()
    assert lines[0].startswith("toy/none: ERROR, none.json: damaged damaged")
    assert lines[1].startswith("/a/folder/none.json: damaged")
    assert max(map(len, lines)) <= 100


def test_strangers_text_stays_on_its_line(outcomes):
    nasty = "x\n::error::pwned\r\x1b[31m ::warning::y ##[error]z"
    assert one_line(nasty) == (r"x\n::error::pwned\r\x1b[31m \::warning::y \##[error]z")
    judgement = {**outcomes[1].judgement, "worst": (nasty,), "notes": (nasty,)}
    text = failure_text(replace(outcomes[1], judgement=judgement, message=nasty))
    assert "\x1b" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())


def test_a_quiet_end_has_a_line_a_failing_case_and_the_counts(outcomes):
    lines = quiet_lines("toy", outcomes, 0)
    assert lines == [headline(outcomes[1]), "mpq toy: 1 of 2 cases failed: 1 REGRESSION, 1 PASS"]
    assert quiet_lines("toy", outcomes[:1], 1) == [
        "mpq toy: 1 case passed: 1 PASS; 1 baseline written"
    ]
