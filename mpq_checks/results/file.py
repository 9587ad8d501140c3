"""Writing and reading the document."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpq_checks.atomic import write_text_atomically
from mpq_checks.errors import ResultsError
from mpq_checks.json_files import read_json
from mpq_checks.results.document import SCHEMA

__all__ = ["read_results", "write_results"]

_MAX_BYTES = 1024 * 1024 * 1024
_PARTS = {
    "profile": str,
    "created": str,
    "passed": bool,
    "problems": list,
    "review": str,
    "verdicts": dict,
    "environment": dict,
    "environment_changes": list,
    "tasks": dict,
    "cases": list,
    "curves": list,
    "printed": dict,
}


def write_results(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document in one step. Raises OSError."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    write_text_atomically(path, text + "\n")


def read_results(path: Path) -> dict[str, Any]:
    """Read what `write_results` wrote.

    Raises:
        ResultsError: the file is missing, not readable, truncated, of another schema, or lacks a
            part; the message names the file and the part.
    """
    missing = f"there is no such file; run pytest with --mpq-json {path} to write it"
    document = read_json(path, ResultsError, max_bytes=_MAX_BYTES, missing=missing)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise ResultsError(f"{path}: schema is {found!r}, not {SCHEMA!r}; write it with --mpq-json")
    for name, kind in _PARTS.items():
        if not isinstance(document.get(name), kind):
            raise ResultsError(f"{path}: {name} is missing or no {kind.__name__}")
    return document
