"""LPIPS, the learned perceptual image patch similarity (Zhang et al., 2018)."""

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import AssetCorruptError, AssetMissingError, MetricError, SignalError
from mpq_checks.memory import BoundedMemory
from mpq_checks.metrics.base import Metric, PerceptualDistance
from mpq_checks.metrics.pickles import read_numpy_pickle
from mpq_checks.signals import Image, require_same_form

__all__ = ["LPIPS", "Lpips", "Net", "lpips_distance"]

LPIPS = Metric("lpips", "", higher_is_better=False, decimals=4)

Net: TypeAlias = Literal["alex", "vgg"]

_TRUNK_ASSETS: dict[Net, str] = {"alex": "lpips-alexnet-trunk", "vgg": "lpips-vgg16-trunk"}

# The smallest side at which each trunk has a pixel left in its last layer.
_MIN_SIDE: dict[Net, int] = {"alex": 31, "vgg": 16}

# Holds the references of a dataset like imagenet-mini. They are kept in half precision, which
# halves them and moves a distance by less than a millionth.
_MEMORY_BYTES = 320 * 2**20


@dataclass(frozen=True)
class Lpips:
    """LPIPS 0.1 as the lpips package computes it, on the RGB of 0..255 scaled to -1..1.

    A side shorter than the trunk can take (AlexNet 31, VGG-16 16 pixels) is first extended at
    the right or bottom by mirroring, in both images alike.

    Args:
        net: the trunk, AlexNet or VGG-16, with ImageNet weights; the heads are lpips' own.
    """

    net: Net = "alex"

    def __post_init__(self) -> None:
        """Refuse an unknown trunk."""
        if self.net not in _TRUNK_ASSETS:
            raise MetricError(f"lpips: net is {self.net!r}, there are 'alex' and 'vgg'")

    @property
    def metric(self) -> Metric:
        """`lpips`."""
        return LPIPS

    def identity(self) -> dict[str, str]:
        """Trunk, its weights' SHA-256, the package with the heads."""
        return {
            "metric": "lpips 0.1",
            "net": self.net,
            "trunk_sha256": asset_sha256(_TRUNK_ASSETS[self.net]),
            "lpips": importlib.metadata.version("lpips"),
        }

    def assets(self) -> tuple[str, ...]:
        """The trunk."""
        return (_TRUNK_ASSETS[self.net],)

    def load(self, device: str) -> PerceptualDistance:
        """Bring trunk and heads into memory.

        Raises:
            AssetError: the trunk cannot be had or is not the pinned one.
        """
        return lpips_distance(self.net, device)


def lpips_distance(net: Net, device: str, full_scale: float = 255.0) -> PerceptualDistance:
    """LPIPS in memory; pixels of 0..`full_scale` become -1..1. Raises AssetError."""
    return _LpipsDistance(_network(net).to(device), _MIN_SIDE[net], device, full_scale / 2)


class _LpipsDistance:
    """LPIPS with its network in memory."""

    def __init__(self, network: Any, min_side: int, device: str, half_scale: float) -> None:
        self._network = network
        self._min_side = min_side
        self._half_scale = half_scale
        self._device = device
        self._remembered: BoundedMemory[list[Any]] = BoundedMemory(_MEMORY_BYTES, _size)

    def distance(self, reference: Image, decoded: Image) -> float:
        """Distance, from 0; exactly 0 for equal images.

        Raises:
            MetricError: images of different shape, or audio.
        """
        _require_images(reference, decoded)
        if np.array_equal(reference.pixels, decoded.pixels):
            return 0.0
        import torch

        with torch.inference_mode():
            theirs = self._remembered.get(reference.sha256(), lambda: self._kept(reference.pixels))
            ours = self._features(decoded.pixels)
            layers = zip(self._network.lins, theirs, ours, strict=True)
            total = sum(head((a.float() - b) ** 2).mean() for head, a, b in layers)
        return float(total)

    def _kept(self, pixels: npt.NDArray[np.uint8]) -> list[Any]:
        """Features as they are remembered: in half precision."""
        return [layer.half() for layer in self._features(pixels)]

    def _features(self, pixels: npt.NDArray[np.uint8]) -> list[Any]:
        """The trunk's layers of one image, each normalised to unit length over channels."""
        import lpips  # type: ignore[import-untyped]
        import torch

        missing = [(0, max(0, self._min_side - side)) for side in pixels.shape[:2]]
        extended = np.pad(pixels, [*missing, (0, 0)], mode="symmetric")
        image = torch.from_numpy(extended).to(self._device).permute(2, 0, 1)[None]
        scaled = image.float() / self._half_scale - 1.0
        layers = self._network.net(self._network.scaling_layer(scaled))
        return [lpips.normalize_tensor(layer) for layer in layers]


def _require_images(reference: Image, decoded: Image) -> None:
    if not isinstance(reference, Image):
        raise MetricError(f"lpips: compares images, not {type(reference).__name__}")
    try:
        require_same_form(reference, decoded)
    except SignalError as exc:
        raise MetricError(f"lpips: {exc}") from exc


def _size(layers: list[Any]) -> int:
    return sum(layer.numel() * layer.element_size() for layer in layers)


def _network(net: Net) -> Any:
    """The lpips package's network with trunk and heads, in evaluation mode."""
    from mpq_checks import torch_stack

    torch_stack.prepare()
    import lpips
    import torch

    # On the meta device nothing is allocated or drawn at random, in particular not the
    # hundred million weights of the classifiers that lpips builds and cuts off.
    with torch_stack.quiet_lpips(), torch.device("meta"):
        network = lpips.LPIPS(net=net, pnet_rand=True, pretrained=False, verbose=False)
    network.scaling_layer = lpips.ScalingLayer()
    scaling = network.scaling_layer.state_dict(prefix="scaling_layer.")
    state = {**scaling, **_trunk_state(network, net), **_heads_state(net)}
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _trunk_state(network: Any, net: Net) -> dict[str, Any]:
    """Convolution weights of the trunk by torch's names.

    The file numbers the convolutions in order and stores kernels as height x width x in x out.
    """
    import torch

    path = asset_path(_TRUNK_ASSETS[net])
    prefix = {"alex": "AlexNet_0", "vgg": "VGG16_0"}[net]
    arrays = read_numpy_pickle(path)
    convolutions = [
        name for name, module in network.net.named_modules() if isinstance(module, torch.nn.Conv2d)
    ]
    state: dict[str, Any] = {}
    for index, name in enumerate(convolutions):
        try:
            kernel = arrays[f"{prefix}/Conv_{index}/kernel"]
            bias = arrays[f"{prefix}/Conv_{index}/bias"]
        except KeyError as exc:
            raise AssetCorruptError(f"{path} lacks {exc.args[0]!r}") from exc
        transposed = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        state[f"net.{name}.weight"] = torch.from_numpy(transposed)
        state[f"net.{name}.bias"] = torch.from_numpy(np.array(bias))
    return state


def _heads_state(net: Net) -> dict[str, Any]:
    """The heads that come with the lpips package, by the names in its network."""
    import torch

    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        raise AssetMissingError("the package lpips is not installed; run `pip install lpips`")
    path = Path(spec.origin).parent / "weights" / "v0.1" / f"{net}.pth"
    heads = torch.load(path, map_location="cpu", weights_only=True)
    # The network holds each head twice: as attribute and in a list.
    return {**heads, **{f"lins.{key.removeprefix('lin')}": heads[key] for key in heads}}
