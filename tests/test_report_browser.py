"""The report in a real browser: what a reviewer sees, hears and clicks.

MPQ_SCREENSHOTS names a folder that keeps the pictures, as those of the README.
"""

import copy
import os
import shutil
from pathlib import Path

import pytest
from report_run import FAULTY, faulty_mini, faulty_run

from mpq_checks.exhibits import make_exhibits
from mpq_checks.report.html import write_report
from mpq_checks.report.html.page import render

pytestmark = [pytest.mark.browser, pytest.mark.assets]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_MAX_BYTES = 15_000_000


@pytest.fixture(scope="module")
def chromium():
    found = os.environ.get("MPQ_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        reason = "no Chromium found; install one, or name it with MPQ_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def document():
    return faulty_run()


@pytest.fixture(scope="module")
def report(document, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report(folder, document, make_exhibits(faulty_mini(), document))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    kept = os.environ.get("MPQ_SCREENSHOTS")
    return Path(kept) if kept else tmp_path_factory.mktemp("pictures")


@pytest.fixture
def opened(chromium, report):
    """Opens the report, and at the end finds no error and no request that left the page."""
    problems, contexts = [], []

    def note(kind):
        return lambda event: problems.append(f"{kind}: {getattr(event, 'text', event)}")

    def requested(request):
        if not request.url.startswith(("data:", "blob:", report.as_uri())):
            problems.append(f"request: {request.url[:200]}")

    def open_page(path=report, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and note("console")(message))
        page.on("pageerror", note("error"))
        page.on("dialog", note("dialog"))
        page.on("request", requested)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def at(page, part):
    page.evaluate("id => document.getElementById(id).scrollIntoView()", part)
    page.wait_for_timeout(700)


def soon(page, expression):
    """Wait until it holds. Playwright's own wait evaluates strings, which the page forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within five seconds: {expression}")


def test_it_is_small_enough_and_opens_without_an_error(report, opened):
    assert report.stat().st_size < _MAX_BYTES
    page = opened()
    assert page.title() == "Failed: mpq mini"
    assert page.locator("h1").inner_text() == "✗ 2 of 28 cases failed."
    for part in ("overview", "charts", "samples", "correlation", "cases"):
        at(page, part)
    soon(page, "document.querySelectorAll('.chart .main-svg').length >= 9")


def test_the_first_screen_names_what_failed(opened):
    page = opened(viewport={"width": 1280, "height": 900})
    for case_id in FAULTY:
        link = page.locator("#failing").get_by_role("link", name=case_id)
        assert link.bounding_box()["y"] < 900
    assert "encoded bytes" in page.locator("#failing").inner_text()


def test_a_failing_case_leads_to_its_details(opened):
    page = opened()
    page.locator("#close-all").click()
    page.locator("#failing").get_by_role("link", name=FAULTY[0]).click()
    case = page.locator("#case-imagenet-mini-jpeg-q5")
    case.locator(".chart .main-svg").first.wait_for()
    assert case.get_attribute("open") is not None
    assert "--mpq-update" in case.inner_text()


def test_the_table_sorts_both_ways(opened):
    page = opened()
    button = page.locator("#all th button", has_text="PSNR")

    def column():
        texts = page.locator("#all tbody tr td:nth-child(4)").evaluate_all(
            "cells => cells.map(cell => cell.dataset.sort)"
        )
        return [float(text) for text in texts]

    button.click()
    assert column() == sorted(column())
    assert page.locator("#all th").nth(3).get_attribute("aria-sort") == "ascending"
    button.click()
    assert column() == sorted(column(), reverse=True)
    assert page.locator("#all th").nth(3).get_attribute("aria-sort") == "descending"


def test_the_table_filters(opened):
    page = opened()
    page.locator("#filter").fill("lungs regression")
    rows = page.locator("#all tbody tr:visible")
    assert rows.count() == 1
    assert "lungs-mini/jpeg-q5" in rows.inner_text()
    assert page.locator("#filtered").inner_text() == "1 of 28 cases"
    page.locator("#filter").fill("")
    assert rows.count() == 28


def test_a_sound_plays_and_stops_the_one_before(opened):
    page = opened()
    sounds = page.locator("audio")
    assert sounds.count() >= 8
    played = "async sound => { sound.muted = true; await sound.play(); return sound.duration; }"
    assert 0.5 < sounds.nth(0).evaluate(played) <= 4.01
    soon(page, "document.querySelectorAll('audio')[0].currentTime > 0")
    sounds.nth(1).evaluate(played)
    soon(page, "document.querySelectorAll('audio')[0].paused")
    assert not sounds.nth(1).evaluate("sound => sound.paused")


def test_every_picture_can_be_decoded(opened):
    page = opened()
    widths = page.locator("img").evaluate_all(
        "async all => { await Promise.all(all.map(one => one.decode()));"
        " return all.map(one => one.naturalWidth); }"
    )
    assert len(widths) > 60
    assert min(widths) > 100


def test_outlines_can_be_taken_away(opened):
    page = opened()
    exhibit = page.locator(".exhibit", has=page.locator(".outlines")).first
    overlay, plain = exhibit.locator(".overlay").first, exhibit.locator(".plain").first
    assert overlay.is_visible()
    assert not plain.is_visible()
    exhibit.locator(".outlines").uncheck()
    assert plain.is_visible()
    assert not overlay.is_visible()


def test_transcripts_are_compared_word_by_word(opened):
    page = opened()
    assert page.locator(".words").count() >= 4
    assert page.locator(".words ins").count() > 0
    assert page.locator(".words del").count() > 0


def test_tabs_change_with_the_arrow_keys(opened):
    page = opened()
    page.locator("#tab-score").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#tab-distortion").get_attribute("aria-selected") == "true"
    assert page.locator("#panel-distortion").is_visible()
    assert not page.locator("#panel-score").is_visible()
    page.locator("#panel-distortion .main-svg").first.wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#panel-score").is_visible()


def test_the_keyboard_reaches_the_parts(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Failing", "Overview", "Cases"} <= seen


def test_a_chart_tells_more_under_the_pointer(opened):
    page = opened(viewport={"width": 1280, "height": 900})
    at(page, "charts")
    chart = page.locator("#chart-score-imagenet-mini")
    chart.locator(".points path").first.hover(force=True)
    chart.locator(".hoverlayer .hovertext").first.wait_for()
    assert "70 samples" in chart.locator(".hoverlayer").text_content()


def test_a_command_can_be_copied(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    button = page.locator(".copy:visible").first
    button.click()
    shown = "[...document.querySelectorAll('.copy')].find(one => one.checkVisibility()).textContent"
    soon(page, f"['Copied', 'Selected'].includes({shown})")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_wanted_colours_and_can_change_them(opened, scheme):
    page = opened(color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    assert before == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 29)")
    page.locator("#theme").click()
    assert page.evaluate(ground) != before


@pytest.mark.parametrize("width", [360, 390, 768])
def test_it_fits_a_phone(opened, width):
    page = opened(viewport={"width": width, "height": 800}, has_touch=True)
    for part in ("verdict", "overview", "charts", "samples", "cases"):
        at(page, part)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_data_of_strangers_does_nothing(document, opened, tmp_path, report):
    planted = copy.deepcopy(document)
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)><b>$x^2$</b>"
    for case in planted["cases"]:
        case.update(message=hostile, notes=[hostile], worst=[hostile], reproduce=hostile)
        case["identities"]["codec"]["library"] = hostile
        for sample in case["samples"]:
            sample["now"]["says"] = hostile
    planted["cases"][1]["codec"] = hostile
    path = report.parent / "index.html-planted.html"
    path.write_text(render(planted), encoding="utf-8")
    page = opened(path)
    at(page, "charts")
    chart = page.locator("#chart-score-imagenet-mini")
    chart.locator(".points path").first.hover(force=True)
    page.wait_for_timeout(500)
    assert page.locator("img").count() == 0
    assert hostile in page.locator("#cases").inner_text()


def test_the_pictures_of_the_documentation(opened, pictures):
    for name, scheme, part in (
        ("report-failed", "light", "verdict"),
        ("report-charts", "dark", "charts"),
        ("report-samples", "light", "samples"),
        ("report-case", "dark", "case-imagenet-mini-jpeg-q5"),
    ):
        page = opened(viewport={"width": 1200, "height": 800}, color_scheme=scheme)
        at(page, part)
        if part == "verdict":
            page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(1500)
        path = pictures / f"{name}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 20_000
