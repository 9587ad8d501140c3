"""The section on rate and quality as a user sees it: pytest in a process of its own."""

import json

import pytest

WORKERS = pytest.mark.parametrize("workers", [0, 2])
PROFILE = """
codecs = [NoCodec("image"), *map({jpeg}, (20, 40, 60, 80))]
profile = Profile("toy", cases([ToyTask()], codecs, MARGINS))
"""
LOWER = """
@dataclass(frozen=True)
class Lower(Jpeg):
    def encode(self, signal):
        return Jpeg(self.quality // 2).encode(signal)
"""
BEFORE = PROFILE.format(jpeg="Jpeg")
NOW = LOWER + PROFILE.format(jpeg="Lower")
NAMES = [f"jpeg-q{quality}" for quality in (20, 40, 60, 80)]


def results(pytester):
    return json.loads((pytester.path / "results.json").read_text())


@WORKERS
def test_fewer_bits_and_a_worse_score_fail_and_the_section_tells_the_price(gate, pytester, workers):
    gate("--mpq-update-new", change=BEFORE).assert_outcomes(passed=6)
    result = gate("--mpq-json", "results.json", change=NOW, workers=workers)
    data = results(pytester)
    assert result.ret == 1
    assert {case["codec"]: case["verdict"] for case in data["cases"]} == {
        "none": "PASS",
        **dict.fromkeys(NAMES, "REGRESSION"),
    }
    assert max(case["metrics"]["bits_per_pixel"]["drop"] for case in data["cases"][1:]) < 0

    (curve,) = data["curves"]
    assert (curve["task"], curve["codec"], curve["settings"]) == ("toy", "jpeg", NAMES)
    assert (curve["missing"], curve["identical"], curve["num_samples"]) == ("", False, 8)
    assert list(curve["metrics"]) == ["psnr_db", "lpips", "top1", "nll"]
    psnr = curve["metrics"]["psnr_db"]
    assert psnr["interval"][0] <= psnr["drop"] <= psnr["interval"][1]

    lines = result.stdout.lines
    start = next(index for index, line in enumerate(lines) if line.startswith("rate and quality"))
    assert lines[start + 1].startswith("toy jpeg (4 settings)")
    section = lines[start + 2 : start + 6]
    assert [line.split()[0] for line in section] == list(curve["metrics"])
    assert f"psnr_db {psnr['drop']:+.2f} (" in section[0]
    assert max(map(len, section)) <= 100


def test_an_update_is_compared_with_what_it_replaces(gate, pytester):
    first = gate("--mpq-update-new", change=BEFORE)
    first.stdout.fnmatch_lines(["toy jpeg *no comparison, because there are no baselines to*"])
    accept = ("--mpq-update", "--mpq-reason", "smaller", "--mpq-json", "results.json")
    assert gate(*accept, change=NOW).ret == 0
    assert results(pytester)["curves"][0]["metrics"]["psnr_db"]["drop"] != 0
    result = gate("--mpq-json", "results.json", change=NOW)
    result.stdout.fnmatch_lines(["rate and quality*", "toy jpeg (4 settings): all rates and *"])
    assert results(pytester)["curves"][0]["metrics"]["nll"]["interval"] == [0.0, 0.0]


def test_a_single_setting_makes_no_section(gate):
    result = gate("--mpq-update-new")
    result.stdout.no_fnmatch_line("*rate and quality*")
