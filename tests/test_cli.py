"""The `mpq` command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from toy_gate import make_profile

from mpq_checks.cli import main
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.results import results, write_results

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def toy_gate_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS))


def test_list_prints_one_line_a_case(capsys):
    assert main(["list", "--mpq-profile", "toy_gate:profile"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["toy/none", "toy/jpeg-q50"]


def test_list_as_json(capsys):
    assert main(["list", "--json", "--mpq-profile", "toy_gate:profile"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["profile"] == "toy"
    assert data["cases"][1]["codec"] == "jpeg-q50"
    assert data["cases"][1]["margins"]["bits_per_pixel"]["relative"] is True


def test_mini_has_six_tasks_uncompressed_and_with_each_codec_of_its_modality(capsys):
    assert main(["list", "--json"]) == 0
    cases = json.loads(capsys.readouterr().out)["cases"]
    by_task = {}
    for case in cases:
        by_task.setdefault(case["task"], []).append(case["codec"])
    images = ["none", "jpeg-q5", "webp-q0", "mbt2018-compact", "hific-compact"]
    assert by_task == {
        "imagenet-mini": images,
        "chest-xray-mini": images,
        "solar-mini": images,
        "lungs-mini": images,
        "ljspeech-mini": ["none", "mp3-8kbps", "opus-6kbps", "encodec-compact-6kbps"],
        "music-mini": ["none", "mp3-8kbps-24khz", "opus-6kbps", "encodec-compact-6kbps"],
    }


def test_an_unknown_profile_is_one_clear_line(capsys):
    assert main(["list", "--mpq-profile", "huge"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("mpq: there is no profile 'huge'; there are mini")
    assert "Traceback" not in error


def test_doctor_finds_missing_baselines(capsys, tmp_path):
    arguments = ["doctor", "--mpq-profile", "toy_gate:profile", "--mpq-baselines", str(tmp_path)]
    assert main(arguments) == 1
    output = capsys.readouterr().out
    assert "PROBLEM baseline toy/none" in output
    assert "codec jpeg-q50" in output
    assert "asset cache" in output


def test_doctor_prints_what_each_case_can_show(capsys, tmp_path, monkeypatch):
    from toy_gate import profile

    from mpq_checks.baselines import Baseline, baseline_path, write_baseline
    from mpq_checks.measure import measure

    monkeypatch.setenv("COLUMNS", "120")
    case = profile.cases[1]
    path = baseline_path(tmp_path, "toy", "toy", case.codec.name)
    write_baseline(path, Baseline({}, measure(case, profile="toy"), ()))
    main(["doctor", "--mpq-profile", "toy_gate:profile", "--mpq-baselines", str(tmp_path)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = {row[1]: row[2:] for row in rows if row[:1] == ["toy/jpeg-q50"]}
    assert list(found) == ["bits_per_pixel", "psnr_db", "lpips", "top1", "nll"]
    size, margin, shows, needed = found["top1"][:4]
    assert (size, margin, shows) == ("8", "0.5", "inf")
    assert int(needed) > 8
    assert " ".join(found["top1"][4:]) == "cannot show its margin"
    size, margin, shows, needed = found["psnr_db"][:4]
    assert (size, margin) == ("8", "0.1")
    suffices = float(shows) <= 0.1
    assert (int(needed) <= 8) == suffices == (len(found["psnr_db"]) == 4)


def test_fetch_of_a_profile_without_assets(capsys):
    assert main(["fetch", "--mpq-profile", "toy_gate:profile"]) == 0


def test_python_dash_m():
    done = subprocess.run(
        [sys.executable, "-m", "mpq_checks", "--help"], capture_output=True, text=True, check=True
    )
    assert "doctor" in done.stdout


def test_a_wrong_command_line_exits_with_two():
    with pytest.raises(SystemExit) as stop:
        main(["lst"])
    assert stop.value.code == 2


def test_list_tells_errata_and_what_is_missing_with_size_licence_and_mend(capsys, monkeypatch):
    monkeypatch.delenv("MPQ_DATA_DIR", raising=False)
    assert main(["list", "--mpq-profile", "paper-as-published"]) == 0
    cases, _, needs = capsys.readouterr().out.partition("\n\n")
    line = next(line for line in cases.splitlines() if line.startswith("imagenet-1k/hific-lo "))
    assert "errata: " in line
    assert "missing: " in line
    assert "nvidia/segformer-b0-finetuned-ade-512-512: model, 15.0 MB, licence NVIDIA" in needs
    assert "missing: Get common-voice from https://datacollective.mozillafoundation.org" in needs


def test_needs_are_told_though_nothing_is_missing(capsys):
    assert main(["list", "--needs"]) == 0
    out = capsys.readouterr().out
    assert "lpips-alexnet-trunk: weights, 9.9 MB, licence" in out


def test_fetch_goes_on_after_what_cannot_be_had(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path))
    assert main(["fetch", "--mpq-profile", "paper"]) == 1
    told = capsys.readouterr().err
    assert "openai/whisper-medium is not here" in told
    assert "musdb is not here" in told


@pytest.fixture
def results_file(tmp_path):
    settings = GateSettings(make_profile(), tmp_path / "baselines", "new", device="cpu")
    outcomes = [run_case(case, settings) for case in settings.profile.cases]
    path = tmp_path / "results.json"
    write_results(path, results(make_profile(), outcomes, tmp_path / "baselines"))
    return path


def test_report_writes_the_page_with_the_samples_of_ones_own_profile(
    capsys, results_file, tmp_path
):
    arguments = ["report", str(results_file), "--output", str(tmp_path / "report")]
    assert main([*arguments, "--mpq-profile", "toy_gate:profile"]) == 0
    page = tmp_path / "report" / "index.html"
    assert capsys.readouterr().out.strip() == str(page)
    assert page.read_text(encoding="utf-8").count("data:image/webp") >= 4
    assert (tmp_path / "report" / "results.json").is_file()


def test_report_says_why_it_shows_no_samples(results_file, tmp_path):
    page = tmp_path / "report" / "index.html"
    assert main(["report", str(results_file), "--output", str(page.parent)]) == 0
    assert "Profile toy is not one of this package" in page.read_text(encoding="utf-8")
    assert main(["report", str(results_file), "--output", str(page.parent), "--no-samples"]) == 0
    assert "made with --no-samples" in page.read_text(encoding="utf-8")


def test_report_draws_figures_for_papers(results_file, tmp_path):
    arguments = ["report", str(results_file), "--output", str(tmp_path), "--no-samples"]
    assert main([*arguments, "--figures"]) == 0
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".svg", ".png"}


def test_report_of_no_results_is_one_clear_line(capsys, tmp_path):
    assert main(["report", str(tmp_path / "results.json")]) == 1
    assert "run pytest with --mpq-json" in capsys.readouterr().err
