"""Models of the hub: local folders, a hub on this machine, its cache, and what goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_hub import FakeHub
from paper_models import BEANS, CHEST_XRAY, write_segformer, write_vit, write_whisper

from mpq_checks.errors import AssetCorruptError, AssetMissingError, ModelError
from mpq_checks.models import paper
from mpq_checks.models.hub import LOCAL, HubModel
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.models.whisper import HuggingFaceWhisper
from mpq_checks.signals import Audio, Image

REPO = "owner/vit-beans"
MAIN = HubModel(REPO)
NOWHERE = "http://127.0.0.1:9"


def use_endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What HF_ENDPOINT sets when huggingface_hub is first imported."""
    from huggingface_hub import constants

    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty caches, downloads allowed, and no hub beyond this machine."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    use_endpoint(monkeypatch, NOWHERE)
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "mpq-cache"))
    monkeypatch.delenv("MPQ_MODELS_DIR", raising=False)
    monkeypatch.delenv("MPQ_OFFLINE", raising=False)
    monkeypatch.setattr("mpq_checks.models.hub._checked", set())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub = FakeHub()
    use_endpoint(monkeypatch, hub.url)
    yield hub
    hub.close()


@pytest.fixture(scope="session")
def beans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beans")
    write_vit(folder, BEANS)
    return folder


def picture(seed: int = 0) -> Image:
    return Image(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8))


def logits(place: Any) -> np.ndarray:
    return HuggingFaceImageClassifier(place).load("cpu").logits([picture()])


def record(tmp_path: Path) -> dict[str, Any]:
    found = json.loads((tmp_path / "mpq-cache/hub/owner--vit-beans@main.json").read_text())
    assert isinstance(found, dict)
    return found


def test_fetched_model_is_that_of_the_folder_and_its_commit_is_recorded(
    hub: FakeHub, beans: Path, tmp_path: Path
) -> None:
    commit = hub.push(REPO, beans)
    assert not MAIN.is_here()
    np.testing.assert_array_equal(logits(MAIN), logits(beans))
    assert MAIN.is_here()
    identity = HuggingFaceImageClassifier(MAIN).identity()
    expected = HuggingFaceImageClassifier(beans).identity()
    assert identity == {**expected, "repo": REPO, "commit": commit}
    assert HuggingFaceImageClassifier(MAIN).class_names() == BEANS
    assert record(tmp_path)["commit"] == commit
    assert record(tmp_path)["files"]["model.safetensors"] == expected["weights_sha256"]


def test_branch_stays_at_the_commit_of_the_first_use(
    hub: FakeHub, beans: Path, tmp_path: Path
) -> None:
    first = hub.push(REPO, beans)
    before = MAIN.snapshot()
    write_vit(tmp_path / "other", BEANS, seed=9)
    second = hub.push(REPO, tmp_path / "other")
    hub.requests.clear()
    assert MAIN.snapshot() == before
    assert not hub.requests, "files that are here ask nobody"
    shutil.rmtree(tmp_path / "hub-cache")
    assert not MAIN.is_here()
    assert MAIN.snapshot().commit == first, "fetched anew at the recorded commit"
    assert HubModel(REPO, second).snapshot().commit == second


def test_without_the_network_the_hubs_cache_serves(
    hub: FakeHub, beans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub import constants

    commit = hub.push(REPO, beans)
    # As transformers itself leaves it there, before this package ever runs.
    for path in beans.iterdir():
        huggingface_hub.hf_hub_download(REPO, path.name, cache_dir=constants.HF_HUB_CACHE)
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    hub.requests.clear()
    for model in (MAIN, HubModel(REPO, commit)):
        assert model.is_here()
        assert model.snapshot().commit == commit
        np.testing.assert_array_equal(logits(model), logits(beans))
    assert not hub.requests
    (MAIN.snapshot().folder / "model.safetensors").unlink()
    shutil.rmtree(tmp_path / "mpq-cache")
    assert not MAIN.is_here(), "weights are missing"


def test_unreachable_hub_falls_back_to_its_cache(
    hub: FakeHub, beans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.push(REPO, beans)
    pinned = HubModel(REPO, commit)
    pinned.snapshot()
    shutil.rmtree(tmp_path / "mpq-cache")
    use_endpoint(monkeypatch, NOWHERE)
    assert pinned.snapshot().commit == commit


@pytest.mark.parametrize("name", ["owner/vit-beans", "owner--vit-beans"])
def test_local_folder_comes_first_and_asks_nobody(
    hub: FakeHub, beans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hub.push(REPO, beans)
    write_vit(tmp_path / "models" / name, BEANS, seed=3)
    monkeypatch.setenv("MPQ_MODELS_DIR", str(tmp_path / "models"))
    assert MAIN.is_here()
    assert MAIN.snapshot().folder == tmp_path / "models" / name
    np.testing.assert_array_equal(logits(MAIN), logits(tmp_path / "models" / name))
    assert HuggingFaceImageClassifier(MAIN).identity()["commit"] == LOCAL
    assert not hub.requests


def test_only_files_that_are_used_are_fetched(hub: FakeHub, beans: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(beans, tmp_path / "repo"))
    for name in ("pytorch_model.bin", "training_args.bin", "tf_model.h5", "README.md", "model.py"):
        (folder / name).write_bytes(b"x")
    hub.push(REPO, folder)
    fetched = {path.name for path in MAIN.snapshot().folder.iterdir()}
    assert fetched == {"config.json", "preprocessor_config.json", "model.safetensors"}


def test_sharded_weights(hub: FakeHub, beans: Path, tmp_path: Path) -> None:
    from transformers import ViTForImageClassification

    folder = Path(shutil.copytree(beans, tmp_path / "repo"))
    (folder / "model.safetensors").unlink()
    model = ViTForImageClassification.from_pretrained(beans)
    model.save_pretrained(folder, max_shard_size="20KB")
    hub.push(REPO, folder)
    np.testing.assert_array_equal(logits(MAIN), logits(beans))
    assert len(list(MAIN.snapshot().folder.glob("model-*.safetensors"))) > 1


def test_pickled_weights_only_where_there_is_nothing_better_and_without_code(
    hub: FakeHub, beans: Path, tmp_path: Path
) -> None:
    import pickle

    import torch
    from safetensors.torch import load_file

    folder = Path(shutil.copytree(beans, tmp_path / "repo"))
    (folder / "model.safetensors").unlink()
    torch.save(load_file(beans / "model.safetensors"), folder / "pytorch_model.bin")
    good = HubModel(REPO, hub.push(REPO, folder))
    np.testing.assert_array_equal(logits(good), logits(beans))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Touch(tmp_path / "executed")))
    bad = HubModel(REPO, hub.push(REPO, folder))
    with pytest.raises(ModelError, match="cannot be loaded"):
        logits(bad)
    assert not (tmp_path / "executed").exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_damaged_cache_is_named(hub: FakeHub, beans: Path, tmp_path: Path) -> None:
    hub.push(REPO, beans)
    folder = MAIN.snapshot().folder
    weights = (folder / "model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-8])
    from mpq_checks.models import hub as module

    module._checked.clear()
    with pytest.raises(AssetCorruptError, match=r"model\.safetensors has SHA-256 .*first use"):
        MAIN.snapshot()
    path = tmp_path / "mpq-cache/hub/owner--vit-beans@main.json"
    path.write_text("[]")
    with pytest.raises(AssetCorruptError, match=r"@main\.json is not the record"):
        MAIN.snapshot()


def test_broken_download_leaves_no_record(hub: FakeHub, beans: Path, tmp_path: Path) -> None:
    hub.push(REPO, beans)
    hub.broken.add("model.safetensors")
    with pytest.raises(AssetMissingError, match="cannot be fetched"):
        MAIN.snapshot()
    assert not (tmp_path / "mpq-cache/hub/owner--vit-beans@main.json").exists()
    hub.broken.clear()
    np.testing.assert_array_equal(logits(MAIN), logits(beans))


def test_errors_name_the_model_its_page_and_the_folder(
    hub: FakeHub, beans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.push(REPO, beans)
    monkeypatch.setenv("MPQ_MODELS_DIR", str(tmp_path / "models"))

    def message(model: HubModel) -> str:
        with pytest.raises(AssetMissingError) as caught:
            model.snapshot()
        text = str(caught.value)
        assert f"{hub.url}/{model.repo}" in text
        assert f"{tmp_path / 'models'}/{model.repo}" in text
        return text

    assert "no such model" in message(HubModel("owner/absent"))
    assert "no revision 0123abc" in message(HubModel(REPO, "0123abc"))
    hub.gated.add(REPO)
    assert "hf auth login" in message(MAIN)
    hub.gated.clear()
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    assert "--mpq-offline" in message(MAIN)


def test_no_network_at_all() -> None:
    with pytest.raises(AssetMissingError, match=r"owner/vit-beans is not here.*MPQ_MODELS_DIR"):
        MAIN.snapshot()


def test_repository_without_a_model(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing")
    hub.push(REPO, tmp_path)
    with pytest.raises(AssetMissingError, match="none of the files"):
        MAIN.snapshot()


@pytest.mark.parametrize("repo", ["", "vit", "../x/y", "a/../b", "a/b/c", "a/..", "/a/b", "a--b/c"])
def test_names_that_lead_elsewhere_are_refused(repo: str) -> None:
    with pytest.raises(ModelError, match="owner/name"):
        HubModel(repo)
    with pytest.raises(ModelError, match="commit"):
        HubModel(REPO, "../main")


def test_wrong_class_is_named(hub: FakeHub, beans: Path) -> None:
    hub.push(REPO, beans)
    with pytest.raises(ModelError, match="AutoModelForSemanticSegmentation"):
        HuggingFaceSegmenter(MAIN).load("cpu")
    with pytest.raises(ModelError, match="WhisperForConditionalGeneration"):
        HuggingFaceWhisper(MAIN).load("cpu")


def test_missing_processor_is_named(hub: FakeHub, beans: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(beans, tmp_path / "repo"))
    (folder / "preprocessor_config.json").unlink()
    hub.push(REPO, folder)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        HuggingFaceImageClassifier(MAIN).load("cpu")


def test_all_kinds_of_models_come_from_the_hub(hub: FakeHub, tmp_path: Path) -> None:
    writers = {
        paper.VIT_CHEST_XRAY.repo: lambda folder: write_vit(folder, CHEST_XRAY),
        paper.SEGFORMER_ADE20K.repo: write_segformer,
        paper.WHISPER_TINY.repo: write_whisper,
    }
    for repo, write in writers.items():
        write(tmp_path / repo)
        hub.push(repo, tmp_path / repo)
    classifier = HuggingFaceImageClassifier(HubModel(paper.VIT_CHEST_XRAY.repo))
    assert classifier.class_names() == CHEST_XRAY
    assert classifier.load("cpu").logits([picture()]).shape == (1, 2)
    segmenter = HuggingFaceSegmenter(HubModel(paper.SEGFORMER_ADE20K.repo))
    assert segmenter.load("cpu").segment(picture()).shape == (40, 50)
    recogniser = HuggingFaceWhisper(HubModel(paper.WHISPER_TINY.repo))
    audio = Audio(np.zeros((1, 8000), np.float32), 16000)
    assert recogniser.load("cpu").reference_nll(audio, "ab")[1] == 4
    assert recogniser.identity()["repo"] == paper.WHISPER_TINY.repo


def test_paper_models_are_pinned_where_a_commit_is_known() -> None:
    models = [getattr(paper, name) for name in paper.__all__]
    assert len({model.repo for model in models}) == 6
    unpinned = [model.repo for model in models if model.revision == "main"]
    assert unpinned == [paper.VIT_CHEST_XRAY.repo]
    assert all(len(model.revision) == 40 for model in models if model.revision != "main")
    assert all(model.num_bytes > 10**7 for model in models)


def test_the_environment_that_users_set(hub: FakeHub, beans: Path, tmp_path: Path) -> None:
    """HF_ENDPOINT and HF_HOME are read by huggingface_hub itself, in a process of its own."""
    commit = hub.push(REPO, beans)
    code = (
        "from mpq_checks.models.hub import HubModel\n"
        f"found = HubModel({REPO!r}).snapshot()\n"
        "print(found.commit, found.folder)"
    )
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf-home"),
        "MPQ_CACHE_DIR": str(tmp_path / "cache"),
    }
    environment.pop("HF_HUB_CACHE", None)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == commit
        assert str(tmp_path / "hf-home") in done.stdout
        assert "%" not in done.stderr, "no progress bars"
        environment["MPQ_OFFLINE"] = "1"
