"""What came of one case in one run, as plain data on its way from a worker to the controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpq_checks.evidence import Evidence
from mpq_checks.printed import METHOD as PRINTED
from mpq_checks.profiles.base import Case
from mpq_checks.verdict import Judgement, Verdict

__all__ = ["Outcome"]


@dataclass(frozen=True)
class Outcome:
    """One case, judged.

    Attributes:
        case_id: `task/codec`.
        task: name of the task.
        codec: name of the codec.
        kind: kind of the task.
        modality: `image` or `audio`.
        passed: whether the test passes.
        message: why it does not, and the mend; else empty.
        judgement: as `Judgement.to_json` gives it, or None when nothing was judged.
        evidence: as `Evidence.to_json` gives it, or None when nothing was measured.
        accept: whether the controller shall write this evidence as the new baseline.
        node_id: of its test, or empty.
        reproduce: the command that runs this case alone, or empty.
    """

    case_id: str
    task: str
    codec: str
    kind: str
    modality: str
    passed: bool
    message: str = ""
    judgement: Mapping[str, Any] | None = None
    evidence: Mapping[str, Any] | None = None
    accept: bool = False
    node_id: str = ""
    reproduce: str = ""

    @classmethod
    def of(
        cls,
        case: Case,
        message: str,
        *,
        judgement: Judgement | None = None,
        evidence: Evidence | None = None,
        accept: bool = False,
    ) -> "Outcome":
        """The outcome of a case; it passed if there is no message."""
        return cls(
            case_id=case.id,
            task=case.task.name,
            codec=case.codec.name,
            kind=case.task.kind,
            modality=case.task.modality,
            passed=not message,
            message=message,
            judgement=None if judgement is None else judgement.to_json(),
            evidence=None if evidence is None else evidence.to_json(),
            accept=accept,
        )

    @property
    def verdict(self) -> Verdict:
        """ERROR where the case could not be judged, or was judged and refused for another cause."""
        if self.judgement is None:
            return Verdict.ERROR
        return Verdict(self.judgement["verdict"])

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """Judged metrics by name; empty when nothing was judged."""
        if self.judgement is None:
            return {}
        return {metric["name"]: metric for metric in self.judgement["metrics"]}

    @property
    def num_samples(self) -> int:
        """Samples measured."""
        return len(self.evidence["rows"]) if self.evidence is not None else 0

    @property
    def seconds(self) -> Mapping[str, float]:
        """Wall seconds by stage."""
        return self.evidence["seconds"] if self.evidence is not None else {}

    @property
    def accept_command(self) -> str:
        """The command that makes what was measured the baseline.

        Empty where nothing was measured, and where a printed number is judged by, which no update
        replaces.
        """
        printed = any(metric["method"] == PRINTED for metric in self.metrics.values())
        if self.evidence is None or not self.reproduce or printed:
            return ""
        if self.verdict is Verdict.NEW:
            return f"{self.reproduce} --mpq-update-new"
        return f'{self.reproduce} --mpq-update --mpq-reason "why"'

    def read_evidence(self) -> Evidence:
        """The evidence as an object; only where there is one."""
        assert self.evidence is not None  # noqa: S101  (for the type checker)
        return Evidence.from_json(self.evidence)
