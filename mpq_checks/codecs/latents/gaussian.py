"""Latents coded as Gaussians whose scales and means the hyper-latents give, or a context as well.

Rasters are latents x channels, row by row, in float64; parameters are latents x 2 channels, first
all scales, then all means. What is coded is the latent minus its mean, rounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mpq_checks.codecs.latents.exact import convolutions_and_slopes, exact_weight, rectify, snap
from mpq_checks.codecs.latents.range_coder import SymbolReader
from mpq_checks.codecs.latents.tables import SymbolTables, tables_of
from mpq_checks.codecs.latents.wavefront import TAPS, Wavefront
from mpq_checks.errors import CodecError

__all__ = ["Coded", "ContextGaussian", "Gaussian", "LatentModel"]


@dataclass(frozen=True, eq=False)
class Coded:
    """One image's latents: symbols and table indexes in coding order, and what decoding gives."""

    symbols: npt.NDArray[np.int64]
    indexes: npt.NDArray[np.int64]
    raster: npt.NDArray[np.float64]


class LatentModel(Protocol):
    """How latents are coded, given what the hyper-latents say of them."""

    tables: SymbolTables

    def encode(
        self,
        latents: Sequence[Tensor],
        parameters: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
    ) -> list[Coded]:
        """Quantise the rasters of images with latents of these heights and widths."""

    def decode(
        self,
        readers: Sequence[SymbolReader],
        parameters: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
    ) -> list[npt.NDArray[np.float64]]:
        """Read the rasters. Raises DecodingError."""


class Gaussian:
    """Scales and means are the hyper-latents' alone, so that each image is coded at once."""

    def __init__(self, conditional: Any) -> None:
        """Take the tables of a compressai GaussianConditional. Raises CodecError."""
        self.tables = tables_of(conditional)
        self._scales = _ScaleTable(conditional, self.tables)

    def encode(
        self,
        latents: Sequence[Tensor],
        parameters: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
    ) -> list[Coded]:
        """Quantise each image's raster."""
        coded = []
        for raster, both in zip(latents, parameters, strict=True):
            scales, means = both.chunk(2, 1)
            symbols = torch.round(raster - means)
            indexes = self._scales.indexes(scales)
            coded.append(Coded(_flat(symbols), _flat(indexes), (symbols + means).numpy()))
        return coded

    def decode(
        self,
        readers: Sequence[SymbolReader],
        parameters: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
    ) -> list[npt.NDArray[np.float64]]:
        """Read each image's raster. Raises DecodingError."""
        rasters = []
        for reader, both in zip(readers, parameters, strict=True):
            scales, means = both.chunk(2, 1)
            symbols = reader.read(self.tables, _flat(self._scales.indexes(scales)))
            rasters.append(symbols.reshape(means.shape) + means.numpy())
        return rasters


class ContextGaussian:
    """Scales and means depend on decoded neighbours too: Minnen, Ballé, Toderici (2018).

    The images of a batch are coded in lockstep, one evaluation of the networks a step of the
    wavefront. The masked convolution is a product with the 12 neighbours that it sees; what the
    entropy parameters' first layer makes of the hyper-latents is worked out before, for all steps.
    """

    def __init__(self, conditional: Any, context: Any, entropy_parameters: nn.Sequential) -> None:
        """Take tables and weights from compressai's modules.

        Args:
            conditional: GaussianConditional.
            context: MaskedConv2d, 5 x 5, type A.
            entropy_parameters: 1 x 1 convolutions and leaky ReLUs.

        Raises:
            CodecError: modules of another form.
        """
        self.tables = tables_of(conditional)
        self._scales = _ScaleTable(conditional, self.tables)
        if tuple(context.weight.shape[2:]) != (5, 5):
            raise CodecError(f"the context model sees {tuple(context.weight.shape[2:])}, not 5 x 5")
        masked = (context.weight * context.mask).permute(0, 2, 3, 1)
        seen = torch.stack([masked[:, row + 2, column + 2] for row, column in TAPS], 1)
        weight, self._context_bias = exact_weight(seen.flatten(1), context.bias, 0)
        self._context_weight = weight.T.contiguous()
        self._layers = []
        for module, slope in convolutions_and_slopes(entropy_parameters):
            if tuple(module.weight.shape[2:]) != (1, 1):
                raise CodecError(f"the entropy parameters have a layer {module}, not 1 x 1")
            weight, bias = exact_weight(module.weight[:, :, 0, 0], module.bias, 0)
            self._layers.append((weight.T.contiguous(), bias, slope))
        first = self._layers[0][0]
        self._num_hyper = len(first) - len(self._context_bias)
        self._first_of_context = first[self._num_hyper :].contiguous()

    def encode(
        self,
        latents: Sequence[Tensor],
        parameters: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
    ) -> list[Coded]:
        """Quantise the rasters of all images in lockstep."""
        front = Wavefront(sizes)
        targets = torch.from_numpy(front.gather([raster.numpy() for raster in latents]))
        symbols, indexes = torch.empty_like(targets), torch.empty(targets.shape, dtype=torch.int64)
        run = self._begin(front, parameters, targets.shape[1])
        for step in front.steps:
            here = slice(step.start, step.stop)
            scales, means = run.parameters(here)
            indexes[here] = self._scales.indexes(scales)
            symbols[here] = torch.round(targets[here] - means)
            run.put(here, symbols[here] + means)
        coded = zip(
            front.split(symbols.long().numpy()),
            front.split(indexes.numpy()),
            front.rasters(run.decoded()),
            strict=True,
        )
        return [Coded(a.reshape(-1), b.reshape(-1), raster) for a, b, raster in coded]

    def decode(
        self,
        readers: Sequence[SymbolReader],
        parameters: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
    ) -> list[npt.NDArray[np.float64]]:
        """Read the rasters of all images in lockstep. Raises DecodingError."""
        front = Wavefront(sizes)
        run = self._begin(front, parameters, self._layers[-1][0].shape[1] // 2)
        for step in front.steps:
            here = slice(step.start, step.stop)
            scales, means = run.parameters(here)
            indexes = self._scales.indexes(scales).numpy()
            symbols = np.empty(indexes.shape, np.int64)
            for image, start, stop in step.shares:
                flat = readers[image].read(self.tables, indexes[start:stop].reshape(-1))
                symbols[start:stop] = flat.reshape(stop - start, -1)
            run.put(here, torch.from_numpy(symbols) + means)
        return front.rasters(run.decoded())

    def _begin(self, front: Wavefront, parameters: Sequence[Tensor], channels: int) -> "_Run":
        hyper = torch.from_numpy(front.gather([both.numpy() for both in parameters]))
        weight, bias, _ = self._layers[0]
        prepared = torch.addmm(bias, hyper, weight[: self._num_hyper])
        return _Run(self, front, prepared, channels)

    def evaluate(self, neighbours: Tensor, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """Scales and means from neighbours, n x 12 channels, and the first layer's share."""
        context = snap(torch.addmm(self._context_bias, neighbours, self._context_weight))
        values = torch.addmm(prepared, context, self._first_of_context)
        values = snap(rectify(values, self._layers[0][2]))
        for weight, bias, slope in self._layers[1:]:
            values = snap(rectify(torch.addmm(bias, values, weight), slope))
        scales, means = values.chunk(2, 1)
        return scales, means


class _Run:
    """The decoded latents so far of a batch."""

    def __init__(
        self, model: ContextGaussian, front: Wavefront, prepared: Tensor, channels: int
    ) -> None:
        self._model = model
        self._prepared = prepared
        self._taps = torch.from_numpy(front.taps)
        self._cells = torch.from_numpy(front.cells)
        self._decoded = torch.zeros(front.num_cells, channels, dtype=torch.float64)

    def parameters(self, here: slice) -> tuple[Tensor, Tensor]:
        taps = self._taps[here]
        neighbours = self._decoded.index_select(0, taps.reshape(-1)).reshape(len(taps), -1)
        return self._model.evaluate(neighbours, self._prepared[here])

    def put(self, here: slice, values: Tensor) -> None:
        # The context sees what the grid can hold, whatever a hostile stream says.
        self._decoded[self._cells[here]] = snap(values)

    def decoded(self) -> npt.NDArray[np.float64]:
        """In wavefront order."""
        return self._decoded[self._cells].numpy()


class _ScaleTable:
    """Which table a scale takes: that of the smallest scale not below it, as in compressai."""

    def __init__(self, conditional: Any, tables: SymbolTables) -> None:
        table = conditional.scale_table.detach().double()
        if len(table) != len(tables.rows) or bool((table.diff() <= 0).any()):
            raise CodecError("the scale table does not rise, or not with the coder's tables")
        self._bounds = table[:-1].contiguous()

    def indexes(self, scales: Tensor) -> Tensor:
        return torch.bucketize(scales.contiguous(), self._bounds)


def _flat(values: Tensor) -> npt.NDArray[np.int64]:
    flat: npt.NDArray[np.int64] = values.long().reshape(-1).numpy()
    return flat
