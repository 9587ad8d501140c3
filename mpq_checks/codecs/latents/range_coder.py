"""compressai's range coder (rANS), kept within what it can bear.

It checks nothing. Few symbols make it write before its buffer, a symbol beyond 2^27 makes it loop
for ever, and its decoder reads on beyond the end of a stream, into whatever memory lies there.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.latents.tables import SymbolTables
from mpq_checks.errors import DecodingError, EncodingError

__all__ = ["MAX_SYMBOL", "SymbolReader", "encode_symbols"]

MAX_SYMBOL = 1 << 20
"""Largest magnitude of a symbol, far from any that a trained network gives."""

Part: TypeAlias = tuple[SymbolTables, npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Tables, the index of each symbol's table, symbols."""

_MIN_SYMBOLS = 8
_WORD_BYTES = 4
_MIN_BYTES = 8
_LEAST_STATE = 1 << 31
_MOST_STATE = 1 << 63

_RUN = 4096
_RUN_BYTES = 80 * _RUN
_ESCAPE_FACTOR = 160
"""How the padding bounds the decoder. It reads less than what the symbols cost plus a word, but an
escape can cost more than its value shows: n nibbles of 15 announce up to 15 n + 14 more. Within
the stream that makes at most 16 bytes of one. In the zeros after it at most 8 such nibbles are
left in the decoder's state, so that an escape, of which a stream's budget allows 2 a byte, takes
at most 72 bytes there: 16 + 2 * 72 = 160. The budget is checked after each run of symbols, of
which each takes at most 80 bytes in the zeros."""

_SLACK_BITS = 64.0
_SLACK_BITS_A_SYMBOL = 2.0**-13
"""The coder's own rounding."""


def encode_symbols(parts: Sequence[Part], codec: str) -> bytes:
    """One stream of all parts in turn. Raises EncodingError for a symbol beyond MAX_SYMBOL."""
    from compressai.ans import BufferedRansEncoder

    if sum(len(symbols) for _, _, symbols in parts) < _MIN_SYMBOLS:
        raise EncodingError(f"{codec}: fewer than {_MIN_SYMBOLS} symbols cannot be coded")
    encoder: Any = BufferedRansEncoder()
    for tables, indexes, symbols in parts:
        if np.abs(symbols).max(initial=0) > MAX_SYMBOL:
            raise EncodingError(f"{codec}: a latent lies beyond {MAX_SYMBOL}")
        selected, rows, lengths, offsets = tables.select(indexes)
        encoder.encode_with_indexes(symbols.tolist(), selected, rows, lengths, offsets)
    stream: bytes = encoder.flush()
    return stream


class SymbolReader:
    """Reads symbols from a stream, in order; no stream makes it leave its memory.

    Raises:
        DecodingError: on construction, where the bytes cannot be a stream; on reading, once the
            symbols read must have taken more than the stream has.
    """

    def __init__(self, stream: bytes, codec: str) -> None:
        """Begin at the start of the stream."""
        from compressai.ans import RansDecoder

        state = int.from_bytes(stream[:_MIN_BYTES], "little")
        whole = len(stream) >= _MIN_BYTES and len(stream) % _WORD_BYTES == 0
        if not whole or not _LEAST_STATE <= state < _MOST_STATE:
            raise DecodingError(f"{codec}: {len(stream)} bytes are no stream of the range coder")
        self._codec = codec
        self._budget_bits = 8.0 * len(stream) + _SLACK_BITS
        self._decoder: Any = RansDecoder()
        self._decoder.set_stream(stream + bytes(_ESCAPE_FACTOR * len(stream) + _RUN_BYTES))

    def read(self, tables: SymbolTables, indexes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """A symbol for each index. Raises DecodingError."""
        runs = [
            self._read_run(tables, indexes[start : start + _RUN])
            for start in range(0, len(indexes), _RUN)
        ]
        return runs[0] if len(runs) == 1 else np.concatenate(runs)

    def _read_run(
        self, tables: SymbolTables, indexes: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        symbols = np.array(self._decoder.decode_stream(*tables.select(indexes)), np.int64)
        spent = tables.cost_bits(indexes, symbols) - _SLACK_BITS_A_SYMBOL * len(symbols)
        self._budget_bits -= spent
        if self._budget_bits < 0 or np.abs(symbols).max() > MAX_SYMBOL:
            raise DecodingError(f"{self._codec}: the stream ends before its symbols do")
        return symbols
