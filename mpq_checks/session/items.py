"""From a profile to test items: one per case, and one for the baseline folder."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from mpq_checks.baselines import unused_files
from mpq_checks.gate import GateSettings
from mpq_checks.profiles import Case, Profile

__all__ = [
    "FIXTURE",
    "MARKER",
    "BaselineFolderItem",
    "arrange",
    "case_id_of",
    "case_of",
    "parametrize",
    "wants_cases",
]

_CASE_ID = re.compile(r"\[([a-z0-9.-]+/[a-z0-9.-]+)\]$")

FIXTURE = "mpq_case"
MARKER = "mpq"


def parametrize(metafunc: pytest.Metafunc, profile: Profile) -> None:
    """Give a test that asks for `mpq_case` one run per case.

    The marker `mpq(kind=..., task=..., codec=...)` narrows the cases.
    """
    chosen = _narrowed(profile.cases, list(metafunc.definition.iter_markers(MARKER)))
    metafunc.parametrize(FIXTURE, chosen, indirect=True, ids=[case.id for case in chosen])


def case_of(item: pytest.Item) -> Case | None:
    """The case of a test item, or None."""
    callspec = getattr(item, "callspec", None)
    case = None if callspec is None else callspec.params.get(FIXTURE)
    return case if isinstance(case, Case) else None


def case_id_of(nodeid: str) -> str | None:
    """`task/codec` out of a node id such as `suites/test_x.py::test_x[task/codec]`."""
    found = _CASE_ID.search(nodeid)
    return None if found is None else found[1]


def wants_cases(items: Iterable[pytest.Item]) -> bool:
    """Whether any test asks for cases."""
    return any(FIXTURE in _fixtures(item) for item in items)


def arrange(session: pytest.Session, items: list[pytest.Item], settings: GateSettings) -> None:
    """Order the items in place: cases of a task together, long tasks first; drop empty ones.

    A session with cases also gets one item that fails on baselines no case uses.
    """
    empty = [item for item in items if FIXTURE in _fixtures(item) and case_of(item) is None]
    if empty:
        session.config.hook.pytest_deselected(items=empty)
    with_case = [item for item in items if case_of(item) is not None]
    others = [item for item in items if FIXTURE not in _fixtures(item)]
    order = {case.id: index for index, case in enumerate(settings.profile.cases)}

    def rank(item: pytest.Item) -> tuple[float, int]:
        case = case_of(item)
        assert case is not None  # noqa: S101  (for the type checker)
        return -case.task.cost, order.get(case.id, len(order))

    with_case.sort(key=rank)
    items[:] = with_case + others
    if with_case:
        parent = with_case[0].parent
        assert parent is not None  # noqa: S101  (for the type checker)
        items.append(
            BaselineFolderItem.from_parent(
                parent, name=f"baseline_folder[{settings.profile.name}]", settings=settings
            )
        )


class BaselineFolderItem(pytest.Item):
    """Fails when the profile's baseline folder holds a file that no case uses."""

    def __init__(self, *, settings: GateSettings, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._settings = settings

    def runtest(self) -> None:
        """Compare files and cases."""
        unused = unused_files(self._settings.baselines, self._settings.profile)
        if unused:
            files = "\n".join(f"  {path}" for path in unused)
            pytest.fail(
                f"no case of profile {self._settings.profile.name} uses these baselines:\n{files}\n"
                "A renamed or removed case leaves its baseline behind. Delete the files, "
                "or put the case back into the profile.",
                pytrace=False,
            )

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where pytest says the item is."""
        return self.path, None, self.name


def _narrowed(cases: Iterable[Case], markers: Sequence[pytest.Mark]) -> list[Case]:
    chosen = list(cases)
    for marker in markers:
        odd = set(marker.kwargs) - {"kind", "task", "codec"}
        if marker.args or odd:
            raise pytest.UsageError("marker mpq takes kind=, task= or codec= only")
        for what, value in marker.kwargs.items():
            chosen = [case for case in chosen if _property(case, what) == value]
    return chosen


def _property(case: Case, what: str) -> str:
    return {"kind": case.task.kind, "task": case.task.name, "codec": case.codec.name}[what]


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())
