"""Put the page together: template, style, script, charts and media in one file."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mpq_checks.atomic import write_text_atomically
from mpq_checks.errors import ResultsError
from mpq_checks.exhibits import Exhibit
from mpq_checks.report.html.charts import interval_chart, task_charts
from mpq_checks.report.html.exhibit_view import exhibit_views
from mpq_checks.report.html.study_view import study_view
from mpq_checks.report.html.view import case_views, headline, overview_tables, printed_views

__all__ = ["PAGE", "render", "write_report"]

PAGE = "index.html"

_TEMPLATES = files(__package__) / "templates"


def write_report(
    folder: Path,
    document: Mapping[str, Any],
    exhibits: Sequence[Exhibit] = (),
    *,
    without_exhibits: str = "",
) -> Path:
    """Write `index.html` into a folder, in one step; it needs no other file and no network.

    Args:
        folder: made if it does not exist.
        document: results of a run.
        exhibits: samples to show.
        without_exhibits: why there are none, to be told on the page.

    Returns:
        The page.

    Raises:
        ResultsError: the page cannot be written.
    """
    path = folder / PAGE
    try:
        write_text_atomically(path, render(document, exhibits, without_exhibits=without_exhibits))
    except OSError as error:
        raise ResultsError(
            f"{path}: the report cannot be written ({error.strerror or error}); "
            "make the folder writable or name another"
        ) from error
    return path


def render(
    document: Mapping[str, Any],
    exhibits: Sequence[Exhibit] = (),
    *,
    without_exhibits: str = "",
) -> str:
    """The page as text."""
    plotly, script = get_plotlyjs(), _file("report.js")
    cases = case_views(document)
    intervals = [interval_chart(case) for case in document["cases"]]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            headline=headline(document),
            cases=cases,
            failing=[case for case in cases if not case["passed"]],
            stale=[case for case in cases if case["passed"] and case["notes"]],
            overview=overview_tables(document),
            tasks=[
                {"name": task, **about, "charts": task_charts(document, task)}
                for task, about in document["tasks"].items()
            ],
            intervals={
                case["anchor"]: chart for case, chart in zip(cases, intervals, strict=True) if chart
            },
            printed=printed_views(document),
            exhibits=exhibit_views(document, exhibits),
            without_exhibits=without_exhibits,
            correlation=study_view(document),
            curve_lines=[],
            style=Markup(_file("report.css")),  # noqa: S704  (files of this package)
            plotly=Markup(plotly),  # noqa: S704
            script=Markup(script),  # noqa: S704
            script_hashes=" ".join(_hash_source(text) for text in (plotly, script)),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_function"] = _dumps
    return environment


def _dumps(value: Any, **keywords: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _file(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash_source(text: str) -> str:
    """How a content security policy names a script that it allows."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
