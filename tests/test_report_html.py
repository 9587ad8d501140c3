import base64
import copy
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from toy_gate import ToyTask, make_profile

from mpq_checks.errors import ResultsError
from mpq_checks.exhibits import Exhibit, Shown, make_exhibits
from mpq_checks.exhibits.words import Word
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.report.html import write_report
from mpq_checks.report.html.charts import interval_chart, task_charts
from mpq_checks.report.html.page import render
from mpq_checks.report.html.view import overview_tables
from mpq_checks.results import results
from mpq_checks.update import accept

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baselines")
    settings = GateSettings(make_profile(), folder, "new", device="cpu")
    accept([run_case(case, settings) for case in settings.profile.cases], folder, "toy", None)
    profile = make_profile(task=ToyTask(gain=0.001))
    now = GateSettings(profile, folder, device="cpu")
    outcomes = [run_case(case, now) for case in profile.cases]
    outcomes = [replace(outcome, reproduce=f"pytest '{outcome.case_id}'") for outcome in outcomes]
    return results(profile, outcomes, folder)


class Page(HTMLParser):
    """What a browser would fetch, run and show."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.scripts, self.tags, self.text, self._inside = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)
        self.sources += [value for name, value in attrs if name in {"src", "href", "srcset"}]
        if tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_data(self, data):
        if self._inside and self._inside[-1] == "script":
            self.scripts[-1][1] += data
        elif not self._inside or self._inside[-1] != "style":
            self.text.append(data)

    def handle_endtag(self, tag):
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    @property
    def shown(self):
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def page(document):
    return Page(render(document))


def test_the_first_screen_says_what_failed_by_how_much_and_what_moved_first(document, page):
    jpeg = document["cases"][1]
    nll = jpeg["metrics"]["nll"]
    assert "2 of 2 cases failed." in page.shown
    assert page.shown.index("What failed") < page.shown.index("Rate, quality and score")
    assert f"nll {nll['baseline']:.3f} → {nll['value']:.3f} nats: worse by" in page.shown
    assert "What moved first: model output." in page.shown
    assert "task gain: 0.02 → 0.001" in page.shown


def test_a_run_that_passed_says_so(document):
    passed = copy.deepcopy(document)
    passed.update(passed=True, verdicts={"PASS": 2})
    for case in passed["cases"]:
        case.update(passed=True, verdict="PASS")
    page = Page(render(passed))
    assert "All 2 cases passed." in page.shown
    assert "What failed" not in page.shown


def test_a_case_tells_history_identities_hashes_and_commands(document, page):
    jpeg = document["cases"][1]
    assert "first baseline" in page.shown
    assert "pytest 'toy/jpeg-q50'" in page.shown
    assert "pytest 'toy/jpeg-q50' --mpq-update --mpq-reason \"why\"" in page.shown
    worst = max(jpeg["samples"], key=lambda sample: sample["worse"])
    assert worst["now"]["decoded_sha256"][:12] in page.shown
    assert "nearest colour" in page.shown
    assert "family of 10" in page.shown


def test_nothing_is_fetched(page):
    assert all(source.startswith(("#", "data:")) for source in page.sources)
    policy = next(
        attrs["content"]
        for tag, attrs in page.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_the_policy_names_exactly_the_scripts_that_run(page):
    run = [text for attrs, text in page.scripts if attrs.get("type") != "application/json"]
    assert len(run) == 2
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    digests = re.findall(r"'sha256-([^']+)'", policy)
    expected = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run]
    assert digests == expected


def test_each_chart_has_a_place_a_label_and_its_data(page):
    places = {a["id"]: a for t, a in page.tags if t == "div" and a.get("class") == "chart"}
    data = {a["data-chart"]: json.loads(text) for a, text in page.scripts if "data-chart" in a}
    assert places.keys() == data.keys()
    assert {"chart-score-toy", "interval-case-toy-jpeg-q50"} <= data.keys()
    assert all(place["aria-label"] for place in places.values())
    assert all(chart["data"] for chart in data.values())


@pytest.mark.parametrize(
    "plant",
    [
        lambda d: d.update(profile=HOSTILE),
        lambda d: d["environment"].update(torch=HOSTILE),
        lambda d: d.update(
            environment_changes=[
                {"part": "environment", "key": "x", "before": HOSTILE, "now": "y", "cases": 1}
            ]
        ),
        lambda d: d["cases"][1].update(
            message=HOSTILE, notes=[HOSTILE], worst=[HOSTILE], reproduce=HOSTILE, codec=HOSTILE
        ),
        lambda d: d["cases"][1]["history"][0].update(reason=HOSTILE),
        lambda d: d["cases"][1]["identities"]["codec"].update(library=HOSTILE, codec=HOSTILE),
        lambda d: d["cases"][1]["samples"][0].update(sample_id=HOSTILE),
    ],
    ids=["profile", "library", "environment", "case", "reason", "identity", "sample"],
)
def test_data_of_strangers_is_text(document, plant):
    planted = copy.deepcopy(document)
    plant(planted)
    page = Page(render(planted))
    assert not [tag for tag, attrs in page.tags if tag == "img" or "onerror" in attrs]
    assert all("alert(1)" not in text for attrs, text in page.scripts if not attrs)
    charts = [text for attrs, text in page.scripts if "data-chart" in attrs]
    assert all("<" not in text for text in charts)


def test_a_hostile_sample_is_text_in_its_exhibit_too(document):
    planted = copy.deepcopy(document)
    planted["cases"][0]["samples"][0]["sample_id"] = HOSTILE
    planted["cases"][0]["samples"][0]["now"]["says"] = HOSTILE
    shown = Shown("none", words=(Word("substitute", HOSTILE, HOSTILE),))
    page = Page(render(planted, [Exhibit("toy", HOSTILE, HOSTILE, (shown,))]))
    assert page.shown.count("</script><script>alert(1)</script>") >= 4
    assert all("alert(1)" not in text for _, text in page.scripts)


def test_pictures_are_in_the_page(document):
    exhibits = make_exhibits(make_profile(task=ToyTask(gain=0.001)), document)
    page = Page(render(document, exhibits))
    pictures = [a["src"] for t, a in page.tags if t == "img"]
    assert len(pictures) == 2 * len(exhibits)
    data = base64.b64decode(pictures[0].partition("base64,")[2])
    assert data == exhibits[0].shown[0].picture
    assert all(attrs["alt"] for tag, attrs in page.tags if tag == "img")


def test_why_there_are_no_samples_is_told(document):
    assert (
        "the profile is gone"
        in Page(render(document, without_exhibits="the profile is gone")).shown
    )


def test_the_overview_is_the_table_of_the_study(document):
    (table,) = overview_tables(document)
    assert table["codecs"] == ["jpeg-q50"]
    assert [group["name"] for group in table["groups"]] == [
        "psnr_db",
        "lpips",
        "bits_per_pixel",
        "top1",
        "nll",
    ]
    uncompressed, jpeg = table["groups"][0]["rows"][0]["cells"]
    assert uncompressed["value"] == "inf"
    assert jpeg["value"] == f"{document['cases'][1]['metrics']['psnr_db']['value']:.2f}"
    assert jpeg["was"] == ""
    nll = table["groups"][4]["rows"][0]["cells"][1]
    assert nll["was"]
    assert not nll["better"]


def test_charts_show_the_value_its_interval_and_the_uncompressed_line(document):
    score, distortion, perceptual = task_charts(document, "toy")
    top1 = document["cases"][1]["metrics"]["top1"]
    (trace,) = score["chart"]["data"]
    assert trace["y"] == [top1["value"]]
    low, high = top1["value_interval"]
    assert trace["error_y"]["array"] == [pytest.approx(high - top1["value"])]
    assert trace["error_y"]["arrayminus"] == [pytest.approx(top1["value"] - low)]
    line = next(s for s in score["chart"]["layout"]["shapes"] if s["type"] == "line")
    assert line["y0"] == document["cases"][0]["metrics"]["top1"]["value"]
    assert line["line"]["dash"] == "dash"
    assert "shapes" not in distortion["chart"]["layout"]
    assert perceptual["chart"]["layout"]["yaxis"]["autorange"] == "reversed"


def test_the_interval_chart_is_in_margins(document):
    chart = interval_chart(document["cases"][1])
    drops, shows = chart["data"]
    place = drops["y"].index("nll")
    nll = document["cases"][1]["metrics"]["nll"]
    assert drops["x"][place] == pytest.approx(nll["drop"] / nll["margin"])
    assert shows["x"][place] == pytest.approx(nll["smallest_detectable_drop"] / nll["margin"])


def test_a_case_that_could_not_be_judged_has_no_chart_and_no_numbers(document):
    broken = copy.deepcopy(document)
    broken["cases"][1].update(
        verdict="ERROR", passed=False, metrics={}, samples=[], identities={}, message="no weights"
    )
    page = Page(render(broken))
    assert "no weights" in page.shown
    assert interval_chart(broken["cases"][1]) is None


def test_a_folder_that_cannot_be_written_is_told(document, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot be written") as error:
        write_report(tmp_path / "file" / "report", document)
    assert "index.html" in str(error.value)


def test_the_page_is_written_whole(document, tmp_path):
    path = write_report(tmp_path / "new" / "report", document)
    assert path.name == "index.html"
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [child.name for child in path.parent.iterdir()] == ["index.html"]
