"""Values that are costly to make, remembered up to a number of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["BoundedMemory"]

ValueT = TypeVar("ValueT")


class BoundedMemory(Generic[ValueT]):
    """Values by key, up to a total size; the least recently used go first. Thread-safe.

    A value larger than the whole is handed back without being kept.
    """

    def __init__(self, max_bytes: int, size: Callable[[ValueT], int]) -> None:
        """Keep up to `max_bytes`, where `size(value)` tells a value's bytes."""
        self._max_bytes = max_bytes
        self._size = size
        self._values: OrderedDict[Hashable, ValueT] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], ValueT]) -> ValueT:
        """The value of `key`, computed where it is not remembered."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = compute()  # outside of the lock: it takes long, and computing twice is harmless
        self._keep(key, value)
        return value

    def _keep(self, key: Hashable, value: ValueT) -> None:
        """Remember a value, forgetting others where needed."""
        size = self._size(value)
        with self._lock:
            if key in self._values or size > self._max_bytes:
                return
            self._values[key] = value
            self._total += size
            while self._total > self._max_bytes:
                _, oldest = self._values.popitem(last=False)
                self._total -= self._size(oldest)
