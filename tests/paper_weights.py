"""Checkpoints of the paper's official codecs in their makers' format, with random weights.

Real classes of full size: they show how files and streams are handled, and nothing of quality.
"""

from pathlib import Path
from typing import Any

from mpq_checks import assets
from mpq_checks.torch_stack import import_compressai, prepare


def write_mbt2018(folder: Path) -> Path:
    """Quality 1 as compressai's zoo keeps it."""
    import torch

    import_compressai()
    from compressai.models import JointAutoregressiveHierarchicalPriors

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = JointAutoregressiveHierarchicalPriors(192, 192)
    with torch.no_grad():
        model.g_a[6].weight.mul_(20)
        model.h_a[4].weight.mul_(20)
    model.update(force=True)
    state = {f"module.{_old_key(key)}": value for key, value in model.state_dict().items()}
    path = folder / str(assets.load_manifest()["mbt2018-1"].filename)
    torch.save(state, path)
    return path


def _old_key(key: str) -> str:
    for new, old in (("matrices.", "_matrix"), ("biases.", "_bias"), ("factors.", "_factor")):
        key = key.replace(f"entropy_bottleneck.{new}", f"entropy_bottleneck.{old}")
    return key


def write_encodec(folder: Path) -> Path:
    """The model of 48 kHz."""
    import torch

    prepare()
    from encodec.model import EncodecModel

    from mpq_checks.codecs.encodec_models import _quiet_weight_norm

    with torch.random.fork_rng(devices=[]), _quiet_weight_norm():
        torch.manual_seed(1)
        network = EncodecModel.encodec_model_48khz(pretrained=False)
        for layer in network.quantizer.vq.layers:
            layer._codebook.embed.normal_()
            layer._codebook.inited.fill_(1)
    path = folder / str(assets.load_manifest()["encodec-48khz"].filename)
    torch.save(network.state_dict(), path)
    return path
