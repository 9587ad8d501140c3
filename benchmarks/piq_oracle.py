"""Hold LPIPS in both ranges against piq, which the paper's code used.

    pip install --no-deps piq
    python benchmarks/piq_oracle.py

Prints a Markdown table: photographs under JPEG at quality 5, a corner of 256 x 256 each. piq would
download its weights; it is given those of the LPIPS here, which are the same published ones.
"""

import warnings
from typing import Any
from unittest import mock

import numpy as np
from markdown_table import table

from mpq_checks.codecs import Jpeg
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.metrics.as_published import PublishedLpips
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.signals import Image
from mpq_checks.torch_stack import prepare

SIDE = 256
PLACES = (0, 40, 69)


def main() -> None:
    """Print the table."""
    prepare()
    import torch

    torch.set_num_threads(1)
    proper: Any = Lpips(net="vgg").load("cpu")
    published = PublishedLpips().load("cpu")
    theirs = piq_lpips(proper._network)
    rows = []
    for sample_id, image, decoded in pairs():
        x, y = (_tensor(one) for one in (image, decoded))
        with torch.no_grad():
            by_piq = [float(theirs(x / scale, y / scale)) for scale in (1, 255)]
        ours = [metric.distance(image, decoded) for metric in (published, proper)]
        values = [value for pair in zip(by_piq, ours, strict=True) for value in pair]
        rows.append((sample_id, *(f"{value:.6f}" for value in values)))
    print(table(("photograph", "piq, 0..255", "here", "piq, 0..1", "here"), rows))


def pairs() -> list[tuple[str, Image, Image]]:
    """Photographs and what JPEG makes of them."""
    dataset, codec = ImagenetMini(), Jpeg(quality=5)
    found = []
    for place in PLACES:
        sample_id = dataset.sample_ids()[place]
        pixels = dataset.load(sample_id).signal.pixels[:SIDE, :SIDE]
        image = Image(np.ascontiguousarray(pixels))
        found.append((sample_id, image, codec.decode(codec.encode(image))))
    return found


def piq_lpips(ours: Any) -> Any:
    """piq's LPIPS with the trunk and heads of ours."""
    import torch
    from torchvision.models import vgg16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import piq.perceptual

    trunk = vgg16(weights=None)
    names = [
        [one for one in network.modules() if isinstance(one, torch.nn.Conv2d)]
        for network in (trunk.features, ours.net)
    ]
    for to, source in zip(*names, strict=True):
        to.load_state_dict(source.state_dict())
    heads = [head.model[-1].weight for head in ours.lins]
    with (
        mock.patch.object(piq.perceptual, "vgg16", return_value=trunk),
        mock.patch.object(torch.hub, "load_state_dict_from_url", return_value=heads),
    ):
        return piq.perceptual.LPIPS()


def _tensor(image: Image) -> Any:
    import torch

    return torch.from_numpy(image.pixels.transpose(2, 0, 1)[None].astype(np.float32))


if __name__ == "__main__":
    main()
