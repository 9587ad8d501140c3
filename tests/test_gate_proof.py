"""Real changes turn the right test red and name the right link; no change keeps it green."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.assets

# Twelve photographs and two sentences: some faults are shown, others cannot be told from noise and
# fail as INCONCLUSIVE. benchmarks/canaries.py has whole cases.
SHOWN, FAILS = {"REGRESSION"}, {"REGRESSION", "INCONCLUSIVE"}
EXPECTED = {
    "quality/jpeg-q5": (SHOWN, "encoded bytes"),
    "swap/jpeg-q5": (FAILS, "decoded signal"),
    "shift/opus-6kbps": (FAILS, "decoded signal"),
    "weights/none": (FAILS, "model output"),
    "resize/none": (FAILS, "model output"),
    "untouched/webp-q0": ({"PASS"}, None),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("proof")
    (path / "test_proof.py").write_text("def test_proof(mpq_case):\n    mpq_case.check()\n")
    (path / "pytest.ini").write_text("[pytest]\n")
    return path


@pytest.fixture(scope="module")
def run(folder):
    import os
    import subprocess
    import sys

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    for name in [name for name in environment if name.startswith(("PYTEST_", "COV_"))]:
        del environment[name]

    def run_profile(profile: str, *arguments: str) -> tuple[int, str, dict[str, dict]]:
        command = [sys.executable, "-m", "pytest", "--mpq-profile", f"proof_gate:{profile}"]
        command += ["--mpq-json", "results.json", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(  # noqa: PLW1510  (the exit status is the point)
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
        )
        data = json.loads((folder / "results.json").read_text())
        return done.returncode, done.stdout, {f"{c['task']}/{c['codec']}": c for c in data["cases"]}

    run_profile("profile", "--mpq-update-new")
    return run_profile


def test_each_fault_fails_its_own_test_and_names_its_link(run):
    status, output, cases = run("broken")
    assert status == 1
    assert cases.keys() == EXPECTED.keys()
    for name, (verdicts, link) in EXPECTED.items():
        assert cases[name]["verdict"] in verdicts
        assert cases[name]["first_moved"] == link
        assert (f"FAILED test_proof.py::test_proof[{name}]" in output) == (link is not None)
    assert "environment" not in cases["weights/none"]["notes"]
    assert any("weights_sha256" in note for note in cases["weights/none"]["notes"])
    assert any("nearest" in note for note in cases["resize/none"]["notes"])


@pytest.mark.parametrize(
    ("profile", "arguments"),
    [("profile", []), ("reordered", []), ("profile", ["-n", "2"])],
    ids=["again", "reordered", "two workers"],
)
def test_no_change_stays_green(run, profile, arguments):
    status, output, cases = run(profile, *arguments)
    assert status == 0, output
    assert {case["verdict"] for case in cases.values()} == {"PASS"}
    assert {case["first_moved"] for case in cases.values()} == {None}
