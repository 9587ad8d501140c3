"""A run to draw reports of: the committed baselines of mini, and two cases with a real fault.

Somebody turned JPEG's quality from 5 to 3 under its old name. The two cases are measured; all
others are the evidence that was accepted, judged against itself.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from proof_gate import QualityThree

from mpq_checks.baselines import baseline_path, read_baseline
from mpq_checks.decision import decision
from mpq_checks.evidence import Evidence
from mpq_checks.measure import measure
from mpq_checks.outcome import Outcome
from mpq_checks.profiles import Case, Profile
from mpq_checks.profiles.mini import profile as mini
from mpq_checks.results import results
from mpq_checks.verdict import Verdict, judge

BASELINES = Path(__file__).parent.parent / "baselines"
FAULTY = ("imagenet-mini/jpeg-q5", "lungs-mini/jpeg-q5")

_FAILING = {Verdict.REGRESSION, Verdict.INCONCLUSIVE}


def faulty_mini() -> Profile:
    """Mini with the fault."""
    return replace(mini, cases=tuple(map(_with_fault, mini.cases)))


def faulty_run() -> dict[str, Any]:
    """The results document; measures the faulty cases on this machine."""
    profile = faulty_mini()
    outcomes = [_outcome(case, profile.family_size) for case in profile.cases]
    return results(profile, outcomes, BASELINES)


def _with_fault(case: Case) -> Case:
    return replace(case, codec=QualityThree(quality=5)) if case.id in FAULTY else case


def _outcome(case: Case, family_size: int) -> Outcome:
    stored = _stored(case)
    evidence = measure(case, profile=mini.name) if case.id in FAULTY else stored
    judgement = judge(case, evidence, stored, family_size)
    message = decision(judgement) if judgement.verdict in _FAILING else ""
    node_id = f"suites/test_{case.task.kind}.py::test_{case.task.kind}[{case.id}]"
    outcome = Outcome.of(case, message, judgement=judgement, evidence=evidence)
    return replace(outcome, node_id=node_id, reproduce=f"pytest '{node_id}'")


def _stored(case: Case) -> Evidence:
    path = baseline_path(BASELINES, mini.name, case.task.name, case.codec.name)
    return read_baseline(path).evidence
