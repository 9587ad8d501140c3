"""Train the SegFormer that outlines lungs: `python training/train_lungs.py`."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from export import export
from loop import Recipe, fit
from PIL import Image
from samples import lungs
from torch import Tensor, nn
from views import Geometry, draw_geometry, read_grey, relight, warp
from vit import RUNS, in_validation

from mpq_checks.datasets.chest_xray_mini import patient_of
from mpq_checks.torch_stack import prepare

NAME = "segformer-lungs"
IMAGE_SIZE = 224
CLASSES = ("background", "lung")
GEOMETRY = Geometry(degrees=12, smallest_crop=0.75, largest_crop=1.15, stretch=0.12)
LIGHT = 0.25
RECIPE = Recipe(epochs=84, batch_size=7, learning_rate=8e-4, average_decay=0.998)

Pair = tuple[Image.Image, Image.Image]

logger = logging.getLogger("training.train_lungs")


def network() -> nn.Module:
    """A SegFormer of 1.7 million weights, not yet trained."""
    prepare()
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        hidden_sizes=[32, 64, 128, 160],
        depths=[1, 1, 2, 2],
        num_attention_heads=[1, 2, 4, 5],
        decoder_hidden_size=96,
        classifier_dropout_prob=0.0,
        drop_path_rate=0.05,
        id2label=dict(enumerate(CLASSES)),
        label2id={label: index for index, label in enumerate(CLASSES)},
    )
    return SegformerForSemanticSegmentation(config)


def draw(rng: np.random.Generator, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """One random view: film in 0..1 and mask 0 or 1."""
    film, mask = pair
    coefficients = draw_geometry(rng, GEOMETRY, film.size)
    lit = relight(rng, warp(film, coefficients), LIGHT)
    return lit, (warp(mask, coefficients, Image.Resampling.NEAREST) > 127).astype(np.int64)


def upsampled(model: nn.Module, grey: Tensor) -> Tensor:
    """Logits, images x classes x height x width, of grey images in 0..1."""
    pixels = ((grey - 0.5) / 0.5).unsqueeze(1).expand(-1, 3, -1, -1)
    return F.interpolate(
        model(pixels).logits, grey.shape[-2:], mode="bilinear", align_corners=False
    )


def loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy plus one minus the soft Dice overlap of the lungs."""
    lung, truth = logits.softmax(1)[:, 1], masks.float()
    overlap = 2 * (lung * truth).sum((1, 2)) / (lung.sum((1, 2)) + truth.sum((1, 2)))
    return F.cross_entropy(logits, masks) + (1 - overlap).mean()


@torch.inference_mode()
def score(model: nn.Module, pairs: Sequence[Pair]) -> str:
    """Intersection over union of the lungs over all films, for the log."""
    model.eval()
    intersection = union = 0
    for film, mask in pairs:
        grey = torch.from_numpy(np.asarray(film, np.float32) / 255).unsqueeze(0)
        found = upsampled(model, grey).argmax(1)[0].numpy() == 1
        truth = np.asarray(mask) > 127
        intersection += int((found & truth).sum())
        union += int((found | truth).sum())
    return f"validation IoU {intersection / union:.4f}"


def read(pairs: Sequence[tuple[Path, Path]]) -> list[Pair]:
    """Films and masks as images."""
    return [(read_grey(film), read_grey(mask)) for film, mask in pairs]


def main() -> None:
    """Hold a sixteenth of the patients out for the log and train on the rest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    torch.manual_seed(RECIPE.seed)
    folder = RUNS / NAME
    folder.mkdir(parents=True, exist_ok=True)
    films = lungs("lungs-train")
    watched = read([p for p in films if in_validation(patient_of(p[0].stem))])
    learned = read([p for p in films if not in_validation(patient_of(p[0].stem))])
    trained = nn.ModuleDict({"model": network()})

    def step(indices: Tensor, _progress: float, generator: torch.Generator) -> Tensor:
        rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
        views = [draw(rng, learned[index]) for index in indices.tolist()]
        grey = torch.from_numpy(np.stack([view for view, _ in views]))
        masks = torch.from_numpy(np.stack([mask for _, mask in views]))
        return loss(upsampled(trained["model"], grey), masks)

    average = fit(
        trained,
        RECIPE,
        len(learned),
        step,
        folder,
        resume=options.resume,
        validate=lambda averaged: score(averaged["model"], watched),
    )
    export(average["model"], NAME, "SegformerImageProcessor", IMAGE_SIZE)


if __name__ == "__main__":
    main()
