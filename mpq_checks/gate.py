"""Run one case through the gate: measure, judge against the stored baseline, say what follows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from mpq_checks.aggregate import aggregate
from mpq_checks.baselines import Baseline, baseline_path, read_baseline
from mpq_checks.blame import SOURCE_DATA, notes_of_identities
from mpq_checks.decision import decision
from mpq_checks.errors import BaselineError, MpqError, SourceDataError
from mpq_checks.evidence import Evidence
from mpq_checks.journal import Journal, case_folder
from mpq_checks.measure import Progress, measure, resolve_device
from mpq_checks.outcome import Outcome
from mpq_checks.printed import checked_printed, is_printed, judge_printed, read_printed
from mpq_checks.profiles.base import Case, Profile
from mpq_checks.verdict import Judgement, Verdict, judge, judge_new

__all__ = ["GateSettings", "Inconclusive", "Update", "checked", "run_case"]

Update: TypeAlias = Literal["none", "new", "all"]
Inconclusive: TypeAlias = Literal["fail", "warn"]

_STORED_TOLERANCE = 1e-6


@dataclass(frozen=True)
class GateSettings:
    """What the user asked for.

    Attributes:
        profile: the cases.
        baselines: folder of the baselines.
        update: accept nothing, what has no baseline yet, or everything measured.
        reason: why, recorded in the baseline's history.
        num_samples: measure only the first so many samples of each case; None: all.
        device: `auto`, `cpu` or `cuda`.
        inconclusive: whether a case that cannot be settled fails, or passes with a note.
        resume: folder of what was measured so far; None: it is not kept.
    """

    profile: Profile
    baselines: Path
    update: Update = "none"
    reason: str | None = None
    num_samples: int | None = None
    device: str = "auto"
    inconclusive: Inconclusive = "fail"
    resume: Path | None = None


def run_case(case: Case, settings: GateSettings, progress: Progress | None = None) -> Outcome:
    """Measure and judge a case. Errors raised on purpose become a failed outcome."""
    journal = _journal(case, settings)
    try:
        evidence = measure(
            case,
            _sample_ids(case, settings.num_samples),
            profile=settings.profile.name,
            device=resolve_device(settings.device),
            progress=progress,
            journal=journal,
        )
    except MpqError as error:
        return Outcome.of(case, str(error))
    try:
        outcome = _judge(case, evidence, settings)
    except MpqError as error:
        return Outcome.of(case, str(error), evidence=evidence)
    return outcome if journal is None else _with_notes(outcome, journal)


def _journal(case: Case, settings: GateSettings) -> Journal | None:
    if settings.resume is None:
        return None
    return Journal(case_folder(settings.resume, settings.profile.name, case.id))


def _with_notes(outcome: Outcome, journal: Journal) -> Outcome:
    """Say what an earlier run measured, and what a later one will have to measure again."""
    notes = journal.notes(outcome.num_samples)
    if outcome.judgement is None or not notes:
        return outcome
    told = {**outcome.judgement, "notes": [*outcome.judgement["notes"], *notes]}
    return replace(outcome, judgement=told)


def _judge(case: Case, evidence: Evidence, settings: GateSettings) -> Outcome:
    path = baseline_path(settings.baselines, settings.profile.name, case.task.name, case.codec.name)
    if not path.exists():
        return _judge_new(case, evidence, settings, path)
    if is_printed(path):
        return _judge_printed(case, evidence, settings, path)
    try:
        stored = checked(read_baseline(path), path, case).evidence
    except BaselineError as error:
        return _unusable(case, evidence, settings, str(error))
    try:
        judgement = judge(case, evidence, stored, settings.profile.family_size)
    except SourceDataError as error:
        differences = notes_of_identities(evidence, stored)
        found = Judgement(Verdict.ERROR, (), first_moved=SOURCE_DATA, notes=differences)
        return _unusable(case, evidence, settings, str(error), found)
    except BaselineError as error:
        return _unusable(case, evidence, settings, str(error))
    return _judged(case, evidence, settings, judgement)


def _judge_new(case: Case, evidence: Evidence, settings: GateSettings, path: Path) -> Outcome:
    new = judge_new(case, evidence, settings.profile.family_size)
    if settings.update != "none":
        return _accepted(case, evidence, new)
    message = (
        f"{path}: there is no baseline. If the case is new, accept it with "
        "--mpq-update-new; if the file was lost or renamed, restore it."
    )
    return Outcome.of(case, message, judgement=new, evidence=evidence)


def _judge_printed(case: Case, evidence: Evidence, settings: GateSettings, path: Path) -> Outcome:
    """By what was printed, which no update replaces."""
    try:
        printed = checked_printed(read_printed(path), path, case)
    except BaselineError as error:
        message = f"{error}. Restore the file from version control."
        return Outcome.of(case, message, evidence=evidence)
    judgement = judge_printed(case, evidence, printed, settings.profile.family_size)
    if settings.update == "all":
        message = (
            f"{path} holds what was printed ({printed.source}): no measurement replaces it. "
            "To keep baselines of your own, name another folder with --mpq-baselines."
        )
        return Outcome.of(case, message, judgement=judgement, evidence=evidence)
    return _judged(case, evidence, settings, judgement)


def _judged(
    case: Case, evidence: Evidence, settings: GateSettings, judgement: Judgement
) -> Outcome:
    if settings.update != "all":
        if judgement.verdict is Verdict.INCONCLUSIVE and settings.inconclusive == "warn":
            unsettled = f"not settled: {decision(judgement)}"
            judgement = replace(judgement, notes=(unsettled, *judgement.notes))
            return Outcome.of(case, "", judgement=judgement, evidence=evidence)
        fails = judgement.verdict in {Verdict.INCONCLUSIVE, Verdict.REGRESSION}
        message = decision(judgement) if fails else ""
        return Outcome.of(case, message, judgement=judgement, evidence=evidence)
    if judgement.verdict is Verdict.REGRESSION and not settings.reason:
        message = f"{decision(judgement)}. Not accepted: a REGRESSION needs --mpq-reason 'why'."
        return Outcome.of(case, message, judgement=judgement, evidence=evidence)
    return _accepted(case, evidence, judgement)


def _unusable(
    case: Case,
    evidence: Evidence,
    settings: GateSettings,
    why: str,
    judgement: Judgement | None = None,
) -> Outcome:
    if settings.update == "all" and settings.reason:
        return _accepted(case, evidence, judge_new(case, evidence, settings.profile.family_size))
    message = (
        f"{why}. Restore the file from version control, or replace it with "
        "--mpq-update --mpq-reason 'why'."
    )
    return Outcome.of(case, message, judgement=judgement, evidence=evidence)


def _accepted(case: Case, evidence: Evidence, judgement: Judgement) -> Outcome:
    if not evidence.complete:
        message = (
            f"measured {len(evidence.rows)} of {evidence.num_samples_in_dataset} samples: a subset "
            "is not accepted as a baseline. Update without --mpq-samples."
        )
        return Outcome.of(case, message, judgement=judgement, evidence=evidence)
    return Outcome.of(case, "", judgement=judgement, evidence=evidence, accept=True)


def checked(baseline: Baseline, path: Path, case: Case) -> Baseline:
    """Refuse a baseline of another case, or whose aggregates do not follow from its samples."""
    stored = baseline.evidence
    for name, found, expected in (
        ("task", stored.task, case.task.name),
        ("codec", stored.codec, case.codec.name),
        ("modality", stored.modality, case.task.modality),
    ):
        if found != expected:
            raise BaselineError(f"{path}: {name} is {found!r}, not {expected!r}")
    try:
        recomputed = aggregate(case, stored.rows)
    except (MpqError, KeyError, TypeError, ValueError) as error:
        raise BaselineError(
            f"{path}: the samples do not give the metrics of this version of {case.task.kind} "
            f"({type(error).__name__}: {error})"
        ) from error
    if recomputed.keys() != baseline.metrics.keys():
        odd = ", ".join(sorted(recomputed.keys() ^ baseline.metrics.keys()))
        raise BaselineError(f"{path}: metrics has missing or unknown entries: {odd}")
    for name, value in recomputed.items():
        if not math.isclose(value, baseline.metrics[name], rel_tol=_STORED_TOLERANCE, abs_tol=1e-9):
            raise BaselineError(
                f"{path}: metrics.{name} is {baseline.metrics[name]}, but the samples give {value}"
            )
    return baseline


def _sample_ids(case: Case, num_samples: int | None) -> Sequence[str] | None:
    return None if num_samples is None else case.task.dataset.sample_ids()[:num_samples]
