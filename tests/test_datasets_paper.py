"""The paper's datasets: the same samples from a folder and from the hub."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_server import HubServer, commit_of
from paper_data import COMMON_VOICE_HUB, SYNSETS, PaperData, parquet

from mpq_checks.datasets.base import Sample
from mpq_checks.datasets.paper import (
    Ade20k,
    Beans,
    ChestXray,
    CommonVoice,
    ImageNet,
    Musdb,
    ade20k,
)
from mpq_checks.errors import DatasetError

ALL = (
    ImageNet(),
    ChestXray(),
    Beans(),
    Ade20k(),
    CommonVoice(exclude=(3, 7), hub=COMMON_VOICE_HUB),
    Musdb(),
)
BY_NAME = pytest.mark.parametrize("dataset", ALL, ids=lambda dataset: dataset.name)


@pytest.fixture(scope="module")
def data() -> PaperData:
    return PaperData()


@pytest.fixture(scope="module")
def folders(data: PaperData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data.write(tmp_path_factory.mktemp("data"))


@pytest.fixture
def hub(data: PaperData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    server = HubServer()
    server.files.update(data.repositories())
    server.use(monkeypatch, tmp_path / "hf")
    monkeypatch.setenv("MPQ_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("MPQ_DATA_DIR", raising=False)
    monkeypatch.delenv("MPQ_OFFLINE", raising=False)
    yield server
    server.close()


def read(dataset: Any) -> list[Sample[Any]]:
    return [dataset.load(sample_id) for sample_id in dataset.sample_ids()]


def plain(reference: Any) -> Any:
    if isinstance(reference, np.ndarray):
        return reference.tolist()
    if isinstance(reference, dict):
        return {name: audio.sha256() for name, audio in reference.items()}
    return reference


def facts(sample: Sample[Any]) -> tuple[Any, ...]:
    return (
        sample.sample_id,
        sample.content_sha256,
        sample.signal.sha256(),
        plain(sample.reference),
        sample.cluster,
    )


@BY_NAME
def test_both_places_give_the_same_samples(
    dataset: Any, folders: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_hub = [facts(sample) for sample in read(dataset)]
    assert hub.requests > 0
    monkeypatch.setenv("MPQ_DATA_DIR", str(folders))
    asked = hub.requests
    from_folder = [facts(sample) for sample in read(dataset)]
    assert hub.requests == asked
    assert from_hub == from_folder
    assert len(from_hub) == 12 - len(dataset.exclude)
    assert len({fact[1] for fact in from_hub}) == len(from_hub)


@BY_NAME
def test_datasets_are_plain_data(dataset: Any) -> None:
    assert pickle.loads(pickle.dumps(dataset)) == dataset  # noqa: S301
    assert hash(dataset) == hash(replace(dataset))
    assert dataset.assets() == ()
    assert dataset.modality in ("image", "audio")


def test_what_the_samples_hold(
    data: PaperData, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPQ_DATA_DIR", str(folders))
    assert ImageNet().sample_ids() == tuple(data.imagenet)
    assert [sample.reference for sample in read(ImageNet())] == [
        label for _, label in data.imagenet.values()
    ]
    assert ChestXray().load(ChestXray().sample_ids()[0]).cluster == "IM-0000"
    assert {sample.reference for sample in read(Beans())} == {0, 1, 2}
    assert Beans().sample_ids()[0] == "angular_leaf_spot/angular_leaf_spot_val.0"
    clip = CommonVoice(limit=2, exclude=()).load(list(data.common_voice)[1])
    assert clip.reference == 'She said "come in" and left.'
    assert clip.signal.sample_rate == 32_000
    assert clip.cluster == "00" * 8
    track = Musdb().load("Band 00 - Song & Dance")
    assert tuple(track.reference) == ("drums", "bass", "other", "vocals")
    total = sum(stem.samples for stem in track.reference.values())
    assert np.abs(track.signal.samples - total).max() < 4 / 32768


def test_masks_leave_out_what_is_not_labelled(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPQ_DATA_DIR", str(folders))
    mask = Ade20k().load("ADE_val_00000001").reference
    assert mask.dtype == np.uint8
    assert (mask[0, 0], mask[0, 16], mask[0, 32]) == (ade20k.IGNORED, 0, 149)


@pytest.mark.parametrize("layout", ["devkit", "kaggle", "synsets"])
def test_imagenet_layouts_agree(
    data: PaperData, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.write_imagenet(tmp_path, layout)
    monkeypatch.setenv("MPQ_DATA_DIR", str(tmp_path))
    samples = read(ImageNet(limit=None))
    assert {sample.sample_id: sample.reference for sample in samples} == {
        name: label for name, (_, label) in data.imagenet.items()
    }


def test_names_with_their_synset_are_read_too(
    data: PaperData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data.write_imagenet(tmp_path, "synsets")
    for name, (_, label) in data.imagenet.items():
        place = folder / SYNSETS[label]
        (place / f"{name}.JPEG").rename(place / f"{name}_{SYNSETS[label]}.JPEG")
    monkeypatch.setenv("MPQ_DATA_DIR", str(tmp_path))
    assert ImageNet().sample_ids() == tuple(data.imagenet)


def test_a_prefix_needs_only_the_files_that_hold_it(data: PaperData, hub: HubServer) -> None:
    dataset = ImageNet(limit=4)
    assert dataset.sample_ids() == tuple(data.imagenet)[:4]
    repo = "ILSVRC/imagenet-1k"
    assert set(hub.downloads) == {f"{repo}/data/validation-00000-of-00002.parquet"}
    assert len(ImageNet(limit=7).sample_ids()) == 7
    assert set(hub.downloads) == {
        f"{repo}/data/validation-0000{number}-of-00002.parquet" for number in (0, 1)
    }


@pytest.mark.parametrize("place", ["folder", "hub"])
def test_the_selection_counts_positions(
    data: PaperData, place: str, folders: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "folder":
        monkeypatch.setenv("MPQ_DATA_DIR", str(folders))
    dataset = CommonVoice(limit=8, exclude=(3, 6), hub=COMMON_VOICE_HUB)
    names = list(data.common_voice)
    assert dataset.sample_ids() == (*names[:3], *names[4:6], names[7])
    assert CommonVoice(limit=None, exclude=(), hub=COMMON_VOICE_HUB).sample_ids() == tuple(
        sorted(names)
    )


def test_an_order_file_decides_what_a_selection_takes(
    data: PaperData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = data.write_common_voice(tmp_path)
    monkeypatch.setenv("MPQ_DATA_DIR", str(tmp_path))
    names = list(data.common_voice)
    (folder / "mpq-order.txt").write_text("\n".join(names[::-1]))
    dataset = CommonVoice(limit=3, exclude=(1,))
    assert dataset.sample_ids() == (names[-1], names[-3])
    (folder / "mpq-order.txt").write_text("nobody\n")
    os.utime(folder / "mpq-order.txt", ns=(1, 1))
    with pytest.raises(DatasetError, match=r"mpq-order\.txt names 'nobody'"):
        dataset.sample_ids()


def test_a_set_smaller_than_the_selection_is_said(
    folders: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MPQ_DATA_DIR", str(folders))
    assert len(ImageNet(limit=999).sample_ids()) == 12
    assert "imagenet: 12 samples where 999 are asked for" in caplog.text


@pytest.mark.parametrize("setting", [{"limit": 0}, {"exclude": (-1,)}, {"exclude": (2, 2)}])
def test_selections_that_select_nothing_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(DatasetError):
        Beans(**setting)


@BY_NAME
def test_status_needs_neither_data_nor_network(
    dataset: Any, folders: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = dataset.status()
    assert not absent.present
    assert absent.where is None
    assert absent.page in absent.missing
    assert "MPQ_DATA_DIR" in absent.missing
    assert hub.requests == 0
    dataset.sample_ids()
    asked = hub.requests
    on_hub = dataset.status()
    assert on_hub.present
    assert on_hub.missing is None
    assert " at " in on_hub.where
    assert hub.requests == asked
    monkeypatch.setenv("MPQ_DATA_DIR", str(folders))
    assert dataset.status().where.startswith(str(folders))
    monkeypatch.setenv("MPQ_DATA_DIR", str(folders / "nowhere"))
    assert on_hub.name == dataset.name


def test_a_moving_name_is_resolved_once(data: PaperData, hub: HubServer) -> None:
    from mpq_checks.datasets import hub as reader

    repo = "keremberke/chest-xray-classification"
    ids = ChestXray().sample_ids()
    record = reader.recorded_commit(ChestXray().hub)
    assert record == commit_of(repo)
    hub.commits[repo] = "f" * 40
    reader._opened.cache_clear()
    asked = hub.requests
    assert ChestXray().sample_ids() == ids
    assert reader.recorded_commit(ChestXray().hub) == record
    assert hub.requests == asked


def test_the_origin_names_the_commit_and_the_files(
    data: PaperData, hub: HubServer, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "data/validation-00000-of-00001.parquet"
    stored = hashlib.sha256(hub.files["AI-Lab-Makerere/beans"][name]).hexdigest()
    assert Beans().origin() == {
        "repository": "AI-Lab-Makerere/beans",
        "commit": "27aa014ce09b193e1a6f58112d4a66e0eddb69c5",
        name: stored,
    }
    monkeypatch.setenv("MPQ_DATA_DIR", str(folders))
    assert Beans().origin() == {"folder": "beans/validation"}


def test_tracks_may_be_named_by_their_paths(data: PaperData, hub: HubServer) -> None:
    rows = [
        {
            part: {"bytes": audio, "path": f"test/{track}/{part}.wav"}
            for part, audio in parts.items()
        }
        for track, parts in data.musdb.items()
    ]
    hub.files["danjacobellis/musdb"] = {"data/test-00000-of-00001.parquet": parquet(rows, {})}
    assert Musdb().sample_ids() == tuple(sorted(data.musdb))


def test_what_was_downloaded_serves_offline(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mpq_checks.datasets import hub as reader

    expected = [facts(sample) for sample in read(Beans())]
    reader._opened.cache_clear()
    monkeypatch.setenv("MPQ_OFFLINE", "1")
    asked = hub.requests
    assert [facts(sample) for sample in read(Beans())] == expected
    assert hub.requests == asked


def test_rows_without_names_say_so_in_their_ids(data: PaperData, hub: HubServer) -> None:
    rows = [
        {"image": {"bytes": image, "path": None}, "annotation": {"bytes": mask, "path": None}}
        for image, mask in data.ade20k.values()
    ]
    hub.files["zhoubolei/scene_parse_150"] = {
        "scene_parsing/validation/0000.parquet": parquet(rows, {})
    }
    ids = Ade20k().sample_ids()
    assert ids[0].startswith("row-000000-")
    assert len(set(ids)) == 12
    assert Ade20k().load(ids[3]).signal.height == 52


def test_a_process_of_its_own_reads_from_the_hub_of_hf_endpoint(
    hub: HubServer, tmp_path: Path
) -> None:
    script = (
        "from mpq_checks.datasets.paper import Beans\n"
        "print(*Beans().sample_ids(), Beans().load(Beans().sample_ids()[0]).content_sha256)"
    )
    environment = {**os.environ, **hub.environment(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sample = Beans().load(Beans().sample_ids()[0])
    assert done.stdout.split() == [*Beans().sample_ids(), sample.content_sha256]


def test_importing_the_datasets_imports_nothing_heavy() -> None:
    script = (
        "import sys; import mpq_checks.datasets.paper\n"
        "heavy = {'pyarrow', 'huggingface_hub', 'torch', 'scipy', 'PIL', 'soundfile'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
