"""The page of costs follows from what was measured."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import paper_cost

from mpq_checks.profiles import load_profile

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "paper-cost.md"
STORED = json.loads(paper_cost.STORE.read_text())


@pytest.mark.parametrize("name", ["samples", "datasets", "cases", "sizes"])
def test_the_page_holds_the_tables_of_the_store(name):
    assert paper_cost.tables(STORED)[name] in PAGE.read_text()


def test_everything_was_measured():
    assert set(STORED) == set(paper_cost.MEASUREMENTS)
    assert set(paper_cost.UNITS) == set(paper_cost.MEASUREMENTS) - {"parameters"}


def test_the_datasets_are_those_of_the_profile():
    tasks = {case.task.name for case in load_profile("paper").cases}
    assert set(paper_cost.DATASETS) == tasks - {"common-voice-11-tiny"}


def test_a_case_costs_its_samples():
    images = 133 * (
        STORED["vit-base"]["seconds"]
        + 0.25 * (STORED["jpeg"]["seconds"] + STORED["lpips"]["seconds"])
    )
    assert paper_cost.hours(STORED, "beans", "jpeg") == pytest.approx(images / 3600)
    music = 50 * (240 * (STORED["hdemucs"]["seconds"] + STORED["encodec"]["seconds"]))
    music += 50 * 10 * STORED["cdpam"]["seconds"]
    assert paper_cost.hours(STORED, "musdb18-hq", "encodec") == pytest.approx(music / 3600)
    plain = 133 * STORED["vit-base"]["flops"] / paper_cost.PEAK_FLOPS
    assert paper_cost.gpu_seconds(STORED, "beans", "none") == pytest.approx(plain)
