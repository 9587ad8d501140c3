"""Evidence: what was measured, as plain data that workers send and baselines store."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from mpq_checks.errors import EvidenceError

__all__ = [
    "Evidence",
    "Row",
    "cluster_numbers",
    "decode_floats",
    "encode_floats",
    "numbered_clusters",
    "round_floats",
]

_SIGNIFICANT_DIGITS = 9
_NON_FINITE = {"inf": math.inf, "-inf": -math.inf}
_SHA256_DIGITS = 64


@dataclass(frozen=True)
class Row:
    """What was measured of one sample.

    Attributes:
        sample_id: stable id within the dataset.
        cluster: what samples may share (speaker, patient, track), or None.
        content_sha256: hash of the stored data that the sample is made from.
        encoded_bytes: length of the encoded stream.
        encoded_sha256: hash of the encoded stream.
        decoded_sha256: hash of the decoded signal.
        rate: bits per pixel or bits per sample.
        psnr_db: PSNR in dB, infinite for an exact copy.
        perceptual: LPIPS or CDPAM distance, 0 for an exact copy.
        statistics: the task's sufficient statistics, finite JSON values only.
    """

    sample_id: str
    cluster: str | None
    content_sha256: str
    encoded_bytes: int
    encoded_sha256: str
    decoded_sha256: str
    rate: float
    psnr_db: float
    perceptual: float
    statistics: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """JSON values only; an infinite number becomes the string "inf"."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["psnr_db"] = encode_floats(self.psnr_db)
        return values

    @classmethod
    def from_json(cls, data: object, where: str) -> "Row":
        """Read what `to_json` gave. Raises EvidenceError that names `where` and the field."""
        if not isinstance(data, dict):
            raise EvidenceError(f"{where} is {type(data).__name__}, not an object")
        expected = {field.name for field in fields(cls)}
        if set(data) != expected:
            odd = sorted(set(data) ^ expected)
            raise EvidenceError(f"{where} has missing or unknown fields: {', '.join(odd)}")
        values = {**data, "psnr_db": decode_floats(data["psnr_db"])}
        _require(values, where, str, "sample_id")
        for name in ("content_sha256", "encoded_sha256", "decoded_sha256"):
            _require_sha256(values, where, name)
        _require(values, where, int, "encoded_bytes")
        for name in ("rate", "psnr_db", "perceptual"):
            _require(values, where, float, name)
        _require(values, where, dict, "statistics")
        if values["cluster"] is not None:
            _require(values, where, str, "cluster")
        if values["encoded_bytes"] < 0 or values["rate"] < 0 or values["perceptual"] < 0:
            raise EvidenceError(f"{where} has a negative encoded_bytes, rate or perceptual")
        return cls(**values)


@dataclass(frozen=True)
class Evidence:
    """What was measured of one case.

    Attributes:
        profile: name of the profile.
        task: name of the task.
        codec: name of the codec.
        modality: `image` or `audio`.
        identities: of codec, task (with its model) and perceptual metric.
        environment: see `mpq_checks.environment.environment`.
        seconds: wall seconds per stage: load, encode, decode, metrics, model.
        num_samples_in_dataset: the case is complete when there are as many rows.
        rows: one per sample.
    """

    profile: str
    task: str
    codec: str
    modality: str
    identities: Mapping[str, Mapping[str, str]]
    environment: Mapping[str, str]
    seconds: Mapping[str, float]
    num_samples_in_dataset: int
    rows: tuple[Row, ...]

    @property
    def complete(self) -> bool:
        """Whether every sample of the dataset was measured."""
        return len(self.rows) == self.num_samples_in_dataset

    def to_json(self) -> dict[str, Any]:
        """Builtin types and JSON values only."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["rows"] = [row.to_json() for row in self.rows]
        return values

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Evidence":
        """Read what `to_json` gave."""
        values = dict(data)
        values["rows"] = tuple(
            Row.from_json(row, f"rows[{index}]") for index, row in enumerate(data["rows"])
        )
        return cls(**values)


def cluster_numbers(rows: Sequence[Row]) -> list[int]:
    """Number of each row's cluster, 0 and up; a row without one is a cluster of its own."""
    return numbered_clusters((row.sample_id, row.cluster) for row in rows)


def numbered_clusters(samples: Iterable[tuple[str, str | None]]) -> list[int]:
    """The same of samples that are given as id and cluster."""
    numbers: dict[tuple[str, str], int] = {}
    keys = [
        ("sample", sample_id) if cluster is None else ("cluster", cluster)
        for sample_id, cluster in samples
    ]
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def round_floats(value: Any) -> Any:
    """Round every float in nested data to nine significant digits.

    Raises:
        EvidenceError: NaN, or a value of a type that JSON does not have (numpy scalars too).
    """
    if isinstance(value, Mapping):
        return {key: round_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [round_floats(item) for item in value]
    if type(value) is float:
        if math.isnan(value):
            raise EvidenceError("a measured value is NaN")
        return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
    if value is None or type(value) in {str, int, bool}:
        return value
    raise EvidenceError(f"a measured value is of type {type(value).__name__}, not a JSON value")


def encode_floats(value: Any) -> Any:
    """Replace infinities in nested numbers by "inf" and "-inf", which strict JSON can carry."""
    if isinstance(value, Mapping):
        return {key: encode_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode_floats(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def decode_floats(value: Any) -> Any:
    """Undo `encode_floats` for one number; anything else is returned as it is."""
    return _NON_FINITE.get(value, value) if isinstance(value, str) else value


def _require(values: dict[str, Any], where: str, kind: type, name: str) -> None:
    value = values[name]
    if kind is float and type(value) is int:
        values[name] = float(value)
    elif type(value) is not kind:
        raise EvidenceError(f"{where}.{name} is {value!r}, not {kind.__name__}")


def _require_sha256(values: Mapping[str, Any], where: str, name: str) -> None:
    value = values[name]
    if (
        not isinstance(value, str)
        or len(value) != _SHA256_DIGITS
        or set(value) - set("0123456789abcdef")
    ):
        raise EvidenceError(f"{where}.{name} is {value!r}, not 64 hexadecimal digits")
