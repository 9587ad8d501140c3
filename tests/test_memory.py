"""What is remembered, what is forgotten, and that nobody notices."""

from concurrent.futures import ThreadPoolExecutor

from mpq_checks.memory import BoundedMemory


def test_computes_once() -> None:
    memory: BoundedMemory[bytes] = BoundedMemory(10, len)
    calls: list[str] = []

    def compute() -> bytes:
        calls.append("a")
        return b"12345"

    assert [memory.get("a", compute) for _ in range(3)] == [b"12345"] * 3
    assert calls == ["a"]


def test_forgets_the_least_recently_used() -> None:
    memory: BoundedMemory[bytes] = BoundedMemory(10, len)
    calls: list[str] = []

    def get(key: str) -> bytes:
        return memory.get(key, lambda: calls.append(key) or b"12345")  # type: ignore[func-returns-value]

    for key in ("a", "b", "a", "c", "a", "b"):
        get(key)
    assert calls == ["a", "b", "c", "b"]


def test_hands_back_what_is_too_large_without_keeping_it() -> None:
    memory: BoundedMemory[bytes] = BoundedMemory(10, len)
    memory.get("small", lambda: b"1234567890")
    assert memory.get("large", lambda: bytes(11)) == bytes(11)
    assert memory.get("small", lambda: b"forgotten") == b"1234567890"


def test_gives_every_thread_the_right_value() -> None:
    memory: BoundedMemory[bytes] = BoundedMemory(40, len)
    keys = [str(number % 13) for number in range(2000)]
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda key: memory.get(key, lambda: key.encode() * 3), keys))
    assert values == [key.encode() * 3 for key in keys]
