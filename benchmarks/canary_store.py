"""Where the evidence of each change lies."""

import json
from pathlib import Path
from typing import Any

from canary_base import Change

from mpq_checks.baselines import baseline_path, read_baseline, write_text_atomically
from mpq_checks.evidence import Evidence
from mpq_checks.profiles.mini import profile

__all__ = ["FOLDER", "ROOT", "path_of", "read_evidence", "stored_baseline", "write_evidence"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "runs" / "canaries"


def path_of(change: Change) -> Path:
    """The file of a change's evidence."""
    return FOLDER / f"{change.name}.json"


def write_evidence(change: Change, evidence: Evidence, seconds: float) -> None:
    """Store what was measured and how long it took."""
    data = {"change": change.name, "seconds": round(seconds, 1), "evidence": evidence.to_json()}
    write_text_atomically(path_of(change), json.dumps(data, allow_nan=False) + "\n")


def read_evidence(change: Change) -> Evidence:
    """What `write_evidence` stored. Raises FileNotFoundError."""
    data: dict[str, Any] = json.loads(path_of(change).read_text(encoding="utf-8"))
    return Evidence.from_json(data["evidence"])


def stored_baseline(change: Change) -> Evidence:
    """The committed baseline of the change's case."""
    task, codec = change.case_id.split("/")
    return read_baseline(baseline_path(ROOT / "baselines", profile.name, task, codec)).evidence
