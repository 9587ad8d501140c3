"""The page of errata: its tables follow from the store, and the cheap part of that is measured."""

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import errata

from mpq_checks.profiles.paper_as_published import ERRATA

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "errata.md"
STORED = json.loads(errata.STORE.read_text())


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


@pytest.mark.parametrize("part", list(errata.PARTS))
def test_the_page_holds_the_tables_of_the_store(page, part):
    assert errata.tables(STORED)[part] in page


def test_every_erratum_of_a_case_has_its_place(page):
    headings = " ".join(re.findall(r"^### (.*)$", page, re.MULTILINE))
    assert set(re.findall(r"`([a-z0-9-]+)`", headings)) == set(ERRATA)


def test_what_follows_from_the_printed_tables():
    for part in ("hific", "findings", "correlations"):
        assert errata.PARTS[part]() == STORED[part]


def test_class_numbers_are_interpolated_as_the_page_says(page):
    from mpq_checks.torch_stack import prepare

    prepare()
    import torch
    from torchvision.transforms import Resize

    border = torch.tensor([[[2, 2, 100, 100]] * 4])
    row = Resize((16, 16), antialias=True)(border)[0, 0].tolist()
    between = sorted(set(row) - {2, 100})
    assert between == [14, 39, 63, 88]
    assert "the classes 14, 39, 63 and 88" in page


@pytest.mark.assets
def test_mp3_spends_what_is_stored():
    """Another version of LAME may write another header."""
    for found, stored in zip(errata.mp3_rates(), STORED["mp3_rates"], strict=True):
        assert found == pytest.approx(stored, abs=0.3)
        if stored["sample_rate"] > 24_000:
            assert found["8"] == found["32"] > 32
        else:
            assert found["8"] < 9


@pytest.mark.assets
def test_the_delay_of_mp3_is_what_is_stored():
    found = errata.mp3_delay()
    for one, stored in zip(found, STORED["mp3_delay"], strict=True):
        assert one == pytest.approx(stored, abs=0.3)
    best = {one["header"]: one["cut"] for one in sorted(found, key=lambda one: one["psnr_db"])}
    assert best == {True: 0, False: 1105}


@pytest.mark.assets
def test_opus_spends_less_where_sound_is_taken_for_48_khz():
    for found, stored in zip(errata.opus_rates(), STORED["opus"], strict=True):
        assert found.pop("clip") == stored["clip"]
        assert found == pytest.approx({name: stored[name] for name in found}, rel=0.05)
        ratio = found["as_published_bits_per_sample"] / found["resampled_bits_per_sample"]
        assert ratio == pytest.approx(44_100 / 48_000, abs=0.02)


@pytest.mark.assets
def test_lpips_of_a_photograph_in_both_ranges(monkeypatch):
    monkeypatch.setattr(errata, "NUM_PHOTOGRAPHS", 1)
    (found,) = errata.lpips_ranges()
    assert found == pytest.approx(STORED["lpips"][0], abs=0.01)
    assert found["unit"] > found["bytes"]


def test_the_stored_distances_say_what_the_page_says():
    for row in STORED["lpips"]:
        assert row["unit"] > row["bytes"]
    assert len(STORED["cdpam"]) == len(errata.CLIPS) * 3
    for row in STORED["cdpam"]:
        assert row["int16"] > 1000 * row["unit"]
