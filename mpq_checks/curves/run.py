"""The curves of a run: which cases make one, and their baselines."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mpq_checks.baselines import baseline_path, read_baseline
from mpq_checks.curves.comparison import Curve, compare, no_curve
from mpq_checks.curves.setting import Setting, paired_setting
from mpq_checks.errors import BaselineError, CurveError
from mpq_checks.outcome import Outcome
from mpq_checks.profiles.base import Case, Profile

__all__ = ["curves_of_run"]


def curves_of_run(
    profile: Profile, outcomes: Iterable[Outcome], baselines: Path
) -> tuple[Curve, ...]:
    """Each codec that this run measured at two settings or more, against its baselines.

    Args:
        profile: the cases.
        outcomes: of this run.
        baselines: folder of the baselines, before any update.
    """
    by_case = {outcome.case_id: outcome for outcome in outcomes}
    ran = [case for case in profile.cases if case.id in by_case]
    groups: dict[tuple[str, str], list[Case]] = {}
    for case, codec in zip(ran, _families(ran, by_case), strict=True):
        groups.setdefault((case.task.name, codec), []).append(case)
    return tuple(
        _curve(codec, cases, by_case, baselines, profile.name)
        for (_, codec), cases in groups.items()
        if codec != "none" and len(cases) > 1
    )


def _families(cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> list[str]:
    """What the settings of one codec share: `codec` of its identity, else its class name.

    A case that failed has no identity; it belongs with the others of its class.
    """
    found = [_family(case, outcomes[case.id]) for case in cases]
    of_class = {type(case.codec): name for case, name in zip(cases, found, strict=True) if name}
    return [
        name or of_class.get(type(case.codec), type(case.codec).__name__)
        for case, name in zip(cases, found, strict=True)
    ]


def _family(case: Case, outcome: Outcome) -> str | None:
    if outcome.evidence is None:
        return None
    identity: Mapping[str, str] = outcome.evidence["identities"]["codec"]
    return identity.get("codec") or type(case.codec).__name__


def _curve(
    codec: str, cases: Sequence[Case], outcomes: Mapping[str, Outcome], folder: Path, profile: str
) -> Curve:
    task = cases[0].task.name
    paths = {case.id: baseline_path(folder, profile, task, case.codec.name) for case in cases}
    try:
        if not any(path.exists() for path in paths.values()):
            raise CurveError("there are no baselines to compare with")
        settings = [_setting(case, outcomes[case.id], paths[case.id]) for case in cases]
    except (BaselineError, CurveError, OSError) as error:
        return no_curve(task, codec, [case.codec.name for case in cases], str(error))
    return compare(task, codec, settings)


def _setting(case: Case, outcome: Outcome, path: Path) -> Setting:
    if outcome.evidence is None:
        raise CurveError(f"{case.codec.name} was not measured")
    stored = read_baseline(path).evidence
    if (stored.task, stored.codec) != (case.task.name, case.codec.name):
        raise CurveError(f"{path} is the baseline of {stored.task}/{stored.codec}")
    return paired_setting(case, stored.rows, outcome.read_evidence().rows)
