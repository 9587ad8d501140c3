"""Write the compact EnCodec where it ships: `python training/encodec_export.py`.

The running average of the weights, with weight norms multiplied out, in half precision, and how
often each code occurs in the training data.
"""

import argparse
import hashlib
import json
import logging
import warnings
from pathlib import Path
from typing import Any

import audio_data
import numpy as np
import torch
from encodec_network import SETTINGS, Network
from export import SHIPPED
from safetensors.torch import save_file
from torch import Tensor, nn
from train_encodec import FOLDER, RUNS

NAME = "encodec-compact"
_OF_QUANTISER = ("sample_rate", "n_q", "bins")
_COUNTED_CROPS, _COUNTED_SAMPLES, _SEED = 600, 32000, 2

logger = logging.getLogger("training.encodec_export")


def shipped_tensors(network: Any) -> dict[str, Tensor]:
    """Weights of encoder and decoder without weight norms, and the codebooks; half precision."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            nn.utils.remove_weight_norm(module)
    used_in_training = ("embed_avg", "cluster_size", "inited")
    return {
        name: tensor.detach().half().contiguous()
        for name, tensor in network.state_dict().items()
        if name.split(".")[-1] not in used_in_training
    }


@torch.no_grad()
def code_counts(network: Any, corpus: audio_data.Corpus, num_crops: int) -> Tensor:
    """How often each code occurs, codebooks x codes, int32."""
    rng = np.random.default_rng(_SEED)
    counts = torch.zeros(SETTINGS["n_q"], SETTINGS["bins"], dtype=torch.int64)
    for _ in range(num_crops // 10):
        crops = audio_data.crops(rng, corpus.speech, corpus.music, 10, _COUNTED_SAMPLES)
        latents = network.encoder(torch.from_numpy(crops).unsqueeze(1))
        for index, codes in enumerate(network.quantizer.vq.encode(latents)):
            counts[index] += torch.bincount(codes.flatten(), minlength=SETTINGS["bins"])
    return counts.to(torch.int32)


def export(checkpoint: Path, folder: Path, num_crops: int) -> None:
    """Write config.json and model.safetensors."""
    state = torch.load(checkpoint, weights_only=True)
    network = Network()
    network.load_state_dict(state["average"])
    network.eval()
    counts = code_counts(network, audio_data.load(RUNS / "audio"), num_crops)
    tensors = {**shipped_tensors(network), "code_counts": counts}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "model.safetensors").chmod(0o644)
    shape = {key: value for key, value in SETTINGS.items() if key not in _OF_QUANTISER}
    config = {
        "network": shape,
        **{key: SETTINGS[key] for key in _OF_QUANTISER},
        "trained_steps": state["step"],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    used = (counts > 0).float().mean(1)
    share = counts / counts.sum(1, keepdim=True)
    bits = -(share * share.clamp(min=1e-12).log2()).sum(1)
    logger.info("step %d, SHA-256 %s", state["step"], digest)
    logger.info("share of codes in use %s", [round(float(each), 3) for each in used])
    logger.info("entropy of codes %s bits", [round(float(each), 2) for each in bits])


def main() -> None:
    """Export, and log how evenly the codes are used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=FOLDER / "checkpoint.pt")
    parser.add_argument("--folder", type=Path, default=SHIPPED / NAME)
    parser.add_argument("--crops", type=int, default=_COUNTED_CROPS, help="to count codes in")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    warnings.filterwarnings("ignore", message=".*weight_norm.*")
    torch.set_num_threads(1)
    export(arguments.checkpoint, arguments.folder, arguments.crops)


if __name__ == "__main__":
    main()
