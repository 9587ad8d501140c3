"""Stored baselines: one reviewable JSON file per case, `<folder>/<profile>/<task>/<codec>.json`.

Aggregates come first, for a person; then identities and environment; then the samples, one per
line, for a clean diff; then the history of acceptances. See docs/reference/file-formats.md.
"""

import contextlib
import errno
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from mpq_checks.atomic import write_text_atomically
from mpq_checks.errors import BaselineError, EvidenceError
from mpq_checks.evidence import (
    Evidence,
    Row,
    decode_floats,
    encode_floats,
    round_floats,
)
from mpq_checks.json_files import read_json
from mpq_checks.noise import differs
from mpq_checks.profiles.base import Profile

__all__ = [
    "SCHEMA",
    "Acceptance",
    "Baseline",
    "baseline_path",
    "locked",
    "read_baseline",
    "unused_files",
    "write_baseline",
]

SCHEMA = "mpq-baseline/1"

_MAX_BYTES = 256 * 1024 * 1024
_LOCK_NAME = ".mpq.lock"
_LOCK_SECONDS = 60.0
_MEASURED = ("profile", "task", "codec", "modality", "identities", "rows", "metrics")
_FIELDS = {
    "schema": str,
    "profile": str,
    "task": str,
    "codec": str,
    "modality": str,
    "num_samples": int,
    "metrics": dict,
    "identities": dict,
    "environment": dict,
    "seconds": dict,
    "samples": list,
    "history": list,
}


@dataclass(frozen=True)
class Acceptance:
    """One entry of a baseline's history.

    Attributes:
        date: ISO 8601 date, UTC.
        reason: why it was accepted.
        moved: by metric, the value before (None at first) and after.
    """

    date: str
    reason: str
    moved: Mapping[str, tuple[float | None, float]]


@dataclass(frozen=True)
class Baseline:
    """The accepted evidence of a case with its aggregates and history."""

    metrics: Mapping[str, float]
    evidence: Evidence
    history: tuple[Acceptance, ...]

    def accept(
        self, metrics: Mapping[str, float], evidence: Evidence, date: str, reason: str
    ) -> "Baseline":
        """The next baseline, with what moved appended to the history."""
        moved = {
            name: (self.metrics.get(name), value)
            for name, value in metrics.items()
            if self.metrics.get(name) != value
        }
        return replace(
            self,
            metrics=metrics,
            evidence=evidence,
            history=(*self.history, Acceptance(date, reason, moved)),
        )

    def same_measurement(self, metrics: Mapping[str, float], evidence: Evidence) -> bool:
        """Whether accepting this would change nothing but seconds, environment and float noise."""
        old = {**self.evidence.to_json(), "metrics": self.metrics}
        new = {**evidence.to_json(), "metrics": metrics}
        return not any(differs(new[key], old[key]) for key in _MEASURED)


def baseline_path(folder: Path, profile: str, task: str, codec: str) -> Path:
    """Where the baseline of a case lies, by the names of its parts."""
    return folder / profile / task / f"{codec}.json"


def read_baseline(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        BaselineError: the file is missing, not readable, truncated, of another schema, or a field
            is missing or wrong; the message names the file and the field.
    """
    data = read_json(path, BaselineError, max_bytes=_MAX_BYTES, missing="there is no baseline")
    try:
        return _baseline_from_json(data)
    except EvidenceError as error:
        raise BaselineError(f"{path}: {error}") from error


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline in one step: readers see the old file or the new one, whole.

    Raises:
        BaselineError: an incomplete case, or a folder that cannot be written; the old file stays.
    """
    if not baseline.evidence.complete:
        raise BaselineError(
            f"{path}: {len(baseline.evidence.rows)} of "
            f"{baseline.evidence.num_samples_in_dataset} samples are not a baseline"
        )
    try:
        write_text_atomically(path, _baseline_to_text(baseline))
    except OSError as error:
        raise BaselineError(f"{path}: not written ({_os_reason(error)})") from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing baselines in this folder.

    Raises:
        BaselineError: the folder cannot be written, or another process holds it for too long.
    """
    lock = FileLock(folder / _LOCK_NAME, timeout=_LOCK_SECONDS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except TimeoutError as error:
        raise BaselineError(
            f"{folder}: another process has held {_LOCK_NAME} for {_LOCK_SECONDS:.0f} s; "
            "let it finish, then run the update again"
        ) from error
    except OSError as error:
        raise BaselineError(f"{folder}: cannot be written ({_os_reason(error)})") from error
    try:
        yield
    finally:
        lock.release()


def unused_files(folder: Path, profile: Profile) -> tuple[Path, ...]:
    """Files in the profile's folder that belong to none of its cases."""
    root = folder / profile.name
    expected = {
        baseline_path(folder, profile.name, case.task.name, case.codec.name)
        for case in profile.cases
    }
    return tuple(
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and path not in expected and path.name != _LOCK_NAME
    )


def _os_reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full; free some space and run the update again"
    return f"{error.strerror or error}; make it writable or name another folder"


def _baseline_to_text(baseline: Baseline) -> str:
    evidence = baseline.evidence
    head = {
        "schema": SCHEMA,
        "profile": evidence.profile,
        "task": evidence.task,
        "codec": evidence.codec,
        "modality": evidence.modality,
        "num_samples": len(evidence.rows),
        "metrics": encode_floats(round_floats(baseline.metrics)),
        "identities": evidence.identities,
        "environment": evidence.environment,
        "seconds": evidence.seconds,
    }
    history = [
        {
            "date": entry.date,
            "reason": entry.reason,
            "moved": encode_floats(round_floats(entry.moved)),
        }
        for entry in baseline.history
    ]
    parts = [f'"{key}": {_dump(value, indent=2)}' for key, value in head.items()]
    parts.append(f'"samples": {_lines([row.to_json() for row in evidence.rows])}')
    parts.append(f'"history": {_lines(history)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(items: list[dict[str, Any]]) -> str:
    return "[\n" + ",\n".join(_dump(item) for item in items) + "\n]" if items else "[]"


def _dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def _baseline_from_json(data: object) -> Baseline:
    if not isinstance(data, dict):
        raise EvidenceError("the file is not a JSON object")
    if data.get("schema") != SCHEMA:
        raise EvidenceError(f"schema is {data.get('schema')!r}, this version reads {SCHEMA!r}")
    if set(data) != set(_FIELDS):
        odd = sorted(set(data) ^ set(_FIELDS))
        raise EvidenceError(f"missing or unknown fields: {', '.join(odd)}")
    for name, kind in _FIELDS.items():
        if type(data[name]) is not kind:
            raise EvidenceError(f"{name} is {type(data[name]).__name__}, not {kind.__name__}")
    samples = tuple(
        Row.from_json(row, f"samples[{index}]") for index, row in enumerate(data["samples"])
    )
    if len(samples) != data["num_samples"] or not samples:
        raise EvidenceError(f"num_samples is {data['num_samples']}, but {len(samples)} are there")
    ids = [row.sample_id for row in samples]
    if len(set(ids)) != len(ids):
        raise EvidenceError("samples has a sample_id twice")
    _require_strings(data["environment"], "environment")
    for part, identity in data["identities"].items():
        if not isinstance(identity, dict):
            raise EvidenceError(f"identities.{part} is not an object")
        _require_strings(identity, f"identities.{part}")
    evidence = Evidence(
        profile=data["profile"],
        task=data["task"],
        codec=data["codec"],
        modality=data["modality"],
        identities=data["identities"],
        environment=data["environment"],
        seconds=_numbers(data["seconds"], "seconds"),
        num_samples_in_dataset=len(samples),
        rows=samples,
    )
    history = tuple(
        _acceptance(entry, f"history[{index}]") for index, entry in enumerate(data["history"])
    )
    return Baseline(_numbers(data["metrics"], "metrics"), evidence, history)


def _require_strings(data: Mapping[str, Any], where: str) -> None:
    for key, value in data.items():
        if not isinstance(value, str):
            raise EvidenceError(f"{where}.{key} is {value!r}, not a string")


def _numbers(data: Mapping[str, Any], where: str) -> dict[str, float]:
    return {key: _number(value, f"{where}.{key}") for key, value in data.items()}


def _number(value: object, where: str) -> float:
    number = decode_floats(value)
    if type(number) not in {int, float} or math.isnan(number):
        raise EvidenceError(f"{where} is {value!r}, not a number")
    return float(number)


def _acceptance(entry: object, where: str) -> Acceptance:
    if not isinstance(entry, dict) or set(entry) != {"date", "reason", "moved"}:
        raise EvidenceError(f"{where} is not an object of date, reason and moved")
    if not isinstance(entry["moved"], dict):
        raise EvidenceError(f"{where}.moved is not an object")
    _require_strings({key: entry[key] for key in ("date", "reason")}, where)
    moved = {}
    for name, pair in entry["moved"].items():
        if not isinstance(pair, list) or len(pair) != 2:
            raise EvidenceError(f"{where}.moved.{name} is not a pair of before and after")
        before = None if pair[0] is None else _number(pair[0], f"{where}.moved.{name}[0]")
        moved[name] = (before, _number(pair[1], f"{where}.moved.{name}[1]"))
    return Acceptance(entry["date"], entry["reason"], moved)
