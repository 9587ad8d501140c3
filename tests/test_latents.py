"""Entropy coding of latents: exact networks, range coder, wavefront, streams."""

from typing import Any

import latent_networks as networks
import numpy as np
import pytest
import torch
from compressai.ans import RansEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mpq_checks.codecs.latents.coder import LatentCoder, Latents
from mpq_checks.codecs.latents.exact import ExactLayers, exact_weight, snap
from mpq_checks.codecs.latents.range_coder import MAX_SYMBOL, SymbolReader, encode_symbols
from mpq_checks.codecs.latents.tables import SymbolTables, tables_of
from mpq_checks.codecs.latents.wavefront import TAPS, Wavefront
from mpq_checks.errors import CodecError, DecodingError, EncodingError

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@pytest.fixture(scope="module")
def hyperprior() -> Any:
    return networks.hyperprior_network()


@pytest.fixture(scope="module")
def context() -> Any:
    return networks.context_network()


def latents_of(model: Any, height: int, width: int, seed: int = 0) -> Latents:
    pixels = networks.smooth(height, width, seed).pixels.transpose(2, 0, 1)
    with torch.no_grad():
        y = model.g_a(torch.from_numpy(pixels.copy())[None].float() / 255)
        return Latents(y[0], model.h_a(y)[0])


# Exact networks.


@given(seed=SEEDS, spread=st.floats(0.001, 100), size=st.integers(1, 300))
@settings(max_examples=50, deadline=None)
def test_sums_are_those_of_whole_numbers(seed: int, spread: float, size: int) -> None:
    random = np.random.default_rng(seed)
    weight = torch.from_numpy(random.normal(0, spread, (5, size)))
    values = snap(torch.from_numpy(random.normal(0, 4000, (7, size))))
    exact, _ = exact_weight(weight, None, 0)
    bits = 24
    while not torch.equal((exact * 2.0**bits).round(), exact * 2.0**bits) or bits > 24:
        bits += 1
        assert bits < 40
    left = (values * 4096).long().numpy().astype(object)
    right = (exact * 2.0**bits).long().numpy().astype(object)
    expected = left @ right.T
    found = (values @ exact.T * 4096 * 2.0**bits).numpy()
    assert all(int(a) == b for a, b in zip(found.ravel(), expected.ravel(), strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_layers_give_the_same_in_any_order_batch_and_number_of_threads(threads: int) -> None:
    layers = networks.context_network().h_s
    x = torch.randn(3, 12, 5, 4, generator=torch.Generator().manual_seed(1)) * 9
    exact = ExactLayers(layers)
    alone = torch.cat([exact(one[None]) for one in x])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            assert torch.equal(exact(x), alone)
            order = torch.randperm(12, generator=torch.Generator().manual_seed(2))
            shuffled = networks.context_network().h_s
            shuffled[0].weight.copy_(layers[0].weight[order])
            assert torch.equal(ExactLayers(shuffled)(x[:, order]), alone)
            assert torch.allclose(layers(snap(x).float()), alone.float(), atol=5e-3)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Sigmoid()), "Sigmoid"),
        (nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1)), "ReLU"),
        (nn.Sequential(nn.Conv2d(2, 2, 1, groups=2)), "Conv2d"),
        (nn.Sequential(nn.Conv2d(2, 2, 3, padding="same")), "Conv2d"),
    ],
)
def test_layers_that_are_not_exact_are_refused(layers: nn.Sequential, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        ExactLayers(layers)


def test_weights_that_cannot_be_exact_are_refused() -> None:
    with pytest.raises(CodecError, match="NaN"):
        exact_weight(torch.tensor([[float("nan")]]), None, 0)
    with pytest.raises(CodecError, match="too much"):
        exact_weight(torch.full((1, 9), 1e7), None, 0)


# The wavefront.


@given(sizes=st.lists(SIZES, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_each_latent_is_coded_once_and_after_its_neighbours(sizes: list[tuple[int, int]]) -> None:
    front = Wavefront(sizes)
    assert sorted(front.cells) == sorted(set(front.cells))
    assert len(front.cells) == sum(height * width for height, width in sizes)
    step_of = {}
    for number, step in enumerate(front.steps):
        step_of.update(dict.fromkeys(front.cells[step.start : step.stop].tolist(), number))
    for cell, taps in zip(front.cells.tolist(), front.taps.tolist(), strict=True):
        assert len(taps) == len(TAPS) == 12
        assert all(0 <= tap < cell for tap in taps)
        assert all(step_of[tap] < step_of[cell] for tap in taps if tap in step_of)
    assert front.steps[0].start == 0
    assert front.steps[-1].stop == len(front.cells)


@given(sizes=st.lists(SIZES, min_size=1, max_size=4), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_an_image_has_its_own_order_in_any_batch(sizes: list[tuple[int, int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    rasters = [random.normal(size=(height * width, 2)) for height, width in sizes]
    front = Wavefront(sizes)
    gathered = front.gather(rasters)
    for back, raster in zip(front.rasters(gathered), rasters, strict=True):
        assert np.array_equal(back, raster)
    for size, raster, mine in zip(sizes, rasters, front.split(gathered), strict=True):
        assert np.array_equal(Wavefront([size]).gather([raster]), mine)
    for step in front.steps:
        shares = [stop - start for _, start, stop in step.shares]
        assert sum(shares) == step.stop - step.start
        images = [image for image, _, _ in step.shares]
        assert images == sorted(set(images))


def test_neighbours_are_those_of_a_masked_convolution(context: Any) -> None:
    mask = context.context_prediction.mask[0, 0]
    seen = {(int(row) - 2, int(column) - 2) for row, column in mask.nonzero()}
    assert set(TAPS) == seen


# The range coder.


@given(seed=SEEDS, count=st.integers(8, 400), spread=st.floats(0.1, 3000))
@settings(max_examples=60, deadline=None)
def test_symbols_come_back_as_compressai_codes_them(
    context: Any, seed: int, count: int, spread: float
) -> None:
    tables = tables_of(context.gaussian_conditional)
    random = np.random.default_rng(seed)
    indexes = random.integers(0, len(tables.rows), count)
    symbols = np.rint(random.normal(0, spread, count)).astype(np.int64)
    stream = encode_symbols([(tables, indexes, symbols)], "x")
    conditional = context.gaussian_conditional
    whole = (
        conditional.quantized_cdf.tolist(),
        conditional.cdf_length.tolist(),
        conditional.offset.tolist(),
    )
    theirs = RansEncoder().encode_with_indexes(symbols.tolist(), indexes.tolist(), *whole)
    assert stream == theirs
    reader = SymbolReader(stream, "x")
    half = count // 2
    found = [reader.read(tables, indexes[:half]), reader.read(tables, indexes[half:])]
    assert np.array_equal(np.concatenate(found), symbols)


def test_several_parts_share_a_stream(context: Any) -> None:
    first, second = tables_of(context.entropy_bottleneck), tables_of(context.gaussian_conditional)
    indexes = np.arange(12)
    parts = [(first, indexes, indexes - 5), (second, indexes, indexes * 3)]
    reader = SymbolReader(encode_symbols(parts, "x"), "x")
    for tables, where, symbols in parts:
        assert np.array_equal(reader.read(tables, where), symbols)


def test_symbols_that_would_hang_or_break_the_coder_are_refused(context: Any) -> None:
    tables = tables_of(context.gaussian_conditional)
    ends = np.array([MAX_SYMBOL, -MAX_SYMBOL] * 4)
    stream = encode_symbols([(tables, np.zeros(8, np.int64), ends)], "x")
    assert np.array_equal(SymbolReader(stream, "x").read(tables, np.zeros(8, np.int64)), ends)
    with pytest.raises(EncodingError, match="beyond"):
        encode_symbols([(tables, np.zeros(8, np.int64), ends + 1)], "x")
    with pytest.raises(EncodingError, match="fewer than 8"):
        encode_symbols([(tables, np.zeros(7, np.int64), ends[:7])], "x")


@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.integers(0, 60).map(lambda n: b"\xff" * (4 * n)),
        st.tuples(st.integers(2**31, 2**63 - 1), st.binary(max_size=120)).map(
            lambda pair: pair[0].to_bytes(8, "little") + pair[1][: len(pair[1]) // 4 * 4]
        ),
        st.tuples(st.integers(2**31, 2**63 - 1), st.integers(0, 300)).map(
            lambda pair: pair[0].to_bytes(8, "little") + b"\xff" * (4 * pair[1])
        ),
    ),
    index=st.integers(0, 63),
)
@settings(max_examples=200, deadline=None)
def test_no_bytes_lead_out_of_the_stream(context: Any, data: bytes, index: int) -> None:
    tables = tables_of(context.gaussian_conditional)

    def read_for_ever() -> None:
        reader = SymbolReader(data, "x")
        for _ in range(10_000):
            reader.read(tables, np.full(4096, index))

    with pytest.raises(DecodingError):
        read_for_ever()


def test_what_symbols_cost_is_what_the_stream_has(context: Any) -> None:
    tables = tables_of(context.gaussian_conditional)
    random = np.random.default_rng(0)
    indexes = random.integers(0, len(tables.rows), 20_000)
    scales = context.gaussian_conditional.scale_table.numpy()[indexes]
    symbols = np.rint(random.normal(0, scales)).astype(np.int64)
    stream = encode_symbols([(tables, indexes, symbols)], "x")
    assert tables.cost_bits(indexes, symbols) == pytest.approx(8 * len(stream), rel=2e-3)


@pytest.mark.parametrize("damage", ["not rising", "short", "none"])
def test_tables_are_checked(damage: str) -> None:
    model = networks.context_network().gaussian_conditional
    if damage == "not rising":
        model._quantized_cdf[3, 2] = model._quantized_cdf[3, 1]
    elif damage == "short":
        model._quantized_cdf[3, model._cdf_length[3] - 1] -= 1
    else:
        model._quantized_cdf = model._quantized_cdf[:0]
    with pytest.raises(CodecError, match="table"):
        tables_of(model)


def test_the_cheapest_symbol_bounds_the_cost(context: Any) -> None:
    tables = tables_of(context.gaussian_conditional)
    assert isinstance(tables, SymbolTables)
    steps = [max(np.diff(row)) for row in tables.rows]
    assert np.allclose(tables.cheapest_bits, 16 - np.log2(steps))


# A hyperprior of mean and scale, without context.


@given(
    sizes=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4),
    seed=SEEDS,
)
@settings(max_examples=15, deadline=None)
def test_hyperprior_streams_are_those_of_each_image_alone(
    hyperprior: Any, sizes: list[tuple[int, int]], seed: int
) -> None:
    coder = networks.hyperprior_latents(hyperprior)
    latents = [
        latents_of(hyperprior, 64 * height, 64 * width, seed + number)
        for number, (height, width) in enumerate(sizes)
    ]
    streams = coder.encode(latents)
    assert streams == [coder.encode([one])[0] for one in latents]
    for one, decoded in zip(latents, coder.decode(streams, sizes), strict=True):
        assert decoded.shape == one.y.shape
        assert decoded.dtype == torch.float32
        assert (decoded - one.y).abs().max() <= 0.5 + 1e-3


def test_hyperprior_is_compressais(hyperprior: Any) -> None:
    latents = latents_of(hyperprior, 256, 192)
    coder = networks.hyperprior_latents(hyperprior)
    (stream,) = coder.encode([latents])
    (decoded,) = coder.decode([stream], [(4, 3)])
    with torch.no_grad():
        z, y = latents.z[None], latents.y[None]
        z_strings = hyperprior.entropy_bottleneck.compress(z)
        z_hat = hyperprior.entropy_bottleneck.decompress(z_strings, (4, 3))
        scales, means = hyperprior.h_s(z_hat).chunk(2, 1)
        conditional = hyperprior.gaussian_conditional
        indexes = conditional.build_indexes(scales)
        y_strings = conditional.compress(y, indexes, means=means)
        y_hat = conditional.decompress(y_strings, indexes, means=means)[0]
    assert len(stream) == pytest.approx(len(z_strings[0]) + len(y_strings[0]), rel=0.01)
    same = (decoded - y_hat).abs() < 5e-3
    assert same.float().mean() > 0.995
    # The others lay halfway.
    assert ((latents.y - y_hat)[~same].abs() > 0.49).all()


def test_no_images_give_no_streams(hyperprior: Any) -> None:
    coder = networks.hyperprior_latents(hyperprior)
    assert coder.encode([]) == []
    assert coder.decode([], []) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e7])
def test_latents_that_cannot_be_right_are_refused(hyperprior: Any, value: float) -> None:
    latents = latents_of(hyperprior, 64, 64)
    latents.y[0, 0, 0] = value
    with pytest.raises(EncodingError, match="latents y"):
        networks.hyperprior_latents(hyperprior).encode([latents])


def test_a_context_model_has_both_its_networks(context: Any) -> None:
    with pytest.raises(CodecError, match="both"):
        LatentCoder(
            "x",
            entropy_bottleneck=context.entropy_bottleneck,
            gaussian_conditional=context.gaussian_conditional,
            hyper_decoder=context.h_s,
            context_prediction=context.context_prediction,
        )


# With a context model.


def test_latents_are_quantised_around_the_means_of_compressais_networks(context: Any) -> None:
    latents = latents_of(context, 192, 256)
    coder = networks.context_coder(context).latents
    streams = coder.encode([latents])
    (decoded,) = coder.decode(streams, [(3, 4)])
    with torch.no_grad():
        bottleneck = context.entropy_bottleneck
        z_hat = bottleneck.decompress(bottleneck.compress(latents.z[None]), (3, 4))
        parts = (context.h_s(z_hat), context.context_prediction(decoded[None]))
        _, means = context.entropy_parameters(torch.cat(parts, 1)).chunk(2, 1)
    symbols = decoded - means[0]
    assert (symbols - symbols.round()).abs().max() < 5e-3
    assert (decoded - latents.y).abs().max() <= 0.5 + 1e-6
    assert len(symbols.round().unique()) > 10


@pytest.mark.parametrize("part", ["h_s", "context_prediction", "entropy_parameters"])
def test_another_entropy_model_is_noticed(context: Any, part: str) -> None:
    latents = latents_of(context, 128, 128)
    streams = networks.context_coder(context).latents.encode([latents])
    other = networks.context_network()
    with torch.no_grad():
        for parameter in getattr(other, part).parameters():
            parameter.mul_(1.001)
    with pytest.raises(DecodingError, match="computes other numbers here"):
        networks.context_coder(other).latents.decode(streams, [(2, 2)])
