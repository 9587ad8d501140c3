"""Batch size and precision of classifiers, segmenters and Whisper; the paper's own SegFormer."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metric_cases import noisy
from paper_models import BEANS, write_segformer, write_vit, write_whisper

from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.errors import ModelError
from mpq_checks.models.base import BatchSegmenter, BatchSpeechRecogniser
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.models.whisper import HuggingFaceWhisper, OpenAIWhisper
from mpq_checks.signals import Audio, Image


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vit")
    write_vit(folder, BEANS)
    return folder


@pytest.fixture(scope="session")
def segformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segformer")
    write_segformer(folder, num_classes=5)
    return folder


@pytest.fixture(scope="session")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    write_whisper(folder)
    return folder


def pictures(count: int) -> list[Image]:
    generator = np.random.default_rng(1)
    blocks = generator.integers(0, 256, (count, 4, 5, 3), dtype=np.uint8)
    return [
        Image(block.repeat(10 + i, axis=0).repeat(12, axis=1)) for i, block in enumerate(blocks)
    ]


def clips(count: int) -> list[Audio]:
    generator = np.random.default_rng(2)
    return [
        Audio((0.1 * generator.standard_normal((1, 8000 + 4000 * i))).astype(np.float32), 16000)
        for i in range(count)
    ]


def same(first: Sequence[Any], second: Sequence[Any]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("batch_size", [2, 3, 8])
def test_batches_change_no_more_than_the_last_digits(
    vit: Path, segformer: Path, whisper: Path, batch_size: int
) -> None:
    images, audios = pictures(5), clips(3)
    single = HuggingFaceImageClassifier(vit).load("cpu").logits(images)
    batched = HuggingFaceImageClassifier(vit, batch_size).load("cpu").logits(images)
    np.testing.assert_allclose(batched, single, atol=1e-4)

    segmenter = HuggingFaceSegmenter(segformer).load("cpu")
    many = HuggingFaceSegmenter(segformer, batch_size).load("cpu")
    assert isinstance(many, BatchSegmenter)
    for mask, image in zip(many.segment_batch(images), images, strict=True):
        assert mask.shape == image.pixels.shape[:2]
        assert (mask == segmenter.segment(image)).mean() > 0.99

    recogniser = HuggingFaceWhisper(whisper).load("cpu")
    hears_many = HuggingFaceWhisper(whisper, batch_size=batch_size).load("cpu")
    assert isinstance(hears_many, BatchSpeechRecogniser)
    texts = ["ab", "a longer text", "c"]
    expected = [recogniser.reference_nll(a, t) for a, t in zip(audios, texts, strict=True)]
    found = hears_many.reference_nll_batch(audios, texts)
    np.testing.assert_allclose(np.array(found), np.array(expected), rtol=1e-4)
    assert hears_many.transcribe_batch(audios) == [recogniser.transcribe(a) for a in audios]


def test_results_do_not_depend_on_the_neighbours(vit: Path, segformer: Path, whisper: Path) -> None:
    images, audios = pictures(5), clips(3)
    classifier = HuggingFaceImageClassifier(vit, 4).load("cpu")
    alone = [classifier.logits([image])[0] for image in images]
    same(classifier.logits(images), alone)
    same(classifier.logits(images[::-1])[::-1], alone)
    segmenter = HuggingFaceSegmenter(segformer, 4).load("cpu")
    same(segmenter.segment_batch(images), [segmenter.segment(image) for image in images])
    recogniser = HuggingFaceWhisper(whisper, batch_size=2).load("cpu")
    texts = ["one", "two", "three"]
    together = recogniser.reference_nll_batch(audios, texts)
    same(together, [recogniser.reference_nll(a, t) for a, t in zip(audios, texts, strict=True)])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_halves_come_near(vit: Path, segformer: Path, whisper: Path, precision: Any) -> None:
    images, audio = pictures(3), clips(1)[0]
    exact = HuggingFaceImageClassifier(vit).load("cpu").logits(images)
    coarse = HuggingFaceImageClassifier(vit, precision=precision).load("cpu").logits(images)
    assert coarse.dtype == np.float32
    assert 0 < np.abs(coarse - exact).max() < 0.1 * np.abs(exact).max()
    full = HuggingFaceSegmenter(segformer).load("cpu").segment(images[0])
    half = HuggingFaceSegmenter(segformer, precision=precision).load("cpu").segment(images[0])
    assert (full == half).mean() > 0.9
    expected = HuggingFaceWhisper(whisper).load("cpu").reference_nll(audio, "word")
    found = (
        HuggingFaceWhisper(whisper, precision=precision).load("cpu").reference_nll(audio, "word")
    )
    assert found == pytest.approx(expected, rel=0.05)
    assert found != expected


def test_batch_size_and_precision_are_part_of_the_identity(vit: Path, whisper: Path) -> None:
    for kind, folder in ((HuggingFaceImageClassifier, vit), (HuggingFaceWhisper, whisper)):
        plain = kind(folder).identity()
        assert not {"batch_size", "precision"} & set(plain)
        batched = kind(folder, batch_size=8).identity()
        assert batched == {**plain, "batch_size": "8"}
        assert kind(folder, precision="bf16").identity() == {**plain, "precision": "bf16"}
        for wrong in ({"batch_size": 0}, {"batch_size": True}, {"precision": "fp8"}):
            with pytest.raises(ModelError, match=next(iter(wrong))):
                kind(folder, **wrong)


def test_images_of_different_size_need_a_preprocessing_that_resizes(
    vit: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(vit, tmp_path / "vit"))
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_resize": False}))
    with pytest.raises(ModelError, match=r"cannot read an image of .* x .*, .* x "):
        HuggingFaceImageClassifier(folder, 2).load("cpu").logits(pictures(2))


@pytest.mark.parametrize(
    "changes",
    [
        {"image_processor_type": "ViTFeatureExtractor"},
        {"image_processor_type": None, "feature_extractor_type": "ViTFeatureExtractor", "size": 32},
        {"image_processor_type": None},
    ],
)
def test_preprocessing_of_older_checkpoints(vit: Path, tmp_path: Path, changes: Any) -> None:
    """As the hub's checkpoints of 2021 and 2022 state it."""
    folder = Path(shutil.copytree(vit, tmp_path / "vit"))
    path = folder / "preprocessor_config.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    images = pictures(2)
    same(
        HuggingFaceImageClassifier(folder).load("cpu").logits(images),
        HuggingFaceImageClassifier(vit).load("cpu").logits(images),
    )


def test_segformer_as_published_is_what_the_papers_code_did(segformer: Path) -> None:
    """Written out with torchvision's transforms, as in the notebook that printed the table."""
    import PIL.Image
    import torch
    from torchvision import transforms
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

    published = HuggingFaceSegmenter(segformer, protocol="as-published")
    model = SegformerForSemanticSegmentation.from_pretrained(segformer).eval()
    extractor: Any = SegformerImageProcessor.from_pretrained(segformer)
    for image in pictures(2):
        picture = PIL.Image.fromarray(image.pixels)
        with torch.no_grad():
            inputs = extractor(images=picture, return_tensors="pt", do_resize=False)
            predictions = model(**inputs).logits.argmax(dim=1)[0]
        resize = transforms.Resize((image.height, image.width), antialias=True)
        expected = resize(predictions[None, None])[0][0].numpy()
        found = published.load("cpu").segment(image)
        assert (found == expected).all()
        assert (found != HuggingFaceSegmenter(segformer).load("cpu").segment(image)).any()
    with pytest.raises(ModelError, match="keep their sizes"):
        HuggingFaceSegmenter(segformer, batch_size=2, protocol="as-published")
    plain = HuggingFaceSegmenter(segformer).identity()
    changed = {k for k, v in published.identity().items() if v != plain[k]}
    assert changed == {"preprocessing"}
    with pytest.raises(ModelError, match="as-published"):
        HuggingFaceSegmenter(segformer, protocol="other")  # type: ignore[arg-type]


def test_language_is_told_or_found(whisper: Path) -> None:
    audios = clips(2)
    found = HuggingFaceWhisper(whisper, language=None).load("cpu")
    tokens = found._text.languages
    import torch

    with torch.inference_mode():
        encoded = found._encode([audios[0]])
        prefix = found._prefixes(encoded)[0]
        start = torch.tensor([[prefix[0]]])
        logits = found._model(encoder_outputs=(encoded,), decoder_input_ids=start).logits[0, -1]
    assert prefix[1] == max(tokens, key=lambda token: logits[token])
    names = {"en", "de", "fr"}
    by_name = {
        name: HuggingFaceWhisper(whisper, language=name).load("cpu") for name in sorted(names)
    }
    nll = {name: model.reference_nll(audios[0], "word") for name, model in by_name.items()}
    told = [name for name, model in by_name.items() if list(model._text.prefix) == prefix]
    assert found.reference_nll(audios[0], "word") == nll[told[0]]
    assert HuggingFaceWhisper(whisper, language=None).identity()["language"] == "found by the model"
    with pytest.raises(ModelError, match=r"no token <\|xx\|>"):
        HuggingFaceWhisper(whisper, language="xx").load("cpu")


@pytest.mark.assets
def test_tiny_en_as_a_checkpoint_hears_what_openai_weights_hear(whisper_checkpoint: Path) -> None:
    """Every transcript and likelihood of ljspeech-mini, one by one and in batches."""
    dataset = LjspeechMini()
    samples = [dataset.load(sample_id) for sample_id in dataset.sample_ids()[:8]]
    audios = [sample.signal for sample in samples] + [noisy(samples[0].signal, 0.05)]
    texts = [sample.reference for sample in samples] + [samples[0].reference]
    own = OpenAIWhisper().load("cpu")
    batched = HuggingFaceWhisper(whisper_checkpoint, batch_size=4).load("cpu")
    assert batched.transcribe_batch(audios) == [own.transcribe(audio) for audio in audios]
    expected = [own.reference_nll(a, t) for a, t in zip(audios, texts, strict=True)]
    np.testing.assert_allclose(
        np.array(batched.reference_nll_batch(audios, texts)), np.array(expected), rtol=1e-4
    )
