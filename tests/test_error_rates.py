"""The stored results keep the bounds, and a small fresh simulation agrees with them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mpq_checks.metrics.tally import Proportion, mean_tally
from mpq_checks.significance.paired import Comparison, compare, paired_test
from mpq_checks.verdict import FALSE_ALARM_RATE, Verdict, metric_verdict

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
RESULTS = BENCHMARKS / "error_rates"

# Three standard errors of a rate of 10,000 runs.
NOISE_OF_5 = 3 * (0.05 * 0.95 / 10_000) ** 0.5


def stored(part):
    return json.loads((RESULTS / f"{part}.json").read_text())


def test_false_alarms_stay_within_one_percent_of_suites():
    found = stored("null")
    assert found["runs"] == 10_000
    assert found["rows"][0]["metric"] == "any"
    assert found["rows"][0]["cases"] == 18
    assert found["rows"][0]["alarms"] / found["runs"] <= FALSE_ALARM_RATE


def test_a_drop_of_the_margin_passes_in_at_most_five_percent():
    found = stored("margin")
    of_metric: dict[str, list[dict]] = {}
    for row in found["rows"]:
        of_metric.setdefault(row["metric"], []).append(row)
    for rows in of_metric.values():
        runs = sum(row["runs"] for row in rows)
        assert runs >= 10_000
        assert sum(row["PASS"] * row["runs"] for row in rows) / runs <= 0.05 + NOISE_OF_5
    assert len({row["task"] for row in found["rows"]}) == 6


def test_the_stated_smallest_detectable_drop_is_found_in_eighty_percent():
    found = stored("power")
    rates = {(row["kind"], row["n"]): row["rates"][3] for row in found["rows"]}
    assert found["runs"] == 10_000
    assert {key: rate for key, rate in rates.items() if abs(rate - 0.8) > 0.05} == {}


def test_intervals_cover_the_truth():
    found = stored("coverage")
    assert found["runs"] == 10_000
    assert {row["n"] for row in found["rows"]} == {8, 32, 128, 1000}
    missed = {(row["kind"], row["n"]): row["below"] + row["above"] for row in found["rows"]}
    assert {key: rate for key, rate in missed.items() if rate > 0.06} == {}


def test_the_page_shows_the_stored_results():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from error_rate_tables import tables
    finally:
        sys.path.remove(str(BENCHMARKS))
    results = {path.stem: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
    page = BENCHMARKS.parent / "docs" / "explanation" / "error-rates.md"
    assert page.read_text() == tables(results)


@pytest.mark.parametrize("size", [8, 40])
def test_a_few_fresh_runs_at_the_margin(size):
    generator = np.random.default_rng(1)
    passed = alarmed = 0
    for _ in range(400):
        before = generator.normal(size=size)
        for drop in (0.0, 1.0):
            after = before + generator.gamma(4, 0.25, size=size) - 1 + drop
            found = compare(
                mean_tally(before.tolist(), "x"),
                mean_tally(after.tolist(), "x"),
                range(size),
                higher_is_better=False,
            )
            verdict = metric_verdict(found, 1.0, 0.01)
            passed += drop == 1.0 and verdict is Verdict.PASS
            alarmed += drop == 0.0 and verdict is Verdict.REGRESSION
    assert passed / 400 <= 0.08
    assert alarmed / 400 <= 0.02


def test_a_few_fresh_runs_of_flips():
    generator = np.random.default_rng(2)
    alarms = 0
    for _ in range(2000):
        kind = generator.choice(3, size=70, p=[0.1, 0.1, 0.8])
        test = paired_test(
            Proportion((kind == 0).astype(float)),
            Proportion((kind == 1).astype(float)),
            range(70),
            higher_is_better=True,
        )
        comparison = Comparison(
            test.drop, (-np.inf, np.inf), test.p_worse(), test.p_better(), None, False, ""
        )
        alarms += metric_verdict(comparison, 0.0, 0.01) is Verdict.REGRESSION
    assert alarms / 2000 <= 0.015
