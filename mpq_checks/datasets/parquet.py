"""Rows of parquet files as the hub writes them, read by row group."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpq_checks.errors import DatasetError
from mpq_checks.memory import BoundedMemory

if TYPE_CHECKING:
    import pyarrow  # type: ignore[import-untyped]

__all__ = ["HubRows", "RowGroup", "require_parquet", "row_groups"]

_MAX_GROUP_BYTES = 1 << 32
_KEPT_BYTES = 1 << 28
_KEPT: "BoundedMemory[pyarrow.Table]" = BoundedMemory(_KEPT_BYTES, lambda table: int(table.nbytes))


@dataclass(frozen=True)
class RowGroup:
    """A row group of a file, and the number of its first row among all files."""

    path: Path
    number: int
    first_row: int
    num_rows: int


@dataclass(frozen=True)
class HubRows:
    """The first rows of a split; its files are here and whole."""

    repo: str
    commit: str
    sha256: tuple[tuple[str, str], ...]
    """SHA-256 of each file that is in use, by its name in the repository."""
    num_rows: int
    _groups: tuple[RowGroup, ...]

    def column(self, name: str) -> list[Any]:
        """Values of one column, as many as there are rows; a dot leads into a struct.

        None for each row where the files lack the column. Raises DatasetError.
        """
        values: list[Any] = []
        for group in self._groups:
            table = _read(group.path, group.number, (name,))
            values += _plain(table, name) if table.num_columns else [None] * group.num_rows
        return values[: self.num_rows]

    def row(self, index: int, columns: tuple[str, ...]) -> dict[str, Any]:
        """Values of one row by column. Raises DatasetError, also for an absent column."""
        group = next(g for g in self._groups if g.first_row <= index < g.first_row + g.num_rows)
        key = (self.sha256, group, columns)
        table = _KEPT.get(key, lambda: _read(group.path, group.number, columns))
        absent = [name for name in columns if name.partition(".")[0] not in table.column_names]
        if absent:
            raise DatasetError(
                f"{group.path} has no column {', '.join(absent)}; the files of {self.repo} at "
                f"{self.commit} are not of the expected form"
            )
        row = table.slice(index - group.first_row, 1)
        return {name: _plain(row, name)[0] for name in columns}

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Names of the classes that `column` counts, from the files' own description."""
        metadata = _open(self._groups[0].path).schema_arrow.metadata or {}
        try:
            described = json.loads(metadata[b"huggingface"])
            names = described["info"]["features"][column]["names"]
        except (KeyError, ValueError, TypeError):
            return None
        return tuple(str(name) for name in names)


def _open(path: Path) -> Any:
    """A pyarrow ParquetFile. Raises DatasetError."""
    import pyarrow.parquet  # type: ignore[import-untyped]

    with _parquet_errors(path):
        return pyarrow.parquet.ParquetFile(path)


def require_parquet(path: Path) -> None:
    """Raise DatasetError unless the file's own description can be read."""
    _open(path)


def row_groups(path: Path, first_row: int) -> list[RowGroup]:
    """The row groups of a file whose first row has the number `first_row`. Raises DatasetError."""
    metadata = _open(path).metadata
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.total_byte_size > _MAX_GROUP_BYTES:
            raise DatasetError(
                f"{path}: row group {number} has {group.total_byte_size} bytes, more than "
                f"{_MAX_GROUP_BYTES}"
            )
        if group.num_rows:
            groups.append(RowGroup(path, number, first_row, group.num_rows))
        first_row += group.num_rows
    return groups


def _read(path: Path, group: int, columns: tuple[str, ...]) -> "pyarrow.Table":
    file = _open(path)
    with _parquet_errors(path):
        return file.read_row_group(group, columns=list(columns), use_threads=False)


def _plain(table: "pyarrow.Table", name: str) -> list[Any]:
    """Python values of a column, or of a field of a struct column."""
    first, _, field = name.partition(".")
    values: list[Any] = table.column(first).to_pylist()
    if not field:
        return values
    return [value.get(field) if isinstance(value, dict) else None for value in values]


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError) as exc:
        raise DatasetError(
            f"{path} is not a whole parquet file: {exc}. Delete it and load it again."
        ) from exc
