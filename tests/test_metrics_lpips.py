"""LPIPS against the lpips package itself, on the same weights."""

import pickle
from typing import Any

import numpy as np
import pytest
from metric_cases import PHOTOGRAPHS, jpeg, photograph

from mpq_checks.assets import asset_path
from mpq_checks.errors import MetricError
from mpq_checks.metrics.base import PerceptualDistance
from mpq_checks.metrics.lpips import LPIPS, Lpips, Net
from mpq_checks.signals import Audio, Image

pytestmark = pytest.mark.assets


@pytest.fixture(scope="module")
def alex() -> PerceptualDistance:
    return Lpips("alex").load("cpu")


def package_network(net: Net) -> Any:
    """The lpips package's own network; only the trunk, which it would download, is put in."""
    import lpips
    import torch

    from mpq_checks import torch_stack

    name = {"alex": "lpips-alexnet-trunk", "vgg": "lpips-vgg16-trunk"}[net]
    with torch_stack.quiet_lpips():
        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    # The file is pinned by its hash, so that here a plain reader will do.
    layers = next(iter(pickle.loads(asset_path(name).read_bytes()).values()))  # noqa: S301
    convolutions = [m for m in network.net.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == len(layers)
    with torch.no_grad():
        for index, convolution in enumerate(convolutions):
            kernel = torch.from_numpy(layers[f"Conv_{index}"]["kernel"])
            convolution.weight.copy_(torch.einsum("hwio->oihw", kernel))
            convolution.bias.copy_(torch.from_numpy(layers[f"Conv_{index}"]["bias"]))
    return network


def package_distance(network: Any, reference: Image, decoded: Image) -> float:
    import lpips
    import torch

    with torch.no_grad():
        tensors = [lpips.im2tensor(image.pixels) for image in (reference, decoded)]
        return float(network(*tensors))


@pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("net", "sides"), [("alex", (None, 31, 47)), ("vgg", (96, 16, 23))])
def test_equals_the_package(net: Net, sides: tuple[int | None, ...]) -> None:
    ours, theirs = Lpips(net).load("cpu"), package_network(net)
    for name in PHOTOGRAPHS:
        for side in sides:
            image = Image(photograph(name).pixels[100:, 60:][:side, :side].copy())
            for quality in (90, 5):
                decoded = jpeg(image, quality)
                expected = package_distance(theirs, image, decoded)
                assert expected > 1e-4
                # Twice: computed, and from what is remembered of the reference.
                for _ in range(2):
                    assert ours.distance(image, decoded) == pytest.approx(expected, abs=1e-5)


def test_equal_images_are_exactly_zero(alex: PerceptualDistance) -> None:
    image = photograph()
    assert alex.distance(image, Image(image.pixels.copy())) == 0.0


def test_grows_with_distortion(alex: PerceptualDistance) -> None:
    image = photograph()
    values = [alex.distance(image, jpeg(image, quality)) for quality in (95, 60, 30, 15, 8, 3)]
    assert values == sorted(values)
    assert values[0] > 0
    assert 0.3 < values[-1] < 1.5
    assert LPIPS.drop(values[0], values[-1]) > 0  # a larger distance is worse


def test_sees_colour_and_place(alex: PerceptualDistance) -> None:
    image = photograph()
    swapped = Image(image.pixels[:, :, ::-1])
    shifted = Image(np.roll(image.pixels, 8, axis=1))
    assert alex.distance(image, swapped) > 0.05
    assert alex.distance(image, shifted) > 0.01


@pytest.mark.parametrize("net", ["alex", "vgg"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (16, 16), (30, 33)])
def test_small_images_are_mirrored_to_the_least_size(net: Net, shape: tuple[int, int]) -> None:
    distance = Lpips(net).load("cpu")
    least = {"alex": 31, "vgg": 16}[net]
    random = np.random.default_rng(1)
    a, b = (random.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(2))
    missing = [(0, max(0, least - side)) for side in shape]
    larger = [Image(np.pad(x, [*missing, (0, 0)], mode="symmetric")) for x in (a, b)]
    value = distance.distance(Image(a), Image(b))
    assert value == pytest.approx(distance.distance(*larger), abs=1e-7)
    assert np.isfinite(value)
    assert value > 0


def test_each_reference_is_computed_once(alex: Any) -> None:
    passes = []
    hook = alex._network.net.register_forward_hook(lambda *_: passes.append(1))
    image = Image(photograph(PHOTOGRAPHS[1]).pixels[:200, :123].copy())
    try:
        for quality in (50, 20, 5):
            alex.distance(image, jpeg(image, quality))
    finally:
        hook.remove()
    assert len(passes) == 1 + 3


@pytest.mark.parametrize(
    ("reference", "decoded", "said"),
    [
        (Image(np.zeros((40, 40, 3), np.uint8)), Image(np.zeros((40, 41, 3), np.uint8)), "shape"),
        (Image(np.zeros((40, 40, 3), np.uint8)), Audio(np.zeros((1, 9), np.float32), 8), "Audio"),
        (Audio(np.zeros((1, 9), np.float32), 8), Audio(np.zeros((1, 9), np.float32), 8), "Audio"),
    ],
)
def test_bad_input_is_refused(
    alex: PerceptualDistance, reference: Image | Audio, decoded: Image | Audio, said: str
) -> None:
    with pytest.raises(MetricError, match=said):
        alex.distance(reference, decoded)


def test_unknown_trunk_is_refused() -> None:
    with pytest.raises(MetricError, match="squeeze"):
        Lpips("squeeze")  # type: ignore[arg-type]


def test_identity_tells_the_trunks_apart() -> None:
    alex, vgg = Lpips("alex"), Lpips("vgg")
    assert alex.identity() != vgg.identity()
    assert alex.assets() != vgg.assets()
    assert alex.metric.name == "lpips"
    assert len({Lpips(), alex, vgg}) == 2  # hashable, as a key of caches
