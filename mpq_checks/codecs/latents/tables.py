"""The range coder's tables, from compressai's entropy models."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import CodecError

__all__ = ["SymbolTables", "tables_of"]

_PRECISION_BITS = 16
"""Probabilities of a table are whole multiples of 2^-16."""

_TOTAL = 1 << _PRECISION_BITS
_MIN_ENTRIES = 3
_NIBBLE_BITS = 4
"""An escaped value takes one nibble for their number, then those."""


@dataclass(frozen=True, eq=False)
class SymbolTables:
    """Cumulative probabilities, a table an index.

    Attributes:
        rows: 0, ..., 2^16, strictly rising, a list a table. The last step is the escape's.
        offsets: the symbol that a table's first step stands for.
        bits: what each step costs, tables x steps, 0 beyond a table's end.
        escapes: the step of the escape, a number a table.
    """

    rows: tuple[list[int], ...]
    offsets: npt.NDArray[np.int32]
    bits: npt.NDArray[np.float64]
    escapes: npt.NDArray[np.int32]

    @property
    def cheapest_bits(self) -> npt.NDArray[np.float64]:
        """What the likeliest symbol of each table costs."""
        cheapest: npt.NDArray[np.float64] = np.where(self.bits > 0, self.bits, np.inf).min(axis=1)
        return cheapest

    def select(
        self, indexes: npt.NDArray[np.int64]
    ) -> tuple[list[int], list[list[int]], list[int], list[int]]:
        """Indexes into fewer tables, these tables, their lengths and their offsets.

        The coder copies all tables it is given at every call, most of which are long and unused.
        """
        used = np.flatnonzero(np.bincount(indexes, minlength=len(self.rows)))
        position = np.zeros(len(self.rows), np.int64)
        position[used] = np.arange(len(used))
        rows = [self.rows[index] for index in used]
        return (
            position[indexes].tolist(),
            rows,
            [len(row) for row in rows],
            self.offsets[used].tolist(),
        )

    def cost_bits(self, indexes: npt.NDArray[np.int64], symbols: npt.NDArray[np.int64]) -> float:
        """Bits that the symbols take in a stream, escaped values included, at the least."""
        steps = symbols - self.offsets[indexes]
        escape = self.escapes[indexes]
        outside = (steps < 0) | (steps >= escape)
        cost = float(self.bits[indexes, np.where(outside, escape, steps)].sum())
        return cost + _NIBBLE_BITS * float(np.count_nonzero(outside))


def tables_of(entropy_model: Any) -> SymbolTables:
    """Tables of a compressai EntropyBottleneck or GaussianConditional after `update()`.

    Raises:
        CodecError: there are none, or one is not a table: the coder itself would not notice.
    """
    cdfs = entropy_model.quantized_cdf.numpy()
    lengths = entropy_model.cdf_length.numpy().reshape(-1)
    offsets = entropy_model.offset.numpy().reshape(-1).astype(np.int32)
    name = type(entropy_model).__name__
    if cdfs.ndim != 2 or not len(cdfs) == len(lengths) == len(offsets) > 0:
        raise CodecError(f"{name} has no tables for the range coder; save it after update()")
    bits = np.zeros((len(cdfs), cdfs.shape[1]))
    rows = []
    for index, (row, length) in enumerate(zip(cdfs, lengths, strict=True)):
        steps = np.diff(row[:length])
        if not (_MIN_ENTRIES <= length <= len(row) and row[0] == 0 and row[length - 1] == _TOTAL):
            raise CodecError(f"{name}: table {index} does not go from 0 to {_TOTAL}")
        if (steps <= 0).any():
            raise CodecError(f"{name}: table {index} does not rise")
        bits[index, : length - 1] = _PRECISION_BITS - np.log2(steps)
        rows.append(row[:length].tolist())
    return SymbolTables(tuple(rows), offsets, bits, (lengths - 2).astype(np.int32))
