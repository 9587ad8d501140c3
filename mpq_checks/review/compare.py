"""From two folders of baselines to what changed, case by case."""

import filecmp
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from mpq_checks.baselines import (
    Acceptance,
    Baseline,
    baseline_path,
    read_baseline,
    unused_files,
)
from mpq_checks.blame import (
    SOURCE_DATA,
    Change,
    Links,
    changes,
    moved_links,
    notes_of_identities,
    paired,
)
from mpq_checks.decision import decision
from mpq_checks.errors import BaselineError, MpqError, SourceDataError
from mpq_checks.evidence import Evidence, Row
from mpq_checks.gate import checked
from mpq_checks.noise import differs
from mpq_checks.outcome import Outcome
from mpq_checks.printed import is_printed
from mpq_checks.profiles.base import Case, Profile
from mpq_checks.review.sides import Side
from mpq_checks.verdict import Judgement, Verdict, judge, judge_new, worst_of

__all__ = ["CaseChange", "Kind", "OtherFile", "Review", "compare"]


class Kind(StrEnum):
    """What happened to the baseline of a case."""

    CHANGED = "changed"
    REWRITTEN = "rewritten without a change of evidence"
    UNCHANGED = "unchanged"
    ADDED = "added"
    REMOVED = "removed"
    ABSENT = "absent on both sides"
    INCOMPARABLE = "not comparable"
    UNREADABLE = "not readable"
    PRINTED = "printed, not measured"


@dataclass(frozen=True)
class CaseChange:
    """A case on both sides.

    Attributes:
        case: of the profile.
        kind: what happened to it.
        old: its baseline before; None where there is none that can be read.
        new: its baseline now; likewise.
        outcome: the new baseline judged by the old one; None where it is absent on both sides.
        links: how many samples moved at each link; only of a changed case.
        problem: why it cannot be read or compared; else empty.
    """

    case: Case
    kind: Kind
    old: Baseline | None = None
    new: Baseline | None = None
    outcome: Outcome | None = None
    links: Links | None = None
    problem: str = ""

    @property
    def word(self) -> str:
        """The verdict of a changed case, otherwise what happened to it."""
        if self.kind is Kind.CHANGED and self.outcome is not None:
            return str(self.outcome.verdict)
        return str(self.kind)

    @property
    def acceptances(self) -> tuple[Acceptance, ...]:
        """Those of the new history that the old one does not hold, oldest first."""
        before = () if self.old is None else self.old.history
        now = () if self.new is None else self.new.history
        return tuple(entry for entry in now if entry not in before)

    @property
    def history_kept(self) -> bool:
        """Whether the new history begins with all of the old one."""
        if self.old is None or self.new is None:
            return True
        return self.new.history[: len(self.old.history)] == self.old.history

    @property
    def identity_changes(self) -> list[Change]:
        """What codec, task and perceptual metric have that they had not."""
        if self.old is None or self.new is None:
            return []
        before, now = self.old.evidence.identities, self.new.evidence.identities
        return [
            change
            for part in sorted(before.keys() | now.keys())
            for change in changes(part, before.get(part, {}), now.get(part, {}))
        ]

    @property
    def rewritten(self) -> tuple[str, ...]:
        """The parts of a file that differ though the evidence does not."""
        if self.old is None or self.new is None:
            return ()
        before, now = self.old.evidence, self.new.evidence
        same_order = [row.sample_id for row in before.rows] == [row.sample_id for row in now.rows]
        float_noise = _by_id(before) != _by_id(now) or self.old.metrics != self.new.metrics
        parts = {
            "environment": before.environment != now.environment,
            "seconds": before.seconds != now.seconds,
            "order of samples": not same_order,
            "float noise": float_noise,
            "history": self.old.history != self.new.history,
        }
        return tuple(name for name, differ in parts.items() if differ)


@dataclass(frozen=True)
class OtherFile:
    """A file in the profile's folder that belongs to none of its cases.

    Attributes:
        path: from the folder of baselines, with `/`.
        kind: ADDED, REMOVED, UNCHANGED, or INCOMPARABLE where its content changed.
    """

    path: str
    kind: Kind


@dataclass(frozen=True)
class Review:
    """A change of baselines.

    Attributes:
        profile: whose baselines.
        old: before.
        new: now.
        cases: every case of the profile, in its order.
        others: files that the profile does not know.
    """

    profile: Profile
    old: Side
    new: Side
    cases: tuple[CaseChange, ...]
    others: tuple[OtherFile, ...]

    def of_kind(self, *kinds: Kind) -> list[CaseChange]:
        """The cases of these kinds, in the order of the profile."""
        return [change for change in self.cases if change.kind in kinds]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of a run that measured the new baselines against the old ones."""
        return [change.outcome for change in self.cases if change.outcome is not None]

    @property
    def complete(self) -> bool:
        """Whether everything that changed could be read and compared."""
        unknown = any(other.kind in {Kind.ADDED, Kind.INCOMPARABLE} for other in self.others)
        return not unknown and not self.of_kind(Kind.UNREADABLE, Kind.INCOMPARABLE)

    @property
    def worst(self) -> Verdict | None:
        """The worst verdict of a changed case; None where none changed."""
        found = [
            change.outcome.verdict
            for change in self.of_kind(Kind.CHANGED)
            if change.outcome is not None
        ]
        return worst_of(found) if found else None

    @property
    def environment_changes(self) -> list[tuple[Change, int]]:
        """What differs in the environments, with the number of cases it is of."""
        counts: Counter[Change] = Counter()
        for change in self.cases:
            if change.old is not None and change.new is not None:
                before, now = change.old.evidence.environment, change.new.evidence.environment
                counts.update(changes("environment", before, now))
        return sorted(counts.items())


def compare(profile: Profile, old: Side, new: Side) -> Review:
    """Judge the new baselines by the old ones, as a run would that measured them.

    Margins, metrics and the level of the family are those of this profile.

    Raises:
        BaselineError: neither side holds a baseline of this profile.
    """
    if not any((side.folder / profile.name).is_dir() for side in (old, new)):
        raise BaselineError(
            f"neither {old.name} nor {new.name} holds baselines of profile {profile.name} "
            f"(there is no folder {profile.name} in them)"
        )
    return Review(
        profile,
        old,
        new,
        tuple(_compare_case(case, profile, old, new) for case in profile.cases),
        _other_files(profile, old, new),
    )


def _compare_case(case: Case, profile: Profile, old: Side, new: Side) -> CaseChange:
    paths = [_path(case, profile, side) for side in (old, new)]
    if any(map(is_printed, paths)):
        return _compare_printed(case, paths)
    before, old_problem = _read(case, profile, old)
    now, new_problem = _read(case, profile, new)
    change = CaseChange(case, Kind.ABSENT, before, now)
    problem = "; ".join(filter(None, (old_problem, new_problem)))
    if problem:
        return _failed(change, Kind.UNREADABLE, problem)
    if before is None and now is None:
        return change
    if now is None:
        outcome = Outcome.of(case, f"{new.name}: the baseline was removed; the case fails without")
        return replace(change, kind=Kind.REMOVED, outcome=outcome)
    if before is None:
        judgement = judge_new(case, now.evidence, profile.family_size)
        outcome = Outcome.of(case, "", judgement=judgement, evidence=now.evidence)
        return replace(change, kind=Kind.ADDED, outcome=outcome)
    return _judged(change, before, now, profile.family_size)


def _path(case: Case, profile: Profile, side: Side) -> Path:
    return baseline_path(side.folder, profile.name, case.task.name, case.codec.name)


def _compare_printed(case: Case, paths: Sequence[Path]) -> CaseChange:
    """Printed numbers have no samples to be judged by, or to be judged."""
    if _kind_of_file(*paths) is Kind.UNCHANGED:
        return CaseChange(case, Kind.PRINTED)
    change = CaseChange(case, Kind.INCOMPARABLE)
    sides = [
        f"{side} {_content(path)}" for side, path in zip(("before", "now"), paths, strict=True)
    ]
    return _failed(change, Kind.INCOMPARABLE, f"printed numbers changed: {', '.join(sides)}")


def _content(path: Path) -> str:
    if not path.exists():
        return "nothing"
    return "printed numbers" if is_printed(path) else "a measurement"


def _read(case: Case, profile: Profile, side: Side) -> tuple[Baseline | None, str]:
    """A baseline, or what is wrong with it, or both where only this version cannot use it."""
    path = _path(case, profile, side)
    if not path.exists():
        return None, ""
    baseline = None
    try:
        baseline = read_baseline(path)
        checked(baseline, path, case)
    except BaselineError as error:
        return baseline, side.retold(str(error))
    return baseline, ""


def _judged(change: CaseChange, before: Baseline, now: Baseline, family_size: int) -> CaseChange:
    case, old, new = change.case, before.evidence, now.evidence
    try:
        judgement = judge(case, new, old, family_size)
    except SourceDataError as error:
        differences = notes_of_identities(new, old)
        found = Judgement(Verdict.ERROR, (), first_moved=SOURCE_DATA, notes=differences)
        return _failed(change, Kind.INCOMPARABLE, str(error), found)
    except MpqError as error:
        return _failed(change, Kind.INCOMPARABLE, str(error))
    except (KeyError, TypeError, ValueError) as error:
        why = f"a sample has statistics of another version of the task ({error!r})"
        return _failed(change, Kind.INCOMPARABLE, why)
    fails = judgement.verdict in {Verdict.INCONCLUSIVE, Verdict.REGRESSION}
    outcome = Outcome.of(
        case, decision(judgement) if fails else "", judgement=judgement, evidence=new
    )
    if now == before:
        return replace(change, kind=Kind.UNCHANGED, outcome=outcome)
    if _same_evidence(old, new):
        return replace(change, kind=Kind.REWRITTEN, outcome=outcome)
    links = moved_links(case, paired(new, old))
    return replace(change, kind=Kind.CHANGED, outcome=outcome, links=links)


def _failed(
    change: CaseChange, kind: Kind, problem: str, judgement: Judgement | None = None
) -> CaseChange:
    evidence = None if change.new is None else change.new.evidence
    outcome = Outcome.of(change.case, problem, judgement=judgement, evidence=evidence)
    return replace(change, kind=kind, problem=problem, outcome=outcome)


def _same_evidence(old: Evidence, new: Evidence) -> bool:
    """Whether identities and samples are equal but for float noise and order."""
    if differs(new.identities, old.identities):
        return False
    before, now = _by_id(old), _by_id(new)
    return not any(differs(row.to_json(), before[key].to_json()) for key, row in now.items())


def _by_id(evidence: Evidence) -> Mapping[str, Row]:
    return {row.sample_id: row for row in evidence.rows}


def _other_files(profile: Profile, old: Side, new: Side) -> tuple[OtherFile, ...]:
    before, now = _contents(profile, old), _contents(profile, new)
    return tuple(
        OtherFile(path, _kind_of_file(before.get(path), now.get(path)))
        for path in sorted(before.keys() | now.keys())
    )


def _contents(profile: Profile, side: Side) -> dict[str, Path]:
    files: Sequence[Path] = unused_files(side.folder, profile)
    return {path.relative_to(side.folder).as_posix(): path for path in files}


def _kind_of_file(before: Path | None, now: Path | None) -> Kind:
    if before is None:
        return Kind.ADDED
    if now is None:
        return Kind.REMOVED
    try:
        same = filecmp.cmp(before, now, shallow=False)
    except OSError:
        same = False
    return Kind.UNCHANGED if same else Kind.INCOMPARABLE
