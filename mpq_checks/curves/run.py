"""The curves of a run: which cases make one, and their baselines."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mpq_checks.baselines import baseline_path, read_baseline
from mpq_checks.curves.comparison import Curve, compare, no_curve
from mpq_checks.curves.setting import Setting, paired_setting
from mpq_checks.errors import BaselineError, CurveError
from mpq_checks.outcome import Outcome
from mpq_checks.profiles.base import Case, Profile

__all__ = ["curves_of_run", "family"]


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
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in profile.cases:
        if case.id in by_case:
            name = family(case, by_case[case.id])
            groups.setdefault((case.task.name, name), []).append(case)
    return tuple(
        _curve(codec, cases, by_case, baselines, profile.name)
        for (_, codec), cases in groups.items()
        if codec != "none" and len(cases) > 1
    )


def family(case: Case, outcome: Outcome) -> str:
    """What the settings of one codec share: `codec` of its identity, else its class name."""
    identity: Mapping[str, str] = {}
    if outcome.evidence is not None:
        identity = outcome.evidence["identities"]["codec"]
    else:
        # Without evidence the case has failed; whatever its codec raises has been told.
        with contextlib.suppress(Exception):
            identity = case.codec.identity()
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
