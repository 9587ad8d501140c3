import errno
import json
import math
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row_strategies import ROWS
from toy_gate import profile

from mpq_checks.baselines import (
    Acceptance,
    Baseline,
    baseline_path,
    locked,
    read_baseline,
    unused_files,
    write_baseline,
)
from mpq_checks.errors import BaselineError
from mpq_checks.evidence import Evidence, Row

SHA = "0" * 64


def make_row(index: int, **changes) -> Row:
    row = Row(f"s{index}", None, SHA, 10, SHA, SHA, 0.5, 30.0, 0.1, {"correct": 1, "nll": 0.25})
    return replace(row, **changes)


def make_baseline(rows=None, **changes) -> Baseline:
    rows = tuple(rows or [make_row(index) for index in range(3)])
    evidence = Evidence(
        profile="toy",
        task="toy",
        codec="jpeg-q50",
        modality="image",
        identities={"codec": {"pillow": "12"}},
        environment={"python": "3.11"},
        seconds={"encode": 0.5},
        num_samples_in_dataset=len(rows),
        rows=rows,
    )
    history = (Acceptance("2026-01-31", "first baseline", {"top1": (None, 1.0)}),)
    return Baseline({"psnr_db": math.inf, "top1": 1.0}, replace(evidence, **changes), history)


@settings(max_examples=50, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5, unique_by=lambda row: row.sample_id))
def test_a_baseline_survives_its_file(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("baselines") / "toy" / "jpeg-q50.json"
    baseline = make_baseline(rows)
    write_baseline(path, baseline)
    assert read_baseline(path) == baseline


def test_the_file_has_one_sample_a_line_after_the_aggregates(tmp_path):
    path = tmp_path / "a.json"
    write_baseline(path, make_baseline())
    lines = path.read_text().splitlines()
    assert sum(line.startswith('{"sample_id"') for line in lines) == 3
    assert path.read_text().index('"metrics"') < path.read_text().index('"samples"')
    assert json.loads(path.read_text())["metrics"]["psnr_db"] == "inf"


@pytest.mark.parametrize("keep", [0, 1, 20, 200, 900])
def test_a_truncated_file_is_named(tmp_path, keep):
    path = tmp_path / "a.json"
    write_baseline(path, make_baseline())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BaselineError, match=r"a\.json: not a whole JSON file"):
        read_baseline(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("schema", "mpq-baseline/9", "schema is 'mpq-baseline/9'"),
        ("profile", 3, "profile is int"),
        ("num_samples", 2, "num_samples is 2, but 3 are there"),
        ("samples", [], "num_samples is 3, but 0 are there"),
        ("metrics", {"top1": "high"}, r"metrics\.top1 is 'high'"),
        ("metrics", {"top1": None}, r"metrics\.top1 is None"),
        ("identities", {"codec": 3}, r"identities\.codec"),
        ("environment", {"python": 3}, r"environment\.python"),
        ("history", [{"date": "x"}], r"history\[0\]"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, field, value, message):
    path = tmp_path / "a.json"
    write_baseline(path, make_baseline())
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, field: value}))
    with pytest.raises(BaselineError, match=rf"a\.json: {message}"):
        read_baseline(path)


@pytest.mark.parametrize("text", ["[]", '"x"', "[" * 100_000, '{"a": NaN}', "\ufeff{}", "null"])
def test_odd_json_is_a_baseline_error(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BaselineError, match=r"a\.json"):
        read_baseline(path)


def test_duplicate_ids_are_refused(tmp_path):
    path = tmp_path / "a.json"
    write_baseline(path, make_baseline([make_row(1), make_row(2)]))
    path.write_text(path.read_text().replace('"s2"', '"s1"'))
    with pytest.raises(BaselineError, match="twice"):
        read_baseline(path)


def test_a_missing_file_and_a_folder_in_its_place(tmp_path):
    with pytest.raises(BaselineError, match="there is no baseline"):
        read_baseline(tmp_path / "none.json")
    with pytest.raises(BaselineError, match="cannot be read"):
        read_baseline(tmp_path)


def test_a_partial_case_is_not_written(tmp_path):
    baseline = make_baseline(num_samples_in_dataset=70)
    with pytest.raises(BaselineError, match="3 of 70"):
        write_baseline(tmp_path / "a.json", baseline)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, step):
    path = tmp_path / "a.json"
    write_baseline(path, make_baseline())
    before = path.read_bytes()

    def fail(*_arguments, **_keywords):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(BaselineError, match="the disk is full"):
        write_baseline(path, make_baseline([make_row(9)]))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "toy").write_text("")
    with pytest.raises(BaselineError, match="not written"):
        write_baseline(tmp_path / "toy" / "a.json", make_baseline())


def test_acceptance_records_what_moved():
    old = make_baseline()
    new = old.accept({"psnr_db": 30.0, "top1": 1.0}, old.evidence, "2026-02-01", "new encoder")
    assert new.history[-1] == Acceptance("2026-02-01", "new encoder", {"psnr_db": (math.inf, 30.0)})
    assert len(new.history) == 2


def test_concurrent_writers_lose_nothing(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from mpq_checks.baselines import locked
        folder = Path(sys.argv[1])
        for _ in range(50):
            with locked(folder):
                count = int((folder / "count").read_text())
                (folder / "count").write_text(str(count + 1))
        """
    )
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "150"


def test_a_lock_that_is_held_too_long_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("mpq_checks.baselines._LOCK_SECONDS", 0.1)
    with locked(tmp_path), pytest.raises(BaselineError, match="another process"), locked(tmp_path):
        pass


def test_unused_files_are_found(tmp_path):
    for case in profile.cases:
        path = baseline_path(tmp_path, profile.name, case.task.name, case.codec.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert unused_files(tmp_path, profile) == ()
    stray = [tmp_path / "toy" / "gone" / "jpeg-q5.json", tmp_path / "toy" / "toy" / "jpeg_q50.json"]
    for path in stray:
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    assert unused_files(tmp_path, profile) == tuple(stray)


def test_float_noise_is_no_reason_to_write_but_anything_more_is():
    old = make_baseline()
    metrics, evidence = old.metrics, old.evidence

    def moved(**changes):
        rows = (replace(evidence.rows[0], **changes), *evidence.rows[1:])
        return not old.same_measurement(metrics, replace(evidence, rows=rows))

    assert old.same_measurement(metrics, replace(evidence, seconds={"encode": 9.0}))
    assert old.same_measurement(metrics, replace(evidence, environment={"python": "3.13"}))
    assert not moved(perceptual=0.1 + 1e-7)
    assert not moved(statistics={"correct": 1, "nll": 0.25 + 1e-6})
    assert moved(perceptual=0.101)
    assert moved(psnr_db=math.inf)
    assert moved(statistics={"correct": 0, "nll": 0.25})
    assert moved(encoded_sha256="1" * 64)
    assert moved(sample_id="other")
    assert not old.same_measurement({**metrics, "top1": 0.9}, evidence)
    assert not old.same_measurement(metrics, replace(evidence, identities={"codec": {}}))
