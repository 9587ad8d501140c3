"""GitHub's workflow commands: one annotation per failing case, beside the code in a pull request.

The form and its escapes are those of
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from mpq_checks.outcome import Outcome
from mpq_checks.report.headline import first_moved, from_worst, notes, verdict_words
from mpq_checks.report.plain import shortened

__all__ = ["MAX_PER_KIND", "Place", "annotations", "place_in_workspace"]

MAX_PER_KIND = 10
"""What GitHub shows of a kind per step."""

Place: TypeAlias = tuple[str, int | None]
"""A file relative to the workspace, and a line in it from 1, where known."""

_MAX_MESSAGE = 1000
_TELLING_NOTES = ("DRIFT", "the baseline is stale", "not settled")


def annotations(outcomes: Sequence[Outcome], places: Mapping[str, Place]) -> list[str]:
    """An error per failing case, a warning per passing one that has something to tell.

    Worst first; where there are more of a kind than GitHub shows, the last one says how many.

    Args:
        outcomes: of the run.
        places: of the tests, by case id.
    """
    ranked = from_worst(outcomes)
    failing = [outcome for outcome in ranked if not outcome.passed]
    warned = [outcome for outcome in ranked if outcome.passed and _telling_notes(outcome)]
    return [
        *_of_kind("error", failing, places, "failed too"),
        *_of_kind("warning", warned, places, "have notes"),
    ]


def place_in_workspace(root: Path, file: str, line: int | None, workspace: str | None) -> Place:
    """Where GitHub finds a test.

    Args:
        root: pytest's root folder.
        file: of the test, relative to it.
        line: from 0, as pytest counts, or None.
        workspace: the checkout's folder, as in GITHUB_WORKSPACE; without it, `root`.
    """
    path = Path(root, file).resolve()
    checkout = Path(workspace or root).resolve()
    inside = path.is_relative_to(checkout)
    shown = path.relative_to(checkout).as_posix() if inside else path.as_posix()
    return shown, None if line is None else line + 1


def _of_kind(
    kind: str, chosen: Sequence[Outcome], places: Mapping[str, Place], more: str
) -> list[str]:
    shown = chosen if len(chosen) <= MAX_PER_KIND else chosen[: MAX_PER_KIND - 1]
    lines = [_annotation(kind, outcome, places.get(outcome.case_id)) for outcome in shown]
    rest = [outcome.case_id for outcome in chosen[len(shown) :]]
    if rest:
        text = f"{len(rest)} more cases {more}: {', '.join(rest)}"
        lines.append(_command(kind, {"title": "mpq"}, shortened(text, _MAX_MESSAGE)))
    return lines


def _annotation(kind: str, outcome: Outcome, place: Place | None) -> str:
    properties = {}
    if place is not None:
        file, line = place
        properties["file"] = file
        if line is not None:
            properties["line"] = str(line)
    properties["title"] = f"{outcome.case_id}: {verdict_words(outcome)}"
    told = _telling_notes(outcome) if outcome.passed else _cause(outcome)
    return _command(kind, properties, "\n".join(shortened(line, _MAX_MESSAGE) for line in told))


def _cause(outcome: Outcome) -> list[str]:
    moved = first_moved(outcome)
    return [
        outcome.message,
        *([f"first moved link: {moved}"] if moved else []),
        *([f"reproduce: {outcome.reproduce}"] if outcome.reproduce else []),
    ]


def _telling_notes(outcome: Outcome) -> list[str]:
    return [note for note in notes(outcome) if note.startswith(_TELLING_NOTES)]


def _command(kind: str, properties: Mapping[str, str], message: str) -> str:
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
