"""What a reviewer is told of a change, in words; the text and the Markdown are made of it.

All of it may hold text of strangers: whoever shows it has to escape it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mpq_checks.noise import differs
from mpq_checks.report.numbers import interval_numbers, metric_number
from mpq_checks.review.compare import CaseChange, Kind, Review

__all__ = ["Section", "headline", "sections", "title"]

_HEADINGS = ("metric", "old", "new", "drop", "95% interval", "margin", "verdict")

_FILE_KINDS = {
    Kind.ADDED: "added, not compared",
    Kind.REMOVED: "removed",
    Kind.UNCHANGED: "unchanged",
    Kind.INCOMPARABLE: "changed, not compared",
}


@dataclass(frozen=True)
class Section:
    """Something to tell under a heading.

    Attributes:
        word: the verdict, or what happened.
        cases: of which cases; empty for what is not of single ones.
        lines: one fact each.
        rows: of a table with one metric each; empty where there is none.
        worst: samples that got worse, worst first.
    """

    word: str
    cases: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    worst: tuple[str, ...] = ()

    @property
    def headings(self) -> tuple[str, ...]:
        """Those of the table; values that nothing was judged of stand alone."""
        return _HEADINGS[: len(self.rows[0])] if self.rows else ()

    @property
    def heading(self) -> str:
        """`imagenet-mini/none, imagenet-mini/jpeg-q5: PASS`."""
        return f"{', '.join(self.cases)}: {self.word}" if self.cases else self.word


def title(review: Review) -> str:
    """What is compared."""
    return f"baselines of {review.profile.name}: {review.old.name} -> {review.new.name}"


def headline(review: Review) -> str:
    """`2 cases changed, 28 unchanged, 0 added, 0 removed; worst verdict: PASS`."""
    counts = {kind: len(review.of_kind(kind)) for kind in Kind}
    changed = counts[Kind.CHANGED]
    unchanged = counts[Kind.UNCHANGED] + counts[Kind.REWRITTEN]
    parts = [f"{changed} case{'' if changed == 1 else 's'} changed", f"{unchanged} unchanged"]
    if counts[Kind.REWRITTEN]:
        parts[-1] += f" ({counts[Kind.REWRITTEN]} {Kind.REWRITTEN})"
    parts += [f"{counts[kind]} {kind}" for kind in (Kind.ADDED, Kind.REMOVED)]
    rare = (Kind.INCOMPARABLE, Kind.UNREADABLE, Kind.ABSENT, Kind.PRINTED)
    parts += [f"{counts[kind]} {kind}" for kind in rare if counts[kind]]
    worst = "" if review.worst is None else f"; worst verdict: {review.worst}"
    return ", ".join(parts) + worst


def sections(review: Review) -> list[Section]:
    """What needs a look first: what cannot be read or compared, then changes, worst first."""
    failed = review.of_kind(Kind.UNREADABLE, Kind.INCOMPARABLE)
    removed = _ids(review.of_kind(Kind.REMOVED))
    rewritten = [
        f"{change.case.id}: {', '.join(change.rewritten)}"
        for change in review.of_kind(Kind.REWRITTEN)
    ]
    absent = _ids(review.of_kind(Kind.ABSENT))
    printed = _ids(review.of_kind(Kind.PRINTED))
    environment = [
        f"{change.key}: {change.before} -> {change.now} ({count} case{'' if count == 1 else 's'})"
        for change, count in review.environment_changes
    ]
    others = [f"{other.path}: {_FILE_KINDS[other.kind]}" for other in review.others]
    groups = (
        ("removed: the gate fails for these cases until they are accepted again", removed),
        ("environment", environment),
        (str(Kind.REWRITTEN), rewritten),
        ("cases without a baseline on either side", absent),
        ("cases judged by what was printed, the same on both sides", printed),
        ("files that belong to no case of the profile", others),
    )
    return [
        *map(_failed, failed),
        *_merged([_changed(change) for change in _from_worst(review)]),
        *map(_added, review.of_kind(Kind.ADDED)),
        *(Section(heading, lines=tuple(lines)) for heading, lines in groups if lines),
    ]


def _ids(found: Sequence[CaseChange]) -> list[str]:
    return [", ".join(change.case.id for change in found)] if found else []


def _merged(told: Sequence[Section]) -> list[Section]:
    """Sections that say the same of several cases become one, at the place of the first."""
    cases: dict[Section, list[str]] = {}
    for section in told:
        cases.setdefault(replace(section, cases=()), []).extend(section.cases)
    return [replace(section, cases=tuple(names)) for section, names in cases.items()]


def _from_worst(review: Review) -> list[CaseChange]:
    """Failing ones first, otherwise in the order of the profile."""

    def passed(change: CaseChange) -> bool:
        return change.outcome is not None and change.outcome.passed

    return sorted(review.of_kind(Kind.CHANGED), key=passed)


def _failed(change: CaseChange) -> Section:
    return Section(
        change.word,
        (change.case.id,),
        (change.problem, *_sample_sets(change), *_history(change), *_identities(change)),
        _stored_values(change),
    )


def _changed(change: CaseChange) -> Section:
    assert change.outcome is not None  # noqa: S101  (for the type checker)
    judgement = change.outcome.judgement or {}
    return Section(
        change.word,
        (change.case.id,),
        (*_history(change), *_links(change), *_identities(change)),
        _moved_metrics(change, change.outcome.metrics.values()),
        tuple(judgement.get("worst", ())),
    )


def _added(change: CaseChange) -> Section:
    metrics = change.outcome.metrics.values() if change.outcome is not None else ()
    return Section(
        change.word,
        (change.case.id,),
        tuple(_history(change)),
        tuple(_metric_row(metric) for metric in metrics),
    )


def _history(change: CaseChange) -> list[str]:
    lines = [f"accepted {entry.date}: {entry.reason}" for entry in change.acceptances]
    if change.kind in {Kind.CHANGED, Kind.INCOMPARABLE} and not lines:
        lines.append("its history tells no acceptance of this change: was the file edited by hand?")
    if not change.history_kept:
        lines.append("its history does not begin with the old one: entries are gone or were edited")
    return lines


def _links(change: CaseChange) -> list[str]:
    links = change.links
    if links is None:
        return []
    counts = {**links.moved, **_moved_beside(change)}
    later = [f"{name} {count}" for name, count in counts.items() if count and name != links.first]
    if links.first is None and not later:
        return ["no link moved: every sample is as it was"]
    if links.first is None:
        return [f"no link moved; beside them, of {links.num_samples} samples: {', '.join(later)}"]
    first = f"{links.first} ({links.moved[links.first]} of {links.num_samples} samples)"
    then = f", then {', '.join(later)}" if later else ""
    return [f"first moved link: {first}{then}"]


def _moved_beside(change: CaseChange) -> dict[str, int]:
    """How many samples differ in what no link of the chain holds."""
    if change.old is None or change.new is None:
        return {}
    before = {row.sample_id: row for row in change.old.evidence.rows}
    pairs = [(before[row.sample_id], row) for row in change.new.evidence.rows]
    names = ["cluster"]
    if change.links is not None and change.links.first is None:
        names += ["encoded_bytes", "rate", "psnr_db"]  # otherwise these follow from the links
    return {
        name: sum(differs(getattr(new, name), getattr(old, name), name) for old, new in pairs)
        for name in names
    }


def _identities(change: CaseChange) -> list[str]:
    return [f"identity of {found}" for found in change.identity_changes]


def _moved_metrics(
    change: CaseChange, judged: Iterable[Mapping[str, Any]]
) -> tuple[tuple[str, ...], ...]:
    links = change.links
    moved = {
        metric.name
        for metric in change.case.metrics
        if links is not None and links.moves(change.case, metric)
    }
    return tuple(_metric_row(metric) for metric in judged if metric["name"] in moved)


def _metric_row(metric: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        metric["name"],
        *(metric_number(metric, key) for key in ("baseline", "value", "drop")),
        interval_numbers(metric),
        metric_number(metric, "margin"),
        metric["verdict"],
    )


def _stored_values(change: CaseChange) -> tuple[tuple[str, ...], ...]:
    """Both sides' metrics as the files have them, which nothing was judged of."""
    if change.old is None or change.new is None:
        return ()
    before, now = change.old.metrics, change.new.metrics
    decimals = {metric.name: metric.decimals for metric in change.case.metrics}
    return tuple(
        (
            name,
            *(
                metric_number(
                    {"value": values.get(name), "decimals": decimals.get(name, 4)}, "value"
                )
                for values in (before, now)
            ),
        )
        for name in dict.fromkeys((*before, *now))
    )


def _sample_sets(change: CaseChange) -> list[str]:
    if change.old is None or change.new is None:
        return []
    before = {row.sample_id: row.content_sha256 for row in change.old.evidence.rows}
    now = {row.sample_id: row.content_sha256 for row in change.new.evidence.rows}
    both = before.keys() & now.keys()
    other = sorted(name for name in both if before[name] != now[name])
    told = (
        ("of other source data", other),
        ("gone", sorted(before.keys() - now.keys())),
        ("new", sorted(now.keys() - before.keys())),
    )
    lines = [f"samples: {len(before)} -> {len(now)}, {len(both) - len(other)} as they were"]
    return lines + [
        f"samples {what}: {len(names)} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
        for what, names in told
        if names
    ]
