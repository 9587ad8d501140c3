"""Reading JSON that strangers may have written."""

import json
from pathlib import Path
from typing import Any

from mpq_checks.errors import MpqError

__all__ = ["read_json"]


def read_json(path: Path, error: type[MpqError], *, max_bytes: int, missing: str) -> Any:
    """The content of a file of strict JSON, of bounded size.

    Args:
        path: of the file.
        error: what is raised where it cannot be read; the message names the file.
        max_bytes: more than such a file can have.
        missing: what to say where there is no file.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise error(f"{path}: {size} bytes, more than such a file can have")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: {missing}") from None
    except (OSError, UnicodeDecodeError) as cause:
        raise error(f"{path}: cannot be read ({cause})") from cause
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as cause:
        raise error(f"{path}: not a whole JSON file ({cause})") from cause


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
