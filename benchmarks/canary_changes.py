"""All canaries, in the order in which they are measured."""

from canary_base import Change
from canary_harmful_audio import HARMFUL_TO_AUDIO
from canary_harmful_images import HARMFUL_TO_IMAGES
from canary_harmless import DRIFT, HARMLESS

from mpq_checks.profiles.mini import profile

__all__ = ["CHANGES", "HARMFUL", "TASKS"]

HARMFUL: tuple[Change, ...] = (*HARMFUL_TO_IMAGES, *HARMFUL_TO_AUDIO)
"""Slips that a team could ship."""

TASKS: tuple[str, ...] = tuple(dict.fromkeys(case.task.name for case in profile.cases))
"""The tasks of the profile, in its order."""


def _rank(change: Change) -> tuple[int, bool, bool]:
    """Task by task; what needs a process of its own or another model comes last in each."""
    task = TASKS.index(change.case_id.split("/")[0])
    return task, change.environment is not None, change.link == "model output"


CHANGES: tuple[Change, ...] = tuple(sorted((*HARMLESS, *DRIFT, *HARMFUL), key=_rank))
"""Every change has a name of its own."""
