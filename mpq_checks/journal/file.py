"""The journal of a case: `<folder>/<profile>/<task>/<codec>/<key>.jsonl`.

The first line says what the rows depend on (`mpq_checks.journal.conditions`); its SHA-256 is the
key and names the file. Each further line is a batch of samples: its rows and the seconds spent on
them. A line holds a SHA-256 of itself, its number and the key.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import FileLock

from mpq_checks.datasets.base import Sample
from mpq_checks.errors import EvidenceError, JournalError
from mpq_checks.evidence import Row

__all__ = ["Entry", "Journal", "case_folder"]

_LOG = logging.getLogger(__name__)

_SCHEMA = "mpq-journal/1"
_LOCK_NAME = "lock"
_LOCK_SECONDS = 60.0
"""Workers of a killed run may live on for some seconds."""

_FSYNC_SECONDS = 5.0
_KEY_DIGITS = 32
_DIGEST_DIGITS = 64


@dataclass(frozen=True)
class Entry:
    """A batch of samples.

    Attributes:
        rows: of its samples, in their order.
        seconds: wall seconds by stage that were spent on them.
    """

    rows: tuple[Row, ...]
    seconds: Mapping[str, float]


def case_folder(folder: Path, profile: str, case_id: str) -> Path:
    """Where the journals of a case lie, one per key."""
    return folder / profile / case_id


class Journal:
    """The journal of one case.

    Attributes:
        num_reused: samples whose rows were taken from it.
        problem: why it could not be written to the end; empty where it was.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder of the case; `opened` reads and writes."""
        self.num_reused = 0
        self.problem = ""
        self._folder = folder
        self._path = folder
        self._key = ""
        self._entries: dict[tuple[str, ...], Entry] = {}
        self._num_lines = 0
        self._file: FileIO | None = None
        self._synced = 0.0

    @contextlib.contextmanager
    def opened(self, conditions: Mapping[str, Any]) -> Iterator[None]:
        """Read what was measured under these very conditions, then keep the file open for more.

        Raises:
            JournalError: a folder that cannot be written, a journal that is not whole, or one
                that another run holds for a minute.
        """
        body = json.dumps({"schema": _SCHEMA, **conditions}, sort_keys=True)
        self._key = hashlib.sha256(body.encode()).hexdigest()
        self._path = self._folder / f"{self._key[:_KEY_DIGITS]}.jsonl"
        with self._locked():
            try:
                self._open(body)
                yield
            finally:
                self._close()

    def find(self, batch: Sequence[Sample[Any]]) -> Entry | None:
        """What is known of these samples as one batch; None if any of them is not what it was."""
        entry = self._entries.get(tuple(sample.sample_id for sample in batch))
        if entry is None:
            return None
        for sample, row in zip(batch, entry.rows, strict=True):
            if (sample.content_sha256, sample.cluster) != (row.content_sha256, row.cluster):
                return None
        self.num_reused += len(batch)
        return entry

    def notes(self, num_samples: int) -> list[str]:
        """What a reader of the case's `num_samples` rows has to know of it, one line each."""
        found = []
        if self.num_reused:
            found.append(
                f"{self.num_reused} of {num_samples} samples were measured by earlier runs"
            )
        if self.problem:
            found.append(f"{self.problem}; this case is measured from there on if it is run again")
        return found

    def append(self, rows: Sequence[Row], seconds: Mapping[str, float]) -> None:
        """Add a batch. A disk that takes no more ends the journal, not the measurement."""
        if self._file is None:
            return
        body = json.dumps({"rows": [row.to_json() for row in rows], "seconds": dict(seconds)})
        try:
            self._write(body)
        except OSError as error:
            self._give_up(error)

    def _open(self, header: str) -> None:
        try:
            data = self._path.read_bytes() if self._path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]  # a killed run leaves half a line
            lines = whole.splitlines(keepends=True)
            self._read(lines, header)
            self._file = self._path.open("ab", buffering=0)
            self._file.truncate(len(whole))
            self._num_lines = len(lines)
            if not lines:
                self._write(header)
        except OSError as error:
            raise JournalError(
                f"{self._path}: cannot be written ({_reason(error)}); make it writable, or name "
                "another folder with --mpq-resume"
            ) from error

    def _read(self, lines: Sequence[bytes], header: str) -> None:
        for number, line in enumerate(lines, start=1):
            try:
                body = _body(line, self._key, number)
                if number == 1:
                    _require(body == header)
                    continue
                data = json.loads(body)
                rows = tuple(
                    Row.from_json(row, f"rows[{index}]") for index, row in enumerate(data["rows"])
                )
                entry = Entry(rows, {stage: float(s) for stage, s in data["seconds"].items()})
            except (EvidenceError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise JournalError(
                    f"{self._path}, line {number} is not as it was written ({error}): nothing of "
                    "this file can be trusted. Delete it; its samples are then measured anew"
                ) from error
            self._entries[tuple(row.sample_id for row in rows)] = entry

    def _write(self, body: str) -> None:
        assert self._file is not None  # noqa: S101  (for the type checker)
        left = memoryview(_line(body, self._key, self._num_lines + 1))
        while left:
            left = left[self._file.write(left) :]
        self._num_lines += 1
        if time.monotonic() - self._synced > _FSYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _close(self) -> None:
        self._entries.clear()
        if self._file is None:
            return
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            self._give_up(error)
        self._file = None

    def _give_up(self, error: OSError) -> None:
        self.problem = f"{self._path}: cannot be written any further ({_reason(error)})"
        _LOG.warning("%s", self.problem)
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self._folder / _LOCK_NAME, timeout=_LOCK_SECONDS)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except TimeoutError as error:
            raise JournalError(
                f"{self._folder}: another run measures this case with the same --mpq-resume; let "
                "it end, or name another folder"
            ) from error
        except OSError as error:
            raise JournalError(
                f"{self._folder}: cannot be written ({_reason(error)}); make it writable, or name "
                "another folder with --mpq-resume"
            ) from error
        try:
            yield
        finally:
            lock.release()


def _line(body: str, key: str, number: int) -> bytes:
    return f'{{"sha256": "{_digest(body, key, number)}", "entry": {body}}}\n'.encode()


def _body(line: bytes, key: str, number: int) -> str:
    """What `_line` was made of. Raises ValueError where it was not made by it."""
    text = line.decode("utf-8")
    start = len('{"sha256": "') + _DIGEST_DIGITS + len('", "entry": ')
    body = text[start : -len("}\n")]
    _require(_line(body, key, number) == line)
    return body


def _digest(body: str, key: str, number: int) -> str:
    return hashlib.sha256(f"{key}\n{number}\n{body}".encode()).hexdigest()


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("it does not fit its SHA-256")


def _reason(error: OSError) -> str:
    return "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
