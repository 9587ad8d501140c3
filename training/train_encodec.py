"""Train the compact EnCodec: `python training/train_encodec.py`."""

import argparse
import logging
import math
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import audio_data
import numpy as np
import torch
import torch.nn.functional as F
from encodec_initial import start_as_transform
from encodec_losses import MelDistance, discriminator_loss, feature_loss, generator_loss
from encodec_network import SETTINGS, Network, revive_codes, start_codebooks
from torch import Tensor, nn

from mpq_checks.torch_stack import prepare

RUNS = Path(__file__).resolve().parent / "runs"
FOLDER = RUNS / "encodec-compact"

logger = logging.getLogger("training.train_encodec")


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to learn. Shares are of all steps."""

    steps: int = 1800
    batch_size: int = 10
    crop: int = 12800  # samples
    learning_rate: float = 6e-4
    discriminator_rate: float = 6e-4
    warmup_steps: int = 100
    starting_crops: int = 300  # the first transform and codebooks are made from these
    revive_every: int = 10
    revive_until: float = 0.6
    discriminator_from: float = 0.66
    adversarial_from: float = 0.68  # encoder and codebooks stay as they are from here on
    decoder_batch: int = 6  # from here on
    judged_batch: int = 3  # that the discriminator sees
    average_decay: float = 0.995
    # Of the gradients with respect to the decoded sound, each scaled to the same size.
    time_weight: float = 0.5
    mel_weight: float = 1.0
    adversarial_weight: float = 0.3
    feature_weight: float = 0.6
    commitment_weight: float = 0.02
    full_share: float = 0.6  # of steps with all codebooks
    seed: int = 1


DISCRIMINATOR: dict[str, Any] = {
    "filters": 8,
    "n_ffts": [1024, 512, 256],
    "hop_lengths": [256, 128, 64],
    "win_lengths": [1024, 512, 256],
}
SHORT_STACKS = (2, 5, 10)
"""Numbers of codebooks that the stereo and low-rate modes use most."""


class Run:
    """All that changes during training."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        prepare()
        from encodec.msstftd import MultiScaleSTFTDiscriminator

        self.recipe = recipe
        self.network = Network()
        self.average = Network()
        self.average.load_state_dict(self.network.state_dict())
        self.discriminator = MultiScaleSTFTDiscriminator(**DISCRIMINATOR)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, (0.8, 0.99), weight_decay=1e-4
        )
        self.judge_optimizer = torch.optim.AdamW(
            self.discriminator.parameters(), recipe.discriminator_rate, (0.5, 0.9)
        )
        self.mel = MelDistance(SETTINGS["sample_rate"])
        self.step = 0
        self.frozen = False

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        parts = ("network", "average", "discriminator", "optimizer", "judge_optimizer")
        saved = {part: getattr(self, part).state_dict() for part in parts}
        return {**saved, "step": self.step, "frozen": self.frozen}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for part in ("network", "average", "discriminator", "optimizer", "judge_optimizer"):
            getattr(self, part).load_state_dict(state[part])
        self.step, self.frozen = state["step"], state["frozen"]
        if self.frozen:
            self._stop_coding_side()

    def begin(self, corpus: audio_data.Corpus) -> None:
        """Set the network up as a transform codec, and its codebooks by k-means."""
        recipe, network = self.recipe, self.network
        rng = np.random.default_rng(recipe.seed)
        crops = audio_data.crops(
            rng, corpus.speech, corpus.music, recipe.starting_crops, recipe.crop
        )
        waves = torch.from_numpy(crops).unsqueeze(1)
        slope = SETTINGS["activation_params"]["negative_slope"]
        start_as_transform(network.encoder, network.decoder, waves[: len(waves) // 3], slope)
        with torch.no_grad():
            latents = torch.cat([vectors(network.encoder(part)) for part in waves.split(10)])
        start_codebooks(network.quantizer, latents)
        self.average.load_state_dict(network.state_dict())

    def advance(self, corpus: audio_data.Corpus) -> dict[str, float]:
        """One step; its losses."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, self.step))
        torch.manual_seed(recipe.seed * 1_000_000 + self.step)
        progress = self.step / recipe.steps
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(recipe, self.step)
        for group in self.judge_optimizer.param_groups:
            group["lr"] = recipe.discriminator_rate
        if progress >= recipe.adversarial_from and not self.frozen:
            self._freeze()
        batch_size = recipe.decoder_batch if self.frozen else recipe.batch_size
        wave = torch.from_numpy(
            audio_data.crops(rng, corpus.speech, corpus.music, batch_size, recipe.crop)
        ).unsqueeze(1)
        decoded, commitment = self._decoded(wave, rng)
        distance = F.l1_loss(decoded, wave)
        mel = self.mel(decoded, wave)
        terms = {"time": distance, "mel": mel, "commitment": commitment}
        losses = {name: float(term.detach()) for name, term in terms.items()}
        (by_time,) = torch.autograd.grad(distance, decoded, retain_graph=True)
        (by_mel,) = torch.autograd.grad(mel, decoded)
        size = by_time.norm()
        gradient = recipe.time_weight * by_time
        gradient = gradient + scaled(by_mel, recipe.mel_weight * size)
        if progress >= recipe.discriminator_from:
            some = slice(0, recipe.judged_batch)
            losses["judge"] = self._teach_judge(wave[some], decoded[some].detach())
        if progress >= recipe.adversarial_from:
            part = size * (recipe.judged_batch / batch_size) ** 0.5
            gradient[some] += self._judged(wave[some], decoded[some].detach(), part, losses)
        self.optimizer.zero_grad(set_to_none=True)
        targets = [decoded]
        gradients = [gradient]
        if commitment.requires_grad:
            targets.append(recipe.commitment_weight * commitment)
            gradients.append(torch.ones(()))
        torch.autograd.backward(targets, gradients)
        losses["norm"] = float(nn.utils.clip_grad_norm_(self.network.parameters(), 2.0))
        self.optimizer.step()
        follow(self.average, self.network, recipe.average_decay)
        self.step += 1
        return losses

    def _decoded(self, wave: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        recipe = self.recipe
        if self.frozen:
            with torch.no_grad():
                codes = self.network.quantizer.vq.encode(
                    self.network.encoder(wave), n_q=stack(recipe, rng)
                )
                quantised = self.network.quantizer.decode(codes)
            return self.network.decoder(quantised), torch.zeros(())
        decoded, commitment, latents = self.network(wave, stack(recipe, rng))
        wanted = self.step < recipe.revive_until * recipe.steps
        if wanted and self.step % recipe.revive_every == 0:
            revive_codes(self.network.quantizer, vectors(latents), rng)
        return decoded, commitment

    def _freeze(self) -> None:
        """Go on with the averaged encoder and codebooks, which learn no more."""
        self.network.load_state_dict(self.average.state_dict())
        self._stop_coding_side()
        self.frozen = True

    def _stop_coding_side(self) -> None:
        self.network.encoder.requires_grad_(False)
        self.network.quantizer.eval()

    def _teach_judge(self, real: Tensor, fake: Tensor) -> float:
        loss = discriminator_loss(self.discriminator(real)[0], self.discriminator(fake)[0])
        self.judge_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.judge_optimizer.step()
        return float(loss)

    def _judged(self, real: Tensor, fake: Tensor, size: Tensor, losses: dict[str, float]) -> Tensor:
        """The gradient of the adversarial and the feature loss; `size` is that of the others."""
        fake.requires_grad_()
        self.discriminator.requires_grad_(False)
        logits, maps = self.discriminator(fake)
        with torch.no_grad():
            _, meant = self.discriminator(real)
        adversarial, features = generator_loss(logits), feature_loss(meant, maps)
        (first,) = torch.autograd.grad(adversarial, fake, retain_graph=True)
        (second,) = torch.autograd.grad(features, fake)
        self.discriminator.requires_grad_(True)
        losses["adversarial"] = float(adversarial.detach())
        losses["features"] = float(features.detach())
        return scaled(first, self.recipe.adversarial_weight * size) + scaled(
            second, self.recipe.feature_weight * size
        )


def scaled(gradient: Tensor, size: Tensor) -> Tensor:
    """The gradient with this norm."""
    return gradient * (size / (gradient.norm() + 1e-12))


@torch.no_grad()
def follow(average: nn.Module, trained: nn.Module, decay: float) -> None:
    """One step of the running average, buffers included."""
    for mean, latest in zip(
        average.state_dict().values(), trained.state_dict().values(), strict=True
    ):
        mean.lerp_(latest, 1 - decay)


def stack(recipe: Recipe, rng: np.random.Generator) -> int:
    """How many codebooks a step uses."""
    drawn = rng.random()
    if drawn < recipe.full_share:
        return int(SETTINGS["n_q"])
    if drawn < (1 + recipe.full_share) / 2:
        return int(rng.choice(SHORT_STACKS))
    return int(rng.integers(1, SETTINGS["n_q"]))


def vectors(latents: Tensor) -> Tensor:
    """batch x dimension x frames to vectors x dimension."""
    return latents.detach().transpose(1, 2).flatten(0, 1)


def rate_at(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to a fiftieth."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    rest = min(1.0, (step - recipe.warmup_steps) / (recipe.steps - recipe.warmup_steps))
    return recipe.learning_rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * rest)))


@torch.no_grad()
def validate(run: Run, corpus: audio_data.Corpus) -> str:
    """Distances on crops of held-out files; for the log, nothing is chosen by them."""
    network = run.average.eval()
    words = []
    for kind, held in (("speech", corpus.held_out_speech), ("music", corpus.held_out_music)):
        starts = np.linspace(0, len(held) - 32001, 12).astype(int)
        cuts = np.stack([held[start : start + 32000] for start in starts]).astype(np.float32)
        wave = torch.from_numpy(cuts / (cuts.std(1, keepdims=True) + 1e-3)).unsqueeze(1)
        codes = network.quantizer.vq.encode(network.encoder(wave))
        decoded = network.decoder(network.quantizer.decode(codes))
        noise = (decoded - wave).pow(2).mean((1, 2))
        snr = -10 * torch.log10(noise / wave.pow(2).mean((1, 2)))
        words.append(f"{kind} mel {run.mel(decoded, wave):.4f} snr {snr.mean():.2f} dB")
    run.average.train()
    return ", ".join(words)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def train(recipe: Recipe, *, resume: bool) -> None:
    """All steps, with a checkpoint now and then."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    checkpoint = FOLDER / "checkpoint.pt"
    corpus = audio_data.load(RUNS / "audio")
    run = Run(recipe)
    if resume and checkpoint.exists():
        run.load(torch.load(checkpoint, weights_only=True))
        logger.info("resuming at step %d", run.step)
    else:
        run.begin(corpus)
        logger.info("at the start: %s", validate(run, corpus))
    started, sums, counted = time.monotonic(), {}, 0
    while run.step < recipe.steps:
        for name, value in run.advance(corpus).items():
            sums[name] = sums.get(name, 0.0) + value
        counted += 1
        if run.step % 50 == 0:
            seconds = (time.monotonic() - started) / counted
            means = "  ".join(f"{name} {value / counted:.4f}" for name, value in sums.items())
            logger.info("step %d/%d  %s  %.2f s", run.step, recipe.steps, means, seconds)
            started, sums, counted = time.monotonic(), {}, 0
        if run.step % 125 == 0 or run.step == recipe.steps:
            logger.info("step %d  %s", run.step, validate(run, corpus))
            save(checkpoint, run.state())
            started, sums, counted = time.monotonic(), {}, 0


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    warnings.filterwarnings("ignore", message=".*weight_norm.*")
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        logger.info("MALLOC_MMAP_THRESHOLD_=2000000000 MALLOC_TRIM_THRESHOLD_=4000000000 is faster")
    train(Recipe(steps=arguments.steps), resume=arguments.resume)


if __name__ == "__main__":
    main()
