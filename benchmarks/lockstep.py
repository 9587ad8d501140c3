"""MBT2018's latents in lockstep against compressai's own `compress` and `decompress`.

    python benchmarks/lockstep.py [--batch 16] [--side 256] [--network compact]

Prints a Markdown table a network: CPU seconds for a batch of photographs on one thread, transforms
included, and how many times as fast this package's codec is. `latents` are the same without the
transforms: what it costs to quantise and code. The compact network has its shipped weights. The
official network has its size and random weights, its latents scaled to about half a bit a pixel,
since what is compared is time.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from markdown_table import table

from mpq_checks.codecs.mbt2018 import image_coder
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.shipped import read_config, read_weights
from mpq_checks.signals import Image
from mpq_checks.torch_stack import import_compressai

import_compressai()

import torch  # noqa: E402
from compressai.models import JointAutoregressiveHierarchicalPriors  # noqa: E402

HEAD = ("network", "", "compressai, s", "lockstep, s", "times as fast")


def main() -> None:
    """Time both networks both ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=256, help="a multiple of 64")
    parser.add_argument("--network", choices=("compact", "official"), help="default: both")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = photographs(options.batch, options.side)
    networks = {"compact": compact_network, "official": large_network}
    print(f"{options.batch} photographs of {options.side} x {options.side}, one thread\n")
    with torch.inference_mode():
        for name, network in networks.items():
            if options.network in (name, None):
                print(table(HEAD, rows_of(name, network(), images)), flush=True)


def photographs(batch: int, side: int) -> list[Image]:
    """Top left corners of imagenet-mini's first images that are large enough."""
    dataset = ImagenetMini()
    images: list[Image] = []
    for sample_id in dataset.sample_ids():
        pixels = dataset.load(sample_id).signal.pixels[:side, :side]
        if pixels.shape[:2] == (side, side) and len(images) < batch:
            images.append(Image(np.ascontiguousarray(pixels)))
    assert len(images) == batch, "imagenet-mini has not so many images of this size"
    return images


def compact_network() -> Any:
    """The network that ships."""
    config = read_config("mbt2018-compact")
    model = JointAutoregressiveHierarchicalPriors(config["N"], config["M"])
    model.load_state_dict(read_weights("mbt2018-compact"))
    return model.eval()


def large_network() -> Any:
    """The official network's size, with latents of about a bit a pixel."""
    torch.manual_seed(0)
    model = JointAutoregressiveHierarchicalPriors(192, 192).eval()
    model.g_a[6].weight.mul_(4)
    model.h_a[4].weight.mul_(4)
    model.update(force=True)
    return model


def rows_of(name: str, model: Any, images: list[Image]) -> list[tuple[object, ...]]:
    """Rows of the table for one network."""
    coder = image_coder(model, name, b"Mx", "zeros")
    pixels = np.stack([image.pixels for image in images]).transpose(0, 3, 1, 2)
    x = torch.from_numpy(pixels.copy()).float() / 255
    latents = [coder.analysis(one[None]) for one in x]
    sizes = [one.z.shape[1:] for one in latents]

    transforms_in = seconds(lambda: model.h_a(model.g_a(x)))[0]
    encoding, compressed = seconds(lambda: model.compress(x))
    decoding, restored = seconds(
        lambda: model.decompress(compressed["strings"], compressed["shape"])
    )
    transforms_out = seconds(lambda: model.g_s(model.g_a(x)))[0] - seconds(lambda: model.g_a(x))[0]
    assert restored["x_hat"].shape == x.shape
    ours_encoding, streams = seconds(lambda: coder.encode(images))
    ours_decoding, _ = seconds(lambda: coder.decode(streams))
    latents_in, payloads = seconds(lambda: coder.latents.encode(latents))
    latents_out, _ = seconds(lambda: coder.latents.decode(payloads, sizes))
    theirs_bytes = sum(len(s) for strings in compressed["strings"] for s in strings)
    print(
        f"{name}: {8 * sum(map(len, streams)) / x[:, 0].numel():.3f} bits per pixel, "
        f"compressai {8 * theirs_bytes / x[:, 0].numel():.3f}"
    )
    both = encoding + decoding, ours_encoding + ours_decoding
    return [
        _row(name, "encode", encoding, ours_encoding),
        _row(name, "decode", decoding, ours_decoding),
        _row(name, "both", *both),
        _row(name, "latents, encode", encoding - transforms_in, latents_in),
        _row(name, "latents, decode", decoding - transforms_out, latents_out),
    ]


def _row(name: str, what: str, theirs: float, ours: float) -> tuple[object, ...]:
    return name, what, f"{theirs:.2f}", f"{ours:.2f}", f"{theirs / ours:.1f}"


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, so that other load does not count, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
