"""The site that mkdocs builds: whole links, and nothing from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from docs_pages import DOCS, ROOT

_LOADS = {
    "script": "src",
    "img": "src",
    "source": "src",
    "audio": "src",
    "video": "src",
    "iframe": "src",
}
_LINK = re.compile(r"\]\((?!https?:|#)([^)\s]+)\)")
_MENTION = re.compile(r"docs/[\w/-]+\.(?:md|svg|png)")
_LINKS_THAT_LOAD = {"stylesheet", "icon", "preconnect", "preload", "modulepreload", "dns-prefetch"}


class Requests(HTMLParser):
    """Collects what a browser would load from another host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        target = values.get(_LOADS.get(tag, ""), "")
        if tag == "link" and _LINKS_THAT_LOAD & set(values.get("rel", "").split()):
            target = values.get("href", "")
        if target.startswith(("http:", "https:", "//")):
            self.found.append(f"{tag} {target}")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site):
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file()
    assert list((site / "reference" / "schemas").glob("*.schema.json"))


def test_no_page_loads_anything_from_elsewhere(site):
    for page in site.rglob("*.html"):
        requests = Requests()
        requests.feed(page.read_text(encoding="utf-8"))
        assert requests.found == [], page


def test_no_diagram_calls_for_a_library(site):
    """The theme fetches mermaid from a content delivery network where a page needs it."""
    for page in site.rglob("*.html"):
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8"), page


def test_no_style_loads_anything_from_elsewhere(site):
    sheets = list(site.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        for start in ("url(http", "url('http", 'url("http', "url(//", "@import"):
            assert start not in text, sheet


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "training/README.md"])
def test_links_from_outside_of_the_docs_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    mentioned = {*_LINK.findall(text), *(f"/{path}" for path in _MENTION.findall(text))}
    for target in mentioned:
        path, _, _ = target.partition("#")
        base = ROOT if path.startswith("/") else (ROOT / page).parent
        assert (base / path.lstrip("/")).exists(), f"{page} links to {target}"


def test_mentions_of_pages_in_the_code_exist():
    for folder in ("mpq_checks", "benchmarks", "scripts", "suites"):
        for source in (ROOT / folder).rglob("*.py"):
            for path in _MENTION.findall(source.read_text(encoding="utf-8")):
                assert (ROOT / path).exists(), f"{source} mentions {path}"


def test_requests_are_found():
    requests = Requests()
    requests.feed('<script src="https://cdn.example/x.js"></script><a href="https://example">a</a>')
    assert requests.found == ["script https://cdn.example/x.js"]
