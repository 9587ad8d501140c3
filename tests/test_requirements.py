"""What a profile needs: listed from what is on the disk, without network or heavy imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from paper_data import PaperData
from toy_gate import make_profile

from mpq_checks.codecs import Msillm
from mpq_checks.models.demucs_packages import BAGS
from mpq_checks.models.paper import VIT_BEANS, WHISPER_MEDIUM
from mpq_checks.profiles import load_profile
from mpq_checks.profiles.requirements import Requirement, requirements


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has nothing."""
    from huggingface_hub import constants

    for name in ("MPQ_DATA_DIR", "MPQ_MODELS_DIR", "MPQ_WEIGHTS_DIR", "MPQ_TFCI_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def by_name(profile: str) -> dict[str, Requirement]:
    return {each.name: each for each in requirements(load_profile(profile))}


def test_a_bare_machine_is_told_where_to_get_all(bare: Path) -> None:
    found = by_name("paper")
    assert {each.kind for each in found.values()} == {"dataset", "model", "weights", "environment"}
    for each in found.values():
        assert bool(each.where) != bool(each.missing)
        assert each.licence
        assert each.used_by
    missing = {name: each.missing for name, each in found.items()}
    assert "MPQ_DATA_DIR" in missing["imagenet"]
    assert "Mozilla Data Collective" in missing["common-voice"]
    assert f"MPQ_MODELS_DIR/{VIT_BEANS.repo}" in missing[VIT_BEANS.repo]
    assert "mpq fetch-official hific-lo" in missing["hific-lo"]
    assert "mpq setup-tfci" in missing["tensorflow-compression"]
    assert "mbt2018-1-3f36cd77.pth.tar into MPQ_WEIGHTS_DIR" in missing["mbt2018-1"]
    assert "mpq fetch" in missing["demucs-75fc33f5"]
    assert found[WHISPER_MEDIUM.repo].num_bytes == WHISPER_MEDIUM.num_bytes
    assert found["mbt2018-1"].num_bytes is None  # only a bound is known
    assert found["lpips-vgg16-trunk"].num_bytes == 58_866_625
    assert found["hific-lo"].used_by == tuple(
        f"{task}/hific-lo" for task in ("imagenet-1k", "chest-xray", "beans", "ade20k")
    )
    assert len(found["common-voice"].used_by) == 8
    assert not (bare / "cache").exists()


def test_as_published_needs_another_demucs(bare: Path) -> None:
    names = set(by_name("paper-as-published"))
    assert "demucs-955717e8" in names
    assert "demucs-75fc33f5" not in names
    assert "whisper-english-spelling" not in names


def test_what_is_here_is_found(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PaperData(num_images=3).write_beans(bare / "data")
    model = bare / "models" / VIT_BEANS.repo
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"x")
    weights = bare / "weights"
    weights.mkdir()
    for name in ("hific-lo.metagraph", "mbt2018-1-3f36cd77.pth.tar"):
        (weights / name).write_bytes(b"x")
    packages = bare / "models" / "demucs" / "hdemucs_mmi"
    packages.mkdir(parents=True)
    (signature,) = BAGS["hdemucs_mmi"].signatures
    (packages / f"{signature}.th").write_bytes(b"x")
    for variable, folder in (("DATA", "data"), ("MODELS", "models"), ("WEIGHTS", "weights")):
        monkeypatch.setenv(f"MPQ_{variable}_DIR", str(bare / folder))
    monkeypatch.setenv("MPQ_TFCI_PYTHON", sys.executable)
    found = by_name("paper")
    assert found["beans"].where == str(bare / "data" / "beans" / "validation")
    assert found[VIT_BEANS.repo].where == str(model)
    assert found["hific-lo"].where == str(weights / "hific-lo.metagraph")
    assert found["mbt2018-1"].where == str(weights / "mbt2018-1-3f36cd77.pth.tar")
    assert found["tensorflow-compression"].where == sys.executable
    assert found["demucs/hdemucs_mmi"].where == str(packages)
    assert "demucs-75fc33f5" not in found
    for name in ("beans", VIT_BEANS.repo, "hific-lo", "mbt2018-1", "demucs/hdemucs_mmi"):
        assert not found[name].missing


def test_a_folder_of_demucs_without_its_package_is_told(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "demucs" / "hdemucs_mmi").mkdir(parents=True)
    monkeypatch.setenv("MPQ_MODELS_DIR", str(bare))
    found = by_name("paper")
    assert "no package 75fc33f5" in found["demucs/hdemucs_mmi"].missing
    assert "cdpam" in found


def test_a_folder_that_is_none_is_told(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPQ_DATA_DIR", str(bare / "nowhere"))
    assert "which is not a folder" in by_name("paper")["beans"].missing


def test_other_profiles_are_listed_too(bare: Path) -> None:
    found = by_name("mini")
    assert found["ljspeech"].kind == "dataset"
    assert found["whisper-tiny-en"].kind == "weights"
    assert found["lpips-alexnet-trunk"].missing == (
        "run `mpq fetch`, or put alexnet.ckpt into MPQ_WEIGHTS_DIR"
    )
    (one,) = requirements(make_profile(codec=Msillm("3")))
    assert (one.name, one.kind, one.used_by) == ("msillm-3", "weights", ("toy/msillm-3",))


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from mpq_checks.profiles import load_profile\n"
        "from mpq_checks.profiles.requirements import requirements\n"
        "requirements(load_profile('paper'))\n"
        "heavy = {'torch', 'transformers', 'scipy', 'pyarrow', 'demucs'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
