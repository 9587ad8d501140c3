"""Hyper-latents and latents to one stream, and back.

Stream: 2 bytes of checksum over the decoded latents, then one stream of the range coder, the
hyper-latents' symbols first. The checksum is that of the numbers which a decoder must arrive at.
It differs where the entropy model is not the encoder's.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mpq_checks.codecs.latents.exact import GRID_STEPS, ExactLayers, snap
from mpq_checks.codecs.latents.gaussian import ContextGaussian, Gaussian, LatentModel
from mpq_checks.codecs.latents.range_coder import MAX_SYMBOL, SymbolReader, encode_symbols
from mpq_checks.codecs.latents.tables import tables_of
from mpq_checks.errors import CodecError, DecodingError, EncodingError

__all__ = ["LatentCoder", "Latents"]

_CHECK_BYTES = 2


@dataclass(frozen=True, eq=False)
class Latents:
    """What an encoder network makes of one image.

    Attributes:
        y: channels x height x width.
        z: channels x height x width, from which the hyper-decoder makes y's scales and means.
    """

    y: Tensor
    z: Tensor


class LatentCoder:
    """Codes the latents of images; a batch gives the bytes that each image gives alone."""

    def __init__(
        self,
        codec: str,
        *,
        entropy_bottleneck: Any,
        gaussian_conditional: Any,
        hyper_decoder: nn.Sequential,
        context_prediction: Any = None,
        entropy_parameters: nn.Sequential | None = None,
    ) -> None:
        """Take tables and weights from the modules of a trained network, after `update()`.

        Without the last two it is a hyperprior of mean and scale (`mbt2018-mean`, HiFiC), with
        both a context model as well (`mbt2018`).

        Args:
            codec: name for error messages.
            entropy_bottleneck: compressai's EntropyBottleneck of z.
            gaussian_conditional: compressai's GaussianConditional of y.
            hyper_decoder: convolutions, transposed convolutions and (leaky) ReLUs that make of z
                first all scales, then all means of y; before a context model, what it is given.
            context_prediction: compressai's MaskedConv2d, 5 x 5.
            entropy_parameters: 1 x 1 convolutions and (leaky) ReLUs: hyper-decoder's and context's
                channels in, scales and means out.

        Raises:
            CodecError: a module of another form, or without tables.
        """
        self._codec = codec
        self._z_tables = tables_of(entropy_bottleneck)
        medians = entropy_bottleneck.quantiles.detach()[:, 0, 1]
        self._z_medians = snap(medians).reshape(-1, 1, 1)
        self._hyper_decoder = ExactLayers(hyper_decoder)
        if (context_prediction is None) != (entropy_parameters is None):
            raise CodecError("a context model has both context_prediction and entropy_parameters")
        self._model: LatentModel
        if entropy_parameters is None:
            self._model = Gaussian(gaussian_conditional)
        else:
            self._model = ContextGaussian(
                gaussian_conditional, context_prediction, entropy_parameters
            )

    @property
    def z_channels(self) -> int:
        """Channels of the hyper-latents."""
        return len(self._z_medians)

    def fewest_bytes(self, z_height: int, z_width: int) -> float:
        """No stream of hyper-latents of this size is shorter."""
        return z_height * z_width * float(self._z_tables.cheapest_bits.sum()) / 8

    def encode(self, latents: Sequence[Latents]) -> list[bytes]:
        """A stream for each image; sizes may differ.

        Raises:
            EncodingError: a latent is not finite or beyond what can be coded.
        """
        if not latents:
            return []
        for one in latents:
            self._require_codable(one)
        z_symbols = [torch.round(one.z.double() - self._z_medians) for one in latents]
        parameters = [self._parameters(symbols) for symbols in z_symbols]
        rasters = [_raster(one.y.double()) for one in latents]
        coded = self._model.encode(rasters, parameters, [_size(one.y) for one in latents])
        streams = []
        for symbols, quantised in zip(z_symbols, coded, strict=True):
            z_flat = _integers(symbols)
            parts = (
                (self._z_tables, self._z_indexes(symbols.shape), z_flat),
                (self._model.tables, quantised.indexes, quantised.symbols),
            )
            check = _checksum(z_flat, quantised.raster)
            streams.append(check + encode_symbols(parts, self._codec))
        return streams

    def decode(self, streams: Sequence[bytes], z_sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """The latents y of each image, float32, channels x height x width.

        Args:
            streams: what `encode` gave.
            z_sizes: height and width of each image's hyper-latents.

        Raises:
            DecodingError: not a stream, or one whose latents do not come out here.
        """
        if not streams:
            return []
        readers = [SymbolReader(stream[_CHECK_BYTES:], self._codec) for stream in streams]
        try:
            z_symbols = [
                self._read_z(reader, size) for reader, size in zip(readers, z_sizes, strict=True)
            ]
            parameters, sizes = [], []
            for symbols in z_symbols:
                both, size = self._parameters_and_size(symbols)
                parameters.append(both)
                sizes.append(size)
            rasters = self._model.decode(readers, parameters, sizes)
        except DecodingError as exc:
            raise self._diverged(str(exc)) from exc
        decoded = []
        for stream, symbols, raster, (height, width) in zip(
            streams, z_symbols, rasters, sizes, strict=True
        ):
            if _checksum(_integers(symbols), raster) != stream[:_CHECK_BYTES]:
                raise self._diverged("the checksum of the latents differs")
            y = np.ascontiguousarray(raster.T, np.float32)
            decoded.append(torch.from_numpy(y).reshape(-1, height, width))
        return decoded

    def _require_codable(self, latents: Latents) -> None:
        for name, values in (("y", latents.y), ("z", latents.z)):
            # NaN compares false.
            if not bool((values.abs() < MAX_SYMBOL / 2).all()):
                raise EncodingError(
                    f"{self._codec}: latents {name} are not finite or beyond {MAX_SYMBOL // 2}; "
                    f"the network's weights cannot be right"
                )

    def _parameters(self, z_symbols: Tensor) -> Tensor:
        return self._parameters_and_size(z_symbols)[0]

    def _parameters_and_size(self, z_symbols: Tensor) -> tuple[Tensor, tuple[int, int]]:
        values = self._hyper_decoder((z_symbols + self._z_medians)[None])[0]
        return _raster(values), _size(values)

    def _z_indexes(self, shape: Sequence[int]) -> npt.NDArray[np.int64]:
        channels, height, width = shape
        return np.repeat(np.arange(channels), height * width)

    def _read_z(self, reader: SymbolReader, size: tuple[int, int]) -> Tensor:
        shape = (self.z_channels, *size)
        symbols = reader.read(self._z_tables, self._z_indexes(shape))
        return torch.from_numpy(symbols).double().reshape(shape)

    def _diverged(self, reason: str) -> DecodingError:
        return DecodingError(
            f"{self._codec}: the entropy model computes other numbers here than where this was "
            f"encoded ({reason}). Decode with the weights and the version that encoded it."
        )


def _checksum(z_symbols: npt.NDArray[np.int64], raster: npt.NDArray[np.float64]) -> bytes:
    grid = np.rint(raster * GRID_STEPS).astype("<i8")
    check = zlib.crc32(grid.tobytes(), zlib.crc32(z_symbols.astype("<i8").tobytes()))
    return check.to_bytes(4, "little")[:_CHECK_BYTES]


def _raster(values: Tensor) -> Tensor:
    return values.flatten(1).T.contiguous()


def _size(values: Tensor) -> tuple[int, int]:
    return int(values.shape[1]), int(values.shape[2])


def _integers(symbols: Tensor) -> npt.NDArray[np.int64]:
    flat: npt.NDArray[np.int64] = symbols.long().reshape(-1).numpy()
    return flat
