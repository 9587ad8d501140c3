"""Classifiers and segmenters from local folders, against transformers itself."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from mpq_checks.errors import ModelError
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.shipped import SHIPPED
from mpq_checks.signals import Image
from mpq_checks.torch_stack import prepare

PREPROCESSING = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 32, "width": 32},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def image(height: int, width: int, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image(pixels)


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


@pytest.fixture(scope="session")
def saved_classifier(tmp_path_factory) -> Path:
    """A small ViT as a user would save it."""
    prepare()
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    folder = tmp_path_factory.mktemp("vit")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = ViTConfig(
            image_size=32,
            patch_size=8,
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            num_labels=5,
            initializer_range=0.3,
        )
        ViTForImageClassification(config).save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", PREPROCESSING)
    return folder


@pytest.fixture(scope="session")
def saved_segmenter(tmp_path_factory) -> Path:
    """A small SegFormer as a user would save it."""
    prepare()
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    folder = tmp_path_factory.mktemp("segformer")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = SegformerConfig(
            hidden_sizes=[8, 8, 16, 16],
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=16,
            num_labels=3,
            initializer_range=0.3,
        )
        model = SegformerForSemanticSegmentation(config).eval()
        patchwork = torch.randn(8, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
        with torch.inference_mode():
            mean = model(patchwork).logits.mean((0, 2, 3))
        # So that no class wins everywhere.
        model.decode_head.classifier.bias.data = -mean.clone()
        model.save_pretrained(folder)
    write_json(
        folder / "preprocessor_config.json",
        PREPROCESSING | {"image_processor_type": "SegformerImageProcessor"},
    )
    return folder


@pytest.fixture
def folder(saved_classifier, tmp_path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(saved_classifier, tmp_path / "vit"))


def expected_logits(folder: Path, picture: Image) -> np.ndarray:
    """Written out: Pillow resizes, numpy normalises, transformers predicts."""
    import PIL.Image
    import torch
    from transformers import ViTForImageClassification

    small = PIL.Image.fromarray(picture.pixels).resize((32, 32), PIL.Image.Resampling.BILINEAR)
    mean, std = np.array(PREPROCESSING["image_mean"]), np.array(PREPROCESSING["image_std"])
    pixels = (np.asarray(small, float) / 255 - mean) / std
    model = ViTForImageClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        batch = torch.from_numpy(pixels.transpose(2, 0, 1)[None]).float()
        return model(batch).logits.numpy()


@pytest.mark.parametrize("size", [(32, 32), (48, 64), (1, 1), (3, 40), (200, 3)])
def test_logits_are_those_of_transformers(saved_classifier, size):
    picture = image(*size)
    logits = HuggingFaceImageClassifier(saved_classifier).load("cpu").logits([picture])
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected_logits(saved_classifier, picture), atol=1e-4)


def test_neighbours_in_a_batch_change_nothing(saved_classifier):
    classifier = HuggingFaceImageClassifier(saved_classifier).load("cpu")
    pictures = [image(32, 32, 1), image(50, 40, 2), image(32, 32, 3)]
    together = classifier.logits(pictures)
    assert together.shape == (3, 5)
    for row, picture in zip(together, pictures, strict=True):
        np.testing.assert_array_equal(row, classifier.logits([picture])[0])
    assert classifier.logits([]).shape == (0, 5)


def test_crop_of_the_preprocessing_is_applied(folder):
    cropping = PREPROCESSING | {
        "size": {"shortest_edge": 48},
        "do_center_crop": True,
        "crop_size": {"height": 32, "width": 32},
        "image_processor_type": "CLIPImageProcessor",
    }
    write_json(folder / "preprocessor_config.json", cropping)
    classifier = HuggingFaceImageClassifier(folder).load("cpu")
    inner, outer = image(48, 48, 4), image(48, 48, 5)
    framed = outer.pixels.copy()
    framed[8:40, 8:40] = inner.pixels[8:40, 8:40]
    logits = classifier.logits([inner, Image(framed), outer])
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-6)
    assert np.abs(logits[0] - logits[2]).max() > 1e-2


def test_identity_follows_content_and_not_place(saved_classifier, folder):
    before = HuggingFaceImageClassifier(saved_classifier).identity()
    assert HuggingFaceImageClassifier(folder).identity() == before
    assert str(folder) not in json.dumps(before)
    assert before["class"] == "ViTForImageClassification"
    assert set(before) >= {"weights_sha256", "config_sha256", "preprocessing", "transformers"}

    write_json(folder / "preprocessor_config.json", PREPROCESSING | {"resample": 3})
    after = HuggingFaceImageClassifier(folder).identity()
    assert {key for key in before if before[key] != after[key]} == {"preprocessing"}

    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    assert (
        HuggingFaceImageClassifier(folder).identity()["weights_sha256"]
        != (before["weights_sha256"])
    )


def test_sharded_weights(saved_classifier, folder):
    from transformers import ViTForImageClassification

    (folder / "model.safetensors").unlink()
    model = ViTForImageClassification.from_pretrained(saved_classifier)
    model.save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").exists()
    whole, sharded = (HuggingFaceImageClassifier(f) for f in (saved_classifier, folder))
    picture = image(32, 32)
    np.testing.assert_array_equal(
        whole.load("cpu").logits([picture]), sharded.load("cpu").logits([picture])
    )
    before = sharded.identity()["weights_sha256"]
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes() + b" ")
    assert sharded.identity()["weights_sha256"] != before
    shard.unlink()
    with pytest.raises(ModelError, match=f"{shard.name}.*save_pretrained"):
        sharded.identity()


def test_pytorch_model_bin_of_tensors_loads_and_one_with_code_does_not(saved_classifier, folder):
    import torch
    from safetensors.torch import load_file

    (folder / "model.safetensors").unlink()
    weights = load_file(saved_classifier / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    picture = image(32, 32)
    np.testing.assert_array_equal(
        HuggingFaceImageClassifier(folder).load("cpu").logits([picture]),
        HuggingFaceImageClassifier(saved_classifier).load("cpu").logits([picture]),
    )
    marker = folder / "executed"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Touch(marker)))
    with pytest.raises(ModelError, match="cannot be loaded"):
        HuggingFaceImageClassifier(folder).load("cpu")
    assert not marker.exists()


class _Touch:
    """Leaves a file behind when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("config.json", "model.save_pretrained"),
        ("model.safetensors", "model.save_pretrained"),
        ("preprocessor_config.json", "AutoImageProcessor"),
    ],
)
def test_missing_file_is_named_with_its_mend(folder, name, mend):
    (folder / name).unlink()
    for use in (
        HuggingFaceImageClassifier(folder).identity,
        lambda: HuggingFaceImageClassifier(folder).load("cpu"),
    ):
        with pytest.raises(ModelError) as caught:
            use()
        assert str(folder) in str(caught.value)
        assert name in str(caught.value)
        assert mend in str(caught.value)


def test_missing_folder(tmp_path):
    with pytest.raises(ModelError, match=r"no model folder .*nowhere"):
        HuggingFaceImageClassifier(tmp_path / "nowhere").identity()


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]"])
def test_broken_json_is_named(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        HuggingFaceImageClassifier(folder).load("cpu")


def test_truncated_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        HuggingFaceImageClassifier(folder).load("cpu")


def test_weights_without_a_head_are_refused_not_filled_at_random(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    weights = {k: v for k, v in load_file(path).items() if not k.startswith("classifier.")}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 2 .*classifier\.bias"):
        HuggingFaceImageClassifier(folder).load("cpu")


def test_code_in_the_folder_is_not_run(folder):
    marker = folder / "executed"
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Model: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "unheard-of"
    config["auto_map"] = {"AutoModelForImageClassification": "evil.Model"}
    write_json(folder / "config.json", config)
    with pytest.raises(ModelError, match="cannot be loaded"):
        HuggingFaceImageClassifier(folder).load("cpu")
    assert not marker.exists()


def test_wrong_size_names_the_two_configs(folder):
    write_json(
        folder / "preprocessor_config.json",
        PREPROCESSING | {"size": {"height": 48, "width": 48}},
    )
    with pytest.raises(ModelError, match=r"cannot read an image.*preprocessor_config"):
        HuggingFaceImageClassifier(folder).load("cpu").logits([image(32, 32)])


@pytest.mark.parametrize("size", [(32, 32), (45, 70), (1, 1)])
def test_segmenter_is_that_of_transformers(saved_segmenter, size):
    import torch
    from transformers import AutoImageProcessor, SegformerForSemanticSegmentation

    rows, columns = (np.linspace(0, 3.99, length).astype(int) for length in size)
    picture = Image(image(4, 4, seed=6).pixels[rows][:, columns])
    found = HuggingFaceSegmenter(saved_segmenter).load("cpu").segment(picture)
    assert found.dtype == np.uint8
    assert found.shape == size

    model = SegformerForSemanticSegmentation.from_pretrained(saved_segmenter).eval()
    processor = AutoImageProcessor.from_pretrained(saved_segmenter, backend="pil")
    with torch.inference_mode():
        outputs = model(
            **processor(picture.pixels, return_tensors="pt", input_data_format="channels_last")
        )
    expected = processor.post_process_semantic_segmentation(outputs, target_sizes=[size])[0]
    assert (found == expected.numpy()).mean() > 0.999
    if size != (1, 1):
        assert len(np.unique(found)) > 1


def test_segmenter_refuses_a_crop(saved_segmenter, tmp_path):
    folder = Path(shutil.copytree(saved_segmenter, tmp_path / "segformer"))
    path = folder / "preprocessor_config.json"
    cropping = {"do_center_crop": True, "crop_size": {"height": 24, "width": 24}}
    write_json(path, json.loads(path.read_text()) | cropping)
    with pytest.raises(ModelError, match="do_center_crop"):
        HuggingFaceSegmenter(folder).load("cpu")


def test_shipped_names():
    assert HuggingFaceImageClassifier.shipped("vit-solar").path == SHIPPED / "vit-solar"
    for name in ("vit-ocean", "../weights", ""):
        with pytest.raises(ModelError, match="vit-solar"):
            HuggingFaceImageClassifier.shipped(name)
