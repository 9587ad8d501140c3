"""The image tasks: real MobileNetV2 on real photographs, small fakes for what must fail."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL.Image
import pytest
from metric_cases import jpeg, photograph
from sklearn.metrics import accuracy_score, jaccard_score, log_loss, roc_auc_score

from mpq_checks.aggregate import aggregate_scores
from mpq_checks.datasets.base import Sample
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.errors import DatasetError, MetricError, ModelError
from mpq_checks.models.mobilenet import MobileNetV2
from mpq_checks.signals import Audio, Image
from mpq_checks.tasks.base import Evaluator, Task
from mpq_checks.tasks.image_classification import ImageClassification
from mpq_checks.tasks.segmentation import Segmentation

GREY = Image(np.full((4, 6, 3), 100, np.uint8))


@dataclass(frozen=True)
class FakeDataset:
    name: str = "fakes"
    modality: str = "image"

    def assets(self) -> tuple[str, ...]:
        return ("photos",)


@dataclass(frozen=True)
class FakeModel:
    """Gives the same answer to everything."""

    answer: Any = field(default=None, compare=False)

    def identity(self) -> dict[str, str]:
        return {"model": "fake"}

    def assets(self) -> tuple[str, ...]:
        return ("weights", "photos")

    def load(self, device: str) -> "FakeModel":
        return self

    def logits(self, images: Sequence[Image]) -> Any:
        return self._answer()

    def segment(self, image: Image) -> Any:
        return self._answer()

    def _answer(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def classification(answer: Any = None, **settings: Any) -> ImageClassification:
    return ImageClassification("toy", FakeDataset(), FakeModel(answer), **settings)  # type: ignore[arg-type]


def segmentation(answer: Any = None, num_classes: int = 3) -> Segmentation:
    return Segmentation("toy", FakeDataset(), FakeModel(answer), num_classes)  # type: ignore[arg-type]


def logits(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def sample(reference: Any, signal: Image = GREY) -> Sample[Any]:
    return Sample("photo-1", "0" * 64, signal, reference)


def evaluate(task: Task, reference: Any, signal: Any = GREY) -> dict[str, Any]:
    (statistics,) = task.load("cpu").evaluate([signal], [sample(reference)])
    return statistics


@pytest.fixture(scope="module")
def imagenet() -> ImageClassification:
    return ImageClassification("imagenet-mini", ImagenetMini(), MobileNetV2())


@pytest.fixture(scope="module")
def evaluator(imagenet: ImageClassification) -> Evaluator:
    return imagenet.load("cpu")


@pytest.fixture(scope="module")
def samples(imagenet: ImageClassification) -> list[Sample[int]]:
    return [imagenet.dataset.load(name) for name in imagenet.dataset.sample_ids()]


@pytest.mark.assets
def test_clean_scores_are_those_of_the_weights(
    imagenet: ImageClassification, evaluator: Evaluator, samples: list[Sample[int]]
) -> None:
    statistics = evaluator.evaluate([sample.signal for sample in samples], samples)
    scores = aggregate_scores(imagenet, statistics)
    assert scores["top1"] == pytest.approx(53 / 70, abs=1.5 / 70)
    assert scores["nll"] == pytest.approx(0.722, abs=0.01)
    assert list(scores) == [metric.name for metric in imagenet.scores] == ["top1", "nll"]
    assert json.loads(json.dumps(statistics)) == statistics
    assert aggregate_scores(imagenet, statistics[::-1]) == pytest.approx(scores, abs=1e-12)


@pytest.mark.assets
def test_compression_harms(
    imagenet: ImageClassification, evaluator: Evaluator, samples: list[Sample[int]]
) -> None:
    some = samples[:24]
    values = []
    for quality in (None, 15, 3):
        signals = [
            sample.signal if quality is None else jpeg(sample.signal, quality) for sample in some
        ]
        values.append(aggregate_scores(imagenet, evaluator.evaluate(signals, some)))
    nll = [value["nll"] for value in values]
    assert nll == sorted(nll)
    assert nll[2] - nll[0] > 1.0
    assert values[2]["top1"] < values[0]["top1"] - 0.2


@pytest.mark.assets
def test_preprocessing_equals_torchvisions() -> None:
    from mpq_checks import torch_stack

    torch_stack.prepare()
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    image = photograph()
    for height, width in ((512, 512), (300, 467), (467, 300), (100, 81), (40, 40), (225, 224)):
        part = Image(image.pixels[:height, :width].copy())
        resized = Resize(256, InterpolationMode.BILINEAR)(PIL.Image.fromarray(part.pixels))
        expected = np.asarray(CenterCrop(224)(resized))
        assert np.array_equal(MobileNetV2().preprocess(part), expected)


@pytest.mark.assets
def test_logits_equal_torchvisions_own_pipeline() -> None:
    from mpq_checks import torch_stack
    from mpq_checks.assets import asset_path

    torch_stack.prepare()
    import torch
    from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

    network = mobilenet_v2(weights=None).eval()
    network.load_state_dict(torch.load(asset_path("mobilenet-v2-imagenet"), weights_only=True))
    transform = MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    image = photograph()
    with torch.no_grad():
        expected = network(transform(PIL.Image.fromarray(image.pixels))[None])[0].numpy()
    found = MobileNetV2().load("cpu").logits([image, image])
    assert found.shape == (2, 1000)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-4)


@pytest.mark.assets
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2)])
def test_tiny_images_are_classified(
    imagenet: ImageClassification, evaluator: Evaluator, shape: tuple[int, int]
) -> None:
    image = Image(np.full((*shape, 3), 90, np.uint8))
    (statistics,) = evaluator.evaluate([image], [sample(3, image)])
    assert np.isfinite(statistics["nll"])


@pytest.mark.assets
@pytest.mark.parametrize(
    "changed",
    [MobileNetV2(resize_filter="nearest"), MobileNetV2(resize=232), MobileNetV2(crop=200)],
)
def test_another_preprocessing_is_another_model(evaluator: Evaluator, changed: MobileNetV2) -> None:
    assert changed.identity() != MobileNetV2().identity()
    task = ImageClassification("imagenet-mini", ImagenetMini(), changed)
    photo = photograph()
    (before,), (after,) = (
        loaded.evaluate([photo], [sample(3, photo)]) for loaded in (evaluator, task.load("cpu"))
    )
    assert abs(before["nll"] - after["nll"]) > 1e-3


@pytest.mark.parametrize(
    "settings", [{"resize_filter": "sharp"}, {"crop": 300}, {"crop": 8}, {"resize": 100}]
)
def test_preprocessing_that_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=str(next(iter(settings)))):
        MobileNetV2(**settings)


def test_statistics_and_scores_of_two_classes_equal_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 30).tolist()
    rows = (random.normal(0, 2, (30, 2)) + np.eye(2)[labels]).astype(np.float32)
    statistics = [
        evaluate(classification(row[None], binary=True), label)
        for row, label in zip(rows, labels, strict=True)
    ]
    scores = aggregate_scores(classification(binary=True), statistics)
    p = 1 / (1 + np.exp(rows[:, 0].astype(float) - rows[:, 1]))
    assert scores["top1"] == accuracy_score(labels, rows.argmax(axis=1))
    assert scores["nll"] == pytest.approx(log_loss(labels, p), abs=1e-7)
    assert scores["auc"] == pytest.approx(roc_auc_score(labels, p), abs=1e-12)
    assert list(scores) == [metric.name for metric in classification(binary=True).scores]
    assert statistics[0]["score"] == pytest.approx(float(rows[0, 1]) - float(rows[0, 0]))
    assert json.loads(json.dumps(statistics)) == statistics


def test_without_binary_there_is_no_auc() -> None:
    statistics = evaluate(classification(logits(0, 1)), 1)
    assert "score" not in statistics
    assert list(aggregate_scores(classification(), [statistics])) == ["top1", "nll"]


def test_a_lost_decision_ranks_above_a_fall_in_likelihood() -> None:
    task = classification()
    right = evaluate(classification(logits(0, 0.2)), 1)
    sure = evaluate(classification(logits(0, 9)), 1)
    lost = evaluate(classification(logits(0.1, 0)), 1)
    assert task.worse(right, lost) > task.worse(sure, right) > 0
    assert task.worse(lost, right) < task.worse(right, sure) < 0
    assert task.worse(right, right) == 0


def test_describes_a_sample() -> None:
    text = classification().describe(evaluate(classification(logits(0, 3, 1)), 2))
    assert text == "class 1, true 2, nll 2.17"


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (np.zeros(3), ModelError, "shape"),
        (np.zeros((2, 3)), ModelError, "shape"),
        (np.zeros((1, 1)), ModelError, "shape"),
        (logits(0, np.nan), ModelError, "NaN"),
        (logits(0, np.inf), ModelError, "infinite"),
        (RuntimeError("out of memory"), ModelError, "out of memory"),
        (ModelError("as it is"), ModelError, "^as it is$"),
    ],
)
def test_a_broken_classifier_is_named(answer: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        evaluate(classification(answer), 0)


def test_binary_task_refuses_a_model_of_more_classes() -> None:
    with pytest.raises(ModelError, match="3 classes"):
        evaluate(classification(logits(0, 1, 2), binary=True), 1)


@pytest.mark.parametrize("label", [3, -1, 1000])
def test_label_beyond_the_model_names_both(label: int) -> None:
    with pytest.raises(DatasetError, match=rf"fakes.*photo-1.*class {label}.*3 classes"):
        evaluate(classification(logits(0, 1, 2)), label)


@pytest.mark.parametrize("label", ["cat", 1.0, None, True])
def test_label_that_is_no_class_is_refused(label: Any) -> None:
    with pytest.raises(DatasetError, match="not a class index"):
        evaluate(classification(logits(0, 1, 2)), label)


@pytest.mark.parametrize("task", [classification(logits(0, 1)), segmentation()])
def test_audio_is_refused(task: Task) -> None:
    with pytest.raises(MetricError, match="Audio"):
        evaluate(task, 0, Audio(np.zeros((1, 9), np.float32), 8000))


@pytest.mark.parametrize(
    "statistics", [[], [{"label": 1}], [{"correct": 1, "nll": float("nan"), "label": 1}]]
)
def test_statistics_that_do_not_aggregate_are_refused(statistics: list[dict[str, Any]]) -> None:
    with pytest.raises(MetricError):
        aggregate_scores(classification(binary=True), statistics)
    with pytest.raises(MetricError):
        aggregate_scores(segmentation(), statistics)


def test_segmentation_scores_the_dataset() -> None:
    random = np.random.default_rng(0)
    masks = [random.integers(0, 3, (4, 6)).astype(np.uint8) for _ in range(3)]
    guesses = [np.where(random.random((4, 6)) < 0.7, mask, 2).astype(np.uint8) for mask in masks]
    masks[0][0] = 255
    statistics = [
        evaluate(segmentation(guess), mask) for guess, mask in zip(guesses, masks, strict=True)
    ]
    truth, found = np.stack(masks), np.stack(guesses)
    scored = truth != 255
    expected = jaccard_score(truth[scored], found[scored], average="macro")
    assert aggregate_scores(segmentation(), statistics) == pytest.approx(
        {"mean_iou": expected}, abs=1e-12
    )
    assert json.loads(json.dumps(statistics)) == statistics


def test_segmentation_ranks_and_describes_samples() -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 3:] = 1
    good = evaluate(segmentation(mask), mask)
    poor = evaluate(segmentation(np.zeros((4, 6), np.uint8)), mask)
    assert segmentation().worse(good, poor) == pytest.approx(0.75)
    assert segmentation().worse(poor, good) == pytest.approx(-0.75)
    assert segmentation().describe(poor) == "IoU 0.50 0.00 -"
    ignored = evaluate(segmentation(mask), np.full((4, 6), 255, np.uint8))
    assert segmentation().worse(good, ignored) == 0.0
    assert segmentation().describe(ignored) == "IoU - - -"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (np.zeros((6, 4), np.uint8), "shape"),
        (np.full((4, 6), 3, np.uint8), "0..2"),
        (np.zeros((4, 6)), "float64"),
        (ValueError("no memory"), "no memory"),
    ],
)
def test_a_broken_segmenter_is_named(answer: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        evaluate(segmentation(answer), np.zeros((4, 6), np.uint8))


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((6, 4), np.uint8), "shape"),
        (np.full((4, 6), 3, np.uint8), r"fakes.*photo-1.*class 3.*3 classes.*toy"),
    ],
)
def test_a_mask_that_does_not_fit_is_named(mask: np.ndarray, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        evaluate(segmentation(np.zeros((4, 6), np.uint8)), mask)


@pytest.mark.parametrize("num_classes", [1, 256])
def test_number_of_classes_that_masks_cannot_hold_is_refused(num_classes: int) -> None:
    with pytest.raises(MetricError, match="num_classes"):
        segmentation(num_classes=num_classes)


def test_identity_and_assets() -> None:
    for task in (classification(), segmentation()):
        assert task.identity()["model"] == "fake"
        assert task.assets() == ("photos", "weights", "lpips-alexnet-trunk")
        hash(task)
    assert classification().identity() != classification(binary=True).identity()
    assert segmentation(num_classes=3).identity() != segmentation(num_classes=4).identity()


def test_aggregating_needs_no_torch() -> None:
    source = """
import sys
from mpq_checks.aggregate import aggregate_scores
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.models.mobilenet import MobileNetV2
from mpq_checks.tasks.image_classification import ImageClassification
from mpq_checks.tasks.segmentation import Segmentation
task = ImageClassification("imagenet-mini", ImagenetMini(), MobileNetV2(), binary=True)
rows = [{"label": k, "correct": 1, "nll": 0.5, "score": k} for k in (0, 1)]
assert aggregate_scores(task, rows) == {"top1": 1.0, "nll": 0.5, "auc": 1.0}
task.identity(), task.assets(), task.scores
heavy = {"torch", "torchvision", "transformers", "lpips", "scipy", "sklearn", "soxr"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)
