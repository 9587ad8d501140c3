"""The JSON Schemas of the docs, held against what the package writes."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from docs_pages import DOCS, ROOT
from jsonschema import Draft202012Validator

from mpq_checks import cli
from mpq_checks.curves import Curve, CurveMetric
from mpq_checks.evidence import Row
from mpq_checks.printed import is_printed
from mpq_checks.profiles import NAMES

SCHEMAS = DOCS / "reference" / "schemas"
BASELINES = sorted(path for name in NAMES for path in (ROOT / "baselines" / name).rglob("*.json"))


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def problems(name: str, data: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(data)]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def results(gate, pytester) -> Any:
    """Of a run with a case of each kind: as before, worse, new, and one that cannot run."""
    gate("--mpq-update-new").assert_outcomes(passed=3)
    change = (
        "profile = Profile('toy', (*make_profile(SwappedJpeg(50)).cases,"
        " *cases([ToyTask()], [Jpeg(60), FailingJpeg(70)], MARGINS)))"
    )
    gate("--mpq-json", "results.json", change=change)
    return read(pytester.path / "results.json")


def test_the_committed_baselines_keep_their_schema():
    assert len(BASELINES) > 20
    for path in BASELINES:
        name = "printed" if is_printed(path) else "baseline"
        assert problems(name, read(path)) == [], path


def test_results_keep_their_schema_and_changed_ones_are_refused(results):
    assert problems("results", results) == []
    verdicts = {case["verdict"] for case in results["cases"]}
    assert verdicts == {"PASS", "INCONCLUSIVE", "NEW", "ERROR"}
    assert results["curves"]
    assert results["cases"][0]["samples"]
    samples = next(case for case in results["cases"] if case["samples"])["samples"]
    assert "says" in samples[0]["now"]
    for path, value in (
        (("schema",), "mpq-results/0"),
        (("cases", 0, "verdict"), "FINE"),
        (("cases", 0, "metrics", "psnr_db", "value"), "high"),
        (("cases", 0, "metrics", "psnr_db", "colour"), "blue"),
        (("environment", "torch"), 2),
        (("verdicts", "FINE"), 1),
    ):
        assert problems("results", _changed(results, path, value)), path
    for path in (("cases", 0, "n"), ("passed",), ("cases", 0, "metrics", "nll", "margin")):
        assert problems("results", _cut(results, *path)), path


def test_curves_keep_their_schema():
    """Every field, named once here and once in the schema."""
    schemas = read(SCHEMAS / "results.schema.json")["$defs"]
    assert set(schemas["curve"]["properties"]) == set(Curve("a", "b", ()).to_json())
    fields = set(CurveMetric.__dataclass_fields__) - {"name"}
    assert set(schemas["curve_metric"]["properties"]) == fields


def test_samples_have_the_fields_of_a_row():
    schema = read(SCHEMAS / "baseline.schema.json")["$defs"]["sample"]
    assert set(schema["properties"]) == set(Row.__dataclass_fields__)


@pytest.mark.parametrize("profile", NAMES)
def test_lists_keep_their_schema(profile, capsys):
    assert cli.main(["list", "--json", "--mpq-profile", profile]) == 0
    assert problems("list", json.loads(capsys.readouterr().out)) == []


def _cut(data: Any, *path: Any) -> Any:
    return _changed(data, path, None, cut=True)


def _changed(data: Any, path: Any, value: Any, *, cut: bool = False) -> Any:
    changed = copy.deepcopy(data)
    *parents, last = path
    place = changed
    for key in parents:
        place = place[key]
    if cut:
        del place[last]
    else:
        place[last] = value
    return changed


@pytest.mark.parametrize("key", ["schema", "metrics", "samples", "history", "environment"])
def test_a_baseline_that_lacks_a_part_is_refused(key):
    assert problems("baseline", _cut(read(BASELINES[0]), key))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "mpq-baseline/0"),
        (("colour",), "blue"),
        (("metrics", "psnr_db"), "high"),
        (("metrics", "psnr_db"), None),
        (("samples",), []),
        (("samples", 0, "rate"), -1),
        (("samples", 0, "encoded_sha256"), "abc"),
        (("samples", 0, "weight"), 1),
        (("history", 0, "date"), "yesterday"),
        (("identities", "codec", "quality"), 5),
    ],
)
def test_a_changed_baseline_is_refused(path, value):
    assert problems("baseline", _changed(read(BASELINES[0]), path, value))


def test_a_changed_list_is_refused(capsys):
    cli.main(["list", "--json"])
    listed = json.loads(capsys.readouterr().out)
    for path in (("profile",), ("cases", 0, "margins"), ("cases", 0, "margins", "nll", "reason")):
        assert problems("list", _cut(listed, *path)), path
    assert problems("list", _changed(listed, ("cases", 0, "modality"), "smell"))
