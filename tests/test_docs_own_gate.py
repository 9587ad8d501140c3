"""docs/how-to/own-model.md, run as it stands: its files and commands, with a local checkpoint."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs_pages import DOCS, ROOT
from toy_gate import ToyTask

from mpq_checks.assets import asset_path
from mpq_checks.codecs import Codec
from mpq_checks.measure import measure
from mpq_checks.profiles import DEFAULT_MARGINS, Case, load_profile
from mpq_checks.torch_stack import prepare

pytestmark = pytest.mark.assets

PAGE = (DOCS / "how-to" / "own-model.md").read_text(encoding="utf-8")
CODEC_PAGE = (DOCS / "how-to" / "own-codec.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```\w+ title=\"([\w.]+)\"\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.fixture
def repository(tmp_path, whisper_checkpoint) -> Path:
    for name, text in BLOCK.findall(PAGE):
        (tmp_path / name).write_text(text)
    _photos(tmp_path / "samples" / "photos")
    _speech(tmp_path / "samples" / "speech")
    _classifier(tmp_path / "models" / "classifier")
    shutil.copytree(whisper_checkpoint, tmp_path / "models" / "whisper")
    return tmp_path


def test_the_example_is_short():
    files = dict(BLOCK.findall(PAGE))
    assert set(files) == {"gate.py", "test_gate.py", "pytest.ini"}
    assert sum(len(text.splitlines()) for text in files.values()) < 40


def test_the_codec_of_the_page_keeps_the_contract():
    source = dict(BLOCK.findall(CODEC_PAGE))["halfsize.py"]
    names: dict[str, Any] = {"__name__": "half_size"}
    exec(source, names)  # noqa: S102  (our own page)
    codec = names["HalfSize"]()
    assert isinstance(codec, Codec)
    case = Case(ToyTask(), codec, DEFAULT_MARGINS)
    rows = measure(case).rows
    assert len({row.encoded_sha256 for row in rows}) == len(rows)
    assert all(20 < row.psnr_db < 60 for row in rows)


def test_the_profile_of_the_readme_loads(tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    source = next(block for block in PYTHON.findall(readme) if "profile = " in block)
    assert len([line for line in source.splitlines() if line.strip()]) <= 10
    (tmp_path / "readme_gate.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    profile = load_profile("readme_gate:profile")
    assert [case.id for case in profile.cases] == [
        "photos/none",
        "photos/jpeg-q30",
        "photos/webp-q20",
    ]


def test_the_example_accepts_passes_and_catches_a_new_model(repository):
    accept, judge = [line for block in COMMANDS.findall(PAGE) for line in block.splitlines()]
    first = run(repository, accept)
    assert first.returncode == 0, first.stdout
    baselines = sorted(path.name for path in repository.glob("baselines/release/*/*.json"))
    expected = ["jpeg-q30.json", "none.json", "none.json", "opus-12kbps.json", "webp-q20.json"]
    assert baselines == expected

    second = run(repository, judge.replace("-n auto", "-n 2"))
    assert second.returncode == 0, second.stdout
    assert re.search(r"^photos/jpeg-q30 +PASS", second.stdout, re.MULTILINE)

    _classifier(repository / "models" / "classifier", seed=2)
    third = run(repository, judge.replace("-n auto", "-k photos"))
    assert third.returncode == 1
    # Four photographs cannot show it as a regression; they cannot show that there is none either.
    assert re.search(r"photos/none: (REGRESSION|INCONCLUSIVE)", third.stdout)
    assert "first moved link: model output" in third.stdout


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = command.split()
    assert program == "pytest"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _photos(folder: Path) -> None:
    for index, path in enumerate(sorted(asset_path("imagenet-foolbox").glob("*.jpg"))[:4]):
        target = folder / ("cat" if index % 2 else "dog") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _speech(folder: Path) -> None:
    folder.mkdir(parents=True)
    source = asset_path("ljspeech")
    with (source / "metadata.csv").open(encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("|") for line in file][:2]
    with (folder / "transcripts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "transcript"])
        for name, *_, transcript in rows:
            shutil.copy(source / "wavs" / f"{name}.wav", folder)
            writer.writerow([f"{name}.wav", transcript])


def _classifier(folder: Path, seed: int = 1) -> None:
    """Random weights: this proves plumbing, not quality."""
    prepare()
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(seed)
    config = ViTConfig(
        image_size=64, patch_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, num_labels=2, initializer_range=1.0,
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
