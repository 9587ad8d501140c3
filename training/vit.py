"""How the two vision transformers learn: their labels, and to see as the teacher sees."""

import argparse
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from export import export
from initial import start_from_patches
from loop import Recipe, fit
from samples import Labelled
from teacher import MIDDLE_CHANNELS, make_bank
from torch import Tensor, nn
from views import Geometry, read_grey, relight

from mpq_checks.torch_stack import prepare

__all__ = ["Recipe", "ViTTraining", "in_validation", "train_vit"]

RUNS = Path(__file__).resolve().parent / "runs"

ALL_PATCHES_FROM = 0.75
"""The part of the training after which no patch is left out."""

NUM_DEEP = 32
"""How many of the teacher's deep components each patch learns: the largest."""

# The squared errors are means over many values; without weight, the labels drown them.
PATCH_WEIGHT = 4.0
WHOLE_WEIGHT = 2.0

logger = logging.getLogger("training.vit")


@dataclass(frozen=True)
class ViTTraining:
    """All that distinguishes one of the two classifiers from the other.

    `kept_patches` is the part of the patches that the model sees at first, `last_share` what is
    left of the teacher's share in the loss at the end.
    """

    name: str
    classes: tuple[str, ...]
    image_size: int
    patch_size: int
    geometry: Geometry
    num_views: int
    light: float
    kept_patches: float
    last_share: float
    recipe: Recipe

    @property
    def grid(self) -> int:
        """Patches a side."""
        return self.image_size // self.patch_size

    def network(self) -> nn.Module:
        """A vision transformer of 2.8 million weights, not yet trained."""
        prepare()
        from transformers import ViTConfig, ViTForImageClassification

        config = ViTConfig(
            image_size=self.image_size,
            patch_size=self.patch_size,
            hidden_size=192,
            num_hidden_layers=6,
            num_attention_heads=3,
            intermediate_size=768,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            id2label=dict(enumerate(self.classes)),
            label2id={label: index for index, label in enumerate(self.classes)},
            # The fastest attention on a CPU in bfloat16 for 200 tokens.
            attn_implementation="eager",
        )
        return ViTForImageClassification(config)


def in_validation(group: str) -> bool:
    """Whether a patient is one of the sixteenth that is held out for the log."""
    return hashlib.sha256(b"validation" + group.encode()).digest()[0] % 16 == 0


def train_vit(training: ViTTraining, learned: Labelled, watched: Labelled) -> None:
    """Train on `learned` and export; `watched` is for the log. See `--help` of the scripts."""
    options = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    torch.manual_seed(training.recipe.seed)
    folder = RUNS / training.name
    folder.mkdir(parents=True, exist_ok=True)
    bank = make_bank(
        [read_grey(path) for path, _ in learned],
        num_views=training.num_views,
        grid=training.grid,
        geometry=training.geometry,
        seed=training.recipe.seed,
        folder=folder,
    )
    labels = torch.tensor([label for _, label in learned])[bank.sources]
    # Both classes count the same, however many images each has.
    class_weights = len(labels) / (len(training.classes) * labels.bincount())
    model = training.network()
    start_from_patches(model, bank.views)
    width, whole = model.config.hidden_size, whole_image_targets(bank.targets)
    trained = nn.ModuleDict(
        {
            "model": model,
            "translate": nn.Linear(width, MIDDLE_CHANNELS + NUM_DEEP),
            "translate_whole": nn.Linear(width, whole.shape[1]),
        }
    )

    def step(indices: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        # Each epoch takes one view of each image.
        picks = torch.randint(training.num_views, indices.shape, generator=generator)
        rows = (indices * training.num_views + picks).numpy()
        seed = int(torch.randint(2**31, (), generator=generator))
        rng = np.random.default_rng(seed)
        pixels = torch.from_numpy(
            np.stack([relight(rng, bank.views[row], training.light) for row in rows])
        )
        targets = torch.from_numpy(bank.targets[rows])
        if training.geometry.mirror and rng.random() < 0.5:
            pixels, targets = pixels.flip(-1), targets.flip(-1)
        if training.geometry.flip and rng.random() < 0.5:
            pixels, targets = pixels.flip(-2), targets.flip(-2)
        seen = Seen(targets, whole[rows], draw_patches(training, progress, generator))
        # The teacher's share stays whole for half of the time.
        share = 1.0 - (1.0 - training.last_share) * max(0.0, 2.0 * progress - 1.0)
        return loss(trained, pixels, labels[rows], class_weights, seen, share)

    held_out = torch.from_numpy(np.stack([np.asarray(read_grey(path)) for path, _ in watched]))
    truth = [label for _, label in watched]
    average = fit(
        trained,
        training.recipe,
        len(learned),
        step,
        folder,
        resume=options.resume,
        validate=lambda averaged: score(averaged["model"], held_out, truth),
    )
    export(average["model"], training.name, "ViTImageProcessor", training.image_size)


def draw_patches(training: ViTTraining, progress: float, generator: torch.Generator) -> Tensor:
    """Which patches the model sees: some of them at first, all of them at last.

    Leaving patches out halves the time and spares the model learning one film by heart
    (as in https://arxiv.org/abs/2208.07220).
    """
    number = training.grid**2
    if progress >= ALL_PATCHES_FROM:
        return torch.arange(number)
    kept = round(training.kept_patches * number)
    return torch.randperm(number, generator=generator)[:kept].sort().values


@dataclass(frozen=True)
class Seen:
    """What the teacher sees in a batch, and which patches the student may look at."""

    patches: Tensor
    whole: Tensor
    keep: Tensor


def whole_image_targets(targets: np.ndarray) -> Tensor:
    """The teacher's deep features averaged over each view, with mean 0 and variance 1."""
    means = torch.from_numpy(
        np.stack([view[MIDDLE_CHANNELS:].astype(np.float32).mean((1, 2)) for view in targets])
    )
    return (means - means.mean(0)) / means.std(0)


def loss(
    trained: nn.ModuleDict,
    pixels: Tensor,
    labels: Tensor,
    class_weights: Tensor,
    seen: Seen,
    share: float,
) -> Tensor:
    """Cross-entropy of the labels plus the squared errors of the teacher's features."""
    model = trained["model"]
    with_class_token = torch.cat([torch.zeros(1, dtype=torch.long), seen.keep + 1])
    hook = model.vit.embeddings.register_forward_hook(
        lambda _module, _inputs, tokens: tokens.index_select(1, with_class_token)
    )
    with hook, torch.autocast("cpu", torch.bfloat16):
        tokens = model.vit(normalise(pixels)).last_hidden_state
        logits = model.classifier(tokens[:, 0])
        patches = trained["translate"](tokens[:, 1:])
        whole = trained["translate_whole"](tokens[:, 0])
    maps = torch.cat([seen.patches[:, :MIDDLE_CHANNELS], seen.patches[:, -NUM_DEEP:]], 1)
    targets = maps.flatten(2)[:, :, seen.keep].transpose(1, 2).float()
    of_patches = F.mse_loss(patches.float(), targets)
    of_whole = F.mse_loss(whole.float(), seen.whole)
    taught = PATCH_WEIGHT * of_patches + WHOLE_WEIGHT * of_whole
    return F.cross_entropy(logits.float(), labels, class_weights) + share * taught


def normalise(grey: Tensor) -> Tensor:
    """Images x 3 x height x width in -1..1 from grey in 0..1."""
    return ((grey - 0.5) / 0.5).unsqueeze(1).expand(-1, 3, -1, -1)


@torch.inference_mode()
def score(model: nn.Module, images: Tensor, labels: Sequence[int]) -> str:
    """Accuracy and negative log-likelihood, for the log."""
    model.eval()
    logits = []
    for part in images.split(32):
        with torch.autocast("cpu", torch.bfloat16):
            logits.append(model(normalise(part.float() / 255)).logits.float())
    rows = torch.cat(logits)
    truth = torch.tensor(labels)
    accuracy = float((rows.argmax(1) == truth).float().mean())
    return f"validation accuracy {accuracy:.3f}, NLL {float(F.cross_entropy(rows, truth)):.3f}"


def parse() -> argparse.Namespace:
    """The options that the scripts share."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    return parser.parse_args()
