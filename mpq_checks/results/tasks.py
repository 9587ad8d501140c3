"""The tasks of a run: what a report has to know of them besides their cases."""

from collections.abc import Sequence
from typing import Any

from mpq_checks.errors import MpqError
from mpq_checks.models.base import NamesClasses
from mpq_checks.outcome import Outcome
from mpq_checks.profiles.base import Profile
from mpq_checks.tasks.base import Task

__all__ = ["tasks_of"]


def tasks_of(profile: Profile, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """By name: kind, modality, the metrics' names by role, and names of classes where known."""
    ran = {outcome.task for outcome in outcomes}
    found: dict[str, Any] = {}
    for case in profile.cases:
        if case.task.name in ran:
            rate, distortion, perceptual, *scores = (metric.name for metric in case.metrics)
            found[case.task.name] = {
                "kind": case.task.kind,
                "modality": case.task.modality,
                "rate": rate,
                "distortion": distortion,
                "perceptual": perceptual,
                "scores": scores,
                "class_names": list(_class_names(case.task)),
            }
    return found


def _class_names(task: Task) -> tuple[str, ...]:
    """None for a model that has no names, or cannot be read: then its cases failed and say why."""
    model = getattr(task, "model", None)
    if not isinstance(model, NamesClasses):
        return ()
    try:
        return model.class_names()
    except MpqError:
        return ()
