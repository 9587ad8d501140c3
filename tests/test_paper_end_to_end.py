"""The paper's two profiles from end to end, by the command that users run; only places differ.

Datasets and models are made by the test in the formats of their publishers. Whisper tiny.en, LPIPS
and CDPAM have their real weights. The first run reads folders and writes baselines, the second
reads a hub and is judged by them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hub_server import HubServer
from paper_data import PaperData
from paper_models import write_paper_models
from paper_weights import write_encodec, write_mbt2018

from mpq_checks.assets import asset_path
from mpq_checks.codecs.tfci import environment
from mpq_checks.datasets.ljspeech_mini import read_clip
from mpq_checks.models.paper import WHISPER_TINY
from mpq_checks.profiles import Case, Profile, load_profile

pytestmark = pytest.mark.assets

ROOT = Path(__file__).parent.parent
TINY = "common-voice-11-tiny"
LEFT_OUT = {"paper": TINY, "paper-as-published": "common-voice-11"}
"""Of the second run: the real Whisper and CDPAM take most of the time."""

DATA: Mapping[str, Any] = {"num_images": 3, "num_tracks": 2, "track_seconds": 0.1}
REAL_PYTHON = os.environ.get(environment.VARIABLE)
SPOKEN = {"LJ001-0001": "Printing", "LJ001-0002": "in being"}
_SPOKEN_SECONDS = 0.5
_SPEECH_RATE = 32_000
_SECONDS = 900

Cases: TypeAlias = Mapping[str, Mapping[str, Any]]


def _excerpt(sample_id: str) -> Any:
    """The first words of a clip, as float32 channels x samples at 32 kHz."""
    import soxr

    audio, _ = read_clip(sample_id)
    start = audio.samples[:, : round(_SPOKEN_SECONDS * audio.sample_rate)]
    return soxr.resample(start.T, audio.sample_rate, _SPEECH_RATE).T.astype("float32")


@dataclass(frozen=True)
class Run:
    """Exit status, output, and the cases of the results by id."""

    status: int
    output: str
    cases: Cases


@dataclass(frozen=True)
class Study:
    """A folder with all that the runs read and write."""

    root: Path
    hub: HubServer

    def run(self, profile: str, *options: str, hub: bool = False) -> Run:
        """`pytest suites --mpq-profile ...` over the folders, or over the hub."""
        results = self.root / f"{profile}-{'hub' if hub else 'folders'}.json"
        command = [
            *(sys.executable, "-m", "pytest", str(ROOT / "suites"), "-q", "--no-header"),
            *("-c", str(self.root / "pytest.ini"), "--rootdir", str(self.root)),
            *("-p", "no:cacheprovider", "-p", "paper_pins", "-n", "0"),
            *("--mpq-profile", profile, "--mpq-device", _device()),
            *("--mpq-baselines", str(self.root / "baselines"), "--mpq-json", str(results)),
            *options,
        ]
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self._environment(hub=hub),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        output = done.stdout + done.stderr
        assert results.is_file(), output
        cases = json.loads(results.read_text())["cases"]
        return Run(done.returncode, output, {f"{c['task']}/{c['codec']}": c for c in cases})

    def _environment(self, *, hub: bool) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "COV_", "MPQ_", "HF_", "GITHUB_"))
        }
        models, data = ("only-demucs", "only-speech") if hub else ("models", "data")
        return {
            **kept,
            "PYTHONPATH": str(ROOT / "tests"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_PROXY": "127.0.0.1",
            "MPQ_CACHE_DIR": str(self.root / "cache"),
            "MPQ_WEIGHTS_DIR": str(self.root / "weights"),
            "MPQ_MODELS_DIR": str(self.root / models),
            "MPQ_DATA_DIR": str(self.root / data),
            environment.VARIABLE: REAL_PYTHON or str(self.root / "no-python"),
            **(self.hub.environment(self.root / "hub") if hub else {"MPQ_OFFLINE": "1"}),
        }


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, whisper_checkpoint: Path) -> Any:
    root = tmp_path_factory.mktemp("study")
    (root / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    clips = tuple((_excerpt(name), _SPEECH_RATE, words) for name, words in SPOKEN.items())
    data = PaperData(**DATA, clips=clips)
    data.write(root / "data")
    data.write_common_voice(root / "only-speech")
    write_paper_models(root / "models")
    _replace(root / "models" / WHISPER_TINY.repo, whisper_checkpoint)
    (root / "only-demucs").mkdir()
    (root / "only-demucs" / "demucs").symlink_to(root / "models" / "demucs")
    _write_weights(root / "weights")
    hub = HubServer()
    hub.files = {**data.repositories(), **_hub_models(root / "models")}
    yield Study(root, hub)
    hub.close()


def _replace(folder: Path, checkpoint: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    for path in checkpoint.iterdir():
        (folder / path.name).symlink_to(path)


def _hub_models(root: Path) -> dict[str, dict[str, bytes]]:
    return {
        f"{folder.parent.name}/{folder.name}": {
            path.name: path.read_bytes() for path in folder.iterdir()
        }
        for folder in root.glob("*/*")
        if folder.parent.name != "demucs"
    }


def _write_weights(folder: Path) -> None:
    folder.mkdir()
    write_mbt2018(folder)
    write_encodec(folder)
    for name in ("lpips-vgg16-trunk", "whisper-english-spelling"):
        path = asset_path(name)
        (folder / path.name).symlink_to(path)
    if REAL_PYTHON is not None:
        export = ROOT / "training" / "export_small_metagraph.py"
        command = [REAL_PYTHON, "-I", str(export), str(folder / "hific-lo.metagraph")]
        subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True)
class Runs:
    """Of a profile: the run from folders that accepts all, and the one from a hub after it."""

    profile: Profile
    status: tuple[int, int]
    output: tuple[str, str]
    first: Cases
    second: Cases

    def measured(self) -> list[Case]:
        """The cases that this machine can run."""
        return [case for case in self.profile.cases if REAL_PYTHON or case.codec.name != "hific-lo"]


@pytest.fixture(scope="module", params=tuple(LEFT_OUT))
def runs(request: pytest.FixtureRequest, study: Study) -> Runs:
    name = request.param
    folders = study.run(name, "--mpq-update-new")
    hub = study.run(name, "-k", f"not {LEFT_OUT[name]}", hub=True)
    return Runs(
        load_profile(name),
        (folders.status, hub.status),
        (folders.output, hub.output),
        folders.cases,
        hub.cases,
    )


def test_every_case_is_measured_and_accepted_from_folders(runs: Runs) -> None:
    for case in runs.measured():
        found = runs.first[case.id]
        assert found["verdict"] == "NEW", runs.output[0]
        assert not found["message"]
        assert list(found["metrics"]) == [metric.name for metric in case.metrics]


def test_from_the_hub_every_case_is_the_same(runs: Runs) -> None:
    again = [case for case in runs.measured() if case.id in runs.second]
    assert {"beans", "musdb18-hq"} <= {case.task.name for case in again}
    for case in again:
        before, after = runs.first[case.id], runs.second[case.id]
        assert after["verdict"] == "PASS", runs.output[1]
        if _device() == "cpu":
            assert _values(after) == _values(before)


def _values(case: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metric["value"] for name, metric in case["metrics"].items()}


def test_evidence_says_where_data_and_models_came_from(runs: Runs) -> None:
    for case in runs.measured():
        task = runs.first[case.id]["identities"]["task"]
        assert "dataset folder" in task
    beans = runs.second["beans/jpeg-q5"]["identities"]["task"]
    assert beans["dataset repository"] == "AI-Lab-Makerere/beans"
    assert len(beans["dataset commit"]) == 40
    assert any(key.endswith(".parquet") for key in beans)


@pytest.mark.skipif(REAL_PYTHON is not None, reason=f"{environment.VARIABLE} is set")
def test_without_tensorflow_the_official_hific_fails_and_says_what_to_do(runs: Runs) -> None:
    assert runs.status == (1, 1)
    lacking = [case.id for case in runs.profile.cases if case.codec.name == "hific-lo"]
    assert len(lacking) == 4
    for name in lacking:
        for cases in (runs.first, runs.second):
            assert cases[name]["verdict"] == "ERROR"
            assert "hific-lo.metagraph is not here" in cases[name]["message"]
            assert "mpq fetch-official hific-lo" in cases[name]["message"]


@pytest.mark.tfci
@pytest.mark.skipif(REAL_PYTHON is None, reason=f"needs {environment.VARIABLE}")
def test_with_tensorflow_the_whole_study_passes(runs: Runs) -> None:
    assert runs.status == (0, 0), "".join(runs.output)


def test_real_weights_find_what_they_should(runs: Runs) -> None:
    """Whisper tiny.en hears the words; MP3 and Opus are near, random EnCodec is far."""
    values = {
        codec: runs.first[f"{TINY}/{codec}"]["metrics"]
        for codec in ("none", "opus-6kbps", "encodec-48khz-6kbps")
    }
    heard = values["none"]["wra"]["value"]
    if runs.profile.name == "paper":
        assert heard == 1.0
        assert 0.05 < values["opus-6kbps"]["cdpam"]["value"] < 0.5
    else:
        assert heard < 1.0  # "Printing." is not "Printing" as written
        assert values["opus-6kbps"]["cdpam"]["value"] < 1e-3
    assert values["opus-6kbps"]["cdpam"]["value"] < values["encodec-48khz-6kbps"]["cdpam"]["value"]


def test_rates_of_mp3_are_those_of_the_protocol(runs: Runs) -> None:
    """8 kbps in stereo at 44.1 kHz, or the 32 that the paper printed as 0.3628."""
    (name,) = (case.id for case in runs.profile.cases if case.id.startswith("musdb18-hq/mp3"))
    kbps = runs.first[name]["metrics"]["bits_per_sample"]["value"] * 2 * 44.1
    asked = 8 if runs.profile.name == "paper" else 32
    padding_kbps = 8 * 2000 / DATA["track_seconds"] / 1000  # whole frames and headers of a 0.1 s
    assert asked <= kbps < asked + padding_kbps
