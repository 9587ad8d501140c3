"""docs/explanation/correlation.md says what the committed baselines of the mini profile say."""

import pytest
from study_documents import ROOT, document_of_baselines

from mpq_checks.analysis import correlations, findings, points_of_results
from mpq_checks.analysis.advantage import advantages
from mpq_checks.profiles import load_profile

PAGE = (ROOT / "docs/explanation/correlation.md").read_text(encoding="utf-8")
DASH = "-"


@pytest.fixture(scope="module")
def points():
    study = points_of_results(document_of_baselines(load_profile("mini")))
    assert not study.without_values
    return study.points


def number(value):
    return DASH if value is None else f"{value:.2f}"


def with_interval(one):
    ends = "" if one.interval is None else " ({:.2f} to {:.2f})".format(*one.interval)
    return f"{number(one.value)}{ends}"


def correlation_lines(points):
    rows = {}
    for one in correlations(points):
        rows.setdefault((one.group, one.quality_name, one.n), []).append(with_interval(one))
    return [f"| {' | '.join(map(str, [*key, *cells]))} |" for key, cells in rows.items()]


def advantage_lines(points):
    return [
        f"| {one.group} | {one.coefficient} | {one.n} | {number(one.closeness)} | "
        f"{number(one.psnr)} | {with_interval(one)} |"
        for one in advantages(points)
    ]


def finding_lines(points):
    return [f"| {one.number} | {one.answer} | {one.reason} |" for one in findings(points)]


@pytest.mark.parametrize("lines", [correlation_lines, advantage_lines, finding_lines])
def test_the_tables_are_those_of_the_baselines(points, lines):
    for line in lines(points):
        assert line in PAGE.splitlines()


def test_all_cases_could_be_paired(points):
    assert all(point.samples is not None for point in points)
    against = findings(points)[2].numbers
    assert len(against) == 22
    assert all(number["method"].startswith("paired over the samples") for number in against)
