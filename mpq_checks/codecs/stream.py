"""The small header before the bytes of codecs whose format lacks something.

Layout: 2 bytes that name codec and layout, CRC-32 of the rest (4 bytes, little endian), then
unsigned integers of 7 bits a byte (low bits first, high bit set on all but the last), then the
payload. It counts in the rate like every other byte.
"""

import zlib
from collections.abc import Sequence

from mpq_checks.errors import DecodingError

__all__ = ["pack", "unpack"]

_MAX_INTEGER_BYTES = 9
_PREFIX_BYTES = 6


def pack(magic: bytes, integers: Sequence[int], payload: bytes) -> bytes:
    """Header and payload; `magic` has 2 bytes, the integers are not negative."""
    body = b"".join(map(_integer_bytes, integers)) + payload
    return magic + zlib.crc32(body).to_bytes(4, "little") + body


def unpack(magic: bytes, num_integers: int, data: bytes, codec: str) -> tuple[list[int], bytes]:
    """The integers and the payload.

    Raises:
        DecodingError: another magic, a checksum that does not match, or a header cut short.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise DecodingError(f"{codec}: {type(data).__name__} is not bytes")
    data = bytes(data)
    if len(data) < _PREFIX_BYTES or data[:2] != magic:
        raise DecodingError(f"{codec}: {len(data)} bytes are not a stream of this codec")
    body = data[_PREFIX_BYTES:]
    if zlib.crc32(body) != int.from_bytes(data[2:_PREFIX_BYTES], "little"):
        raise DecodingError(f"{codec}: {len(data)} bytes are truncated or damaged (checksum)")
    integers = []
    position = 0
    for _ in range(num_integers):
        value, position = _read_integer(body, position, codec)
        integers.append(value)
    return integers, body[position:]


def _integer_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_integer(body: bytes, position: int, codec: str) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(body[position : position + _MAX_INTEGER_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise DecodingError(f"{codec}: the header is damaged")
