"""Accept measured evidence as baselines; only the controlling process calls this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mpq_checks.baselines import (
    Acceptance,
    Baseline,
    baseline_path,
    locked,
    read_baseline,
    write_baseline,
)
from mpq_checks.errors import BaselineError
from mpq_checks.evidence import decode_floats, round_floats
from mpq_checks.outcome import Outcome

__all__ = ["Accepted", "accept"]


@dataclass(frozen=True)
class Accepted:
    """One baseline after an update: its file, and what moved (empty: nothing was written)."""

    path: Path
    moved: tuple[str, ...]


def accept(
    outcomes: Sequence[Outcome], folder: Path, profile: str, reason: str | None
) -> tuple[Accepted, ...]:
    """Write the baselines of all outcomes marked for acceptance.

    A baseline whose rows and identities would stay as they are, but for float noise, is left alone.

    Raises:
        BaselineError: a file or the folder cannot be written.
    """
    chosen = [outcome for outcome in outcomes if outcome.accept]
    if not chosen:
        return ()
    with locked(folder):
        return tuple(_accept_one(outcome, folder, profile, reason) for outcome in chosen)


def _accept_one(outcome: Outcome, folder: Path, profile: str, reason: str | None) -> Accepted:
    path = baseline_path(folder, profile, outcome.task, outcome.codec)
    evidence = outcome.read_evidence()
    metrics = {
        name: round_floats(decode_floats(metric["value"]))
        for name, metric in outcome.metrics.items()
    }
    today = datetime.now(UTC).date().isoformat()
    old = _readable(path)
    if old is None:
        first = Acceptance(
            today,
            reason or "first baseline",
            {name: (None, value) for name, value in metrics.items()},
        )
        write_baseline(path, Baseline(metrics, evidence, (first,)))
        return Accepted(path, ("new baseline",))
    if old.same_measurement(metrics, evidence):
        return Accepted(path, ())
    new = old.accept(metrics, evidence, today, reason or "accepted without a stated reason")
    write_baseline(path, new)
    moved = tuple(
        f"{name} {'absent' if before is None else f'{before:.6g}'} -> {after:.6g}"
        for name, (before, after) in new.history[-1].moved.items()
    )
    return Accepted(path, moved or ("evidence moved, no metric did",))


def _readable(path: Path) -> Baseline | None:
    try:
        return read_baseline(path)
    except BaselineError:
        return None
