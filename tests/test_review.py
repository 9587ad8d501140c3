"""`mpq diff`: what a change of baselines changes."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_gate import RenamedJpeg, ToyDataset, ToyTask, make_profile

from mpq_checks.cli import main
from mpq_checks.errors import BaselineError
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.results import read_results
from mpq_checks.review import Kind, compare, markdown_text, opened, revisions
from mpq_checks.review.markdown import MAX_CHARACTERS
from mpq_checks.update import accept

TESTS = Path(__file__).parent
PROFILE = ["--mpq-profile", "toy_gate:profile"]
JPEG = "toy/toy/jpeg-q50.json"
NONE = "toy/toy/none.json"


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """Baselines of the toy profile."""
    folder = tmp_path_factory.mktemp("accepted")
    update(folder, make_profile(), "first")
    return folder


@pytest.fixture(scope="module")
def worse(tmp_path_factory, accepted):
    """The same after a worse JPEG was accepted with a reason."""
    folder = tmp_path_factory.mktemp("worse") / "baselines"
    shutil.copytree(accepted, folder)
    update(folder, make_profile(RenamedJpeg(quality=5)), "half the bytes")
    return folder


@pytest.fixture
def changed(tmp_path, accepted):
    """A copy of the baselines, to be changed."""
    shutil.copytree(accepted, tmp_path / "changed")
    return tmp_path / "changed"


@pytest.fixture(autouse=True)
def toy_gate_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS))
    monkeypatch.setenv("COLUMNS", "100")


def update(folder, profile, reason):
    settings = GateSettings(profile, folder, "all", reason, device="cpu")
    accept([run_case(case, settings) for case in profile.cases], folder, profile.name, reason)


def edit(path, change):
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def diff(capsys, *arguments, status=0):
    """What `mpq diff` prints."""
    assert main(["diff", *map(str, arguments), *PROFILE]) == status
    return capsys.readouterr().out


def review_of(old, new):
    profile = make_profile()
    with opened(str(old), "toy", old) as before, opened(str(new), "toy", new) as now:
        return compare(profile, before, now)


# What is told


def test_a_worse_codec_is_told_with_reason_link_metrics_and_samples(capsys, accepted, worse):
    text = diff(capsys, accepted, worse)
    assert "1 case changed, 1 unchanged, 0 added, 0 removed; worst verdict: REGRESSION" in text
    case = text[text.index("toy/jpeg-q50: REGRESSION") :]
    assert ": half the bytes" in case
    assert ": first" not in case
    assert "first moved link: encoded bytes (8 of 8 samples)" in case
    assert "identity of codec quality: 50 -> 5" in case
    lpips = next(line for line in case.splitlines() if line.strip().startswith("lpips"))
    assert lpips.endswith("REGRESSION")
    assert ".." in lpips
    assert "worst samples (old -> new):\n  - square-" in case
    assert max(len(line) for line in text.splitlines()[1:] if "square-" not in line) <= 100


def test_a_narrow_terminal_gets_verdict_and_score(capsys, accepted, worse, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    text = diff(capsys, accepted, worse)
    assert "PSNR dB" not in text
    assert re.search(r"^toy/jpeg-q50 +REGRESSION +top1 ", text, re.MULTILINE)


def test_the_metrics_told_are_those_of_the_judgement(accepted, worse):
    jpeg = review_of(accepted, worse).cases[1]
    assert jpeg.outcome.metrics["lpips"]["value"] == pytest.approx(jpeg.new.metrics["lpips"])
    assert jpeg.outcome.metrics["lpips"]["baseline"] == pytest.approx(jpeg.old.metrics["lpips"])
    assert [entry.reason for entry in jpeg.acceptances] == ["half the bytes"]
    assert jpeg.history_kept


def test_equal_folders_have_no_change(capsys, accepted):
    text = diff(capsys, accepted, accepted)
    assert "0 cases changed, 2 unchanged, 0 added, 0 removed\n" in text
    assert "worst verdict" not in text


def test_environment_seconds_and_order_are_no_change_of_evidence(capsys, accepted, changed):
    def rewrite(data):
        data["environment"]["numpy"] = "9.9"
        data["seconds"]["encode"] = 77.0
        data["samples"].reverse()

    edit(changed / JPEG, rewrite)
    text = diff(capsys, accepted, changed)
    assert "0 cases changed, 2 unchanged (1 rewritten without a change of evidence)" in text
    assert "toy/jpeg-q50: environment, seconds, order of samples" in text
    assert "-> 9.9 (1 case)" in text


def test_a_hand_edited_cluster_is_a_change_without_an_acceptance(capsys, accepted, changed):
    edit(changed / JPEG, lambda data: data["samples"][0].update(cluster="one"))
    text = diff(capsys, accepted, changed)
    assert "toy/jpeg-q50: PASS" in text
    assert "was the file edited by hand?" in text
    assert "no link moved; beside them, of 8 samples: cluster 1" in text


def test_a_lost_history_is_told(capsys, accepted, worse, changed):
    shutil.copy(worse / JPEG, changed / JPEG)
    edit(changed / JPEG, lambda data: data["history"].pop(0))
    text = diff(capsys, accepted, changed)
    assert "its history does not begin with the old one" in text


def test_cases_that_say_the_same_are_told_once(capsys, accepted, changed):
    for name in (JPEG, NONE):
        edit(changed / name, lambda data: data["identities"]["task"].update(model="other"))
    text = diff(capsys, accepted, changed)
    assert "toy/none, toy/jpeg-q50: PASS" in text
    assert text.count("identity of task model: nearest colour -> other") == 1


def test_added_and_removed_cases(capsys, accepted, changed):
    (changed / JPEG).unlink()
    text = diff(capsys, accepted, changed)
    assert "0 cases changed, 1 unchanged, 0 added, 1 removed" in text
    assert "removed: the gate fails for these cases" in text

    text = diff(capsys, changed, accepted)
    assert "0 cases changed, 1 unchanged, 1 added, 0 removed" in text
    added = text[text.index("toy/jpeg-q50: added") :]
    assert ": first" in added
    assert "bits_per_pixel" in added


def test_a_case_without_a_baseline_on_either_side_is_named(capsys, changed):
    (changed / JPEG).unlink()
    text = diff(capsys, changed, changed)
    assert "1 absent on both sides" in text


# What cannot be compared


def test_an_unreadable_baseline_is_named_with_its_file(capsys, accepted, changed):
    (changed / JPEG).write_text("{", encoding="utf-8")
    text = diff(capsys, accepted, changed, status=1)
    assert "1 not readable" in text
    # Long paths stay whole, on a line of their own.
    assert f"{changed / JPEG}: not a whole JSON file" in " ".join(text.split())


def test_samples_that_do_not_give_the_metrics_of_this_version(capsys, accepted, changed):
    edit(changed / JPEG, lambda data: data["samples"][0]["statistics"].pop("nll"))
    text = diff(capsys, accepted, changed, status=1)
    assert "the samples do not give the metrics of this version" in " ".join(text.split())


def test_statistics_that_the_task_cannot_describe(capsys, accepted, worse, tmp_path):
    shutil.copytree(worse, tmp_path / "odd")
    for row in range(8):
        edit(
            tmp_path / "odd" / JPEG,
            lambda data, row=row: data["samples"][row]["statistics"].pop("predicted"),
        )
    text = diff(capsys, accepted, tmp_path / "odd", status=1)
    assert "statistics of another version of the task" in text


def test_another_set_of_samples_is_told_with_both_sides(capsys, accepted, changed):
    fewer = make_profile(task=ToyTask(dataset=ToyDataset(num_samples=6)))
    update(changed, fewer, "fewer")
    text = diff(capsys, accepted, changed, status=1)
    assert "2 not comparable" in text
    assert "the sample set changed" in text
    assert "samples: 8 -> 6, 6 as they were" in text
    assert "samples gone: 2 (square-6, square-7)" in text
    header = next(line for line in text.splitlines() if line.strip().startswith("metric"))
    assert header.split() == ["metric", "old", "new"]


def test_other_source_data_is_told(capsys, accepted, changed):
    update(changed, make_profile(task=ToyTask(dataset=ToyDataset(salt=1))), "other data")
    text = diff(capsys, accepted, changed, status=1)
    assert "the source data changed: sample 'square-0'" in text
    assert "samples: 8 -> 8, 0 as they were" in text


def test_files_that_the_profile_does_not_know(capsys, accepted, changed):
    (changed / "toy/toy/odd.json").write_text("x", encoding="utf-8")
    assert "toy/toy/odd.json: removed" in diff(capsys, changed, accepted)
    assert "toy/toy/odd.json: unchanged" in diff(capsys, changed, changed)
    assert "toy/toy/odd.json: added, not compared" in diff(capsys, accepted, changed, status=1)


def test_folders_without_baselines_of_the_profile_are_refused(capsys, tmp_path):
    assert main(["diff", str(tmp_path), str(tmp_path), *PROFILE]) == 1
    assert "holds baselines of profile toy" in capsys.readouterr().err


def test_the_profiles_own_folder_is_refused(capsys, accepted, tmp_path):
    own = tmp_path / "baselines" / "toy"
    shutil.copytree(accepted / "toy" / "toy", own / "squares")
    assert main(["diff", str(own), str(accepted), *PROFILE]) == 1
    assert f"name the folder around it: {own.parent}" in capsys.readouterr().err


def test_a_wrong_command_line_is_2(capsys):
    with pytest.raises(SystemExit) as wrong:
        main(["diff"])
    assert wrong.value.code == 2
    capsys.readouterr()


# Revisions


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    return subprocess.run(
        ["git", *identity, *arguments],  # noqa: S607
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch, accepted, worse):
    """A repository whose gate lies in a subfolder; the second commit accepts a worse JPEG."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for message, source in (("one", accepted), ("two", worse)):
        shutil.copytree(source, root / "gate" / "baselines", dirs_exist_ok=True)
        git(root, "add", ".")
        git(root, "commit", "-q", "-m", message)
    monkeypatch.chdir(root / "gate")
    return root


def test_a_revision_is_compared_with_the_working_tree(capsys, repository):
    text = diff(capsys, "HEAD~1")
    assert "baselines of toy: HEAD~1:gate/baselines -> baselines" in text
    assert "worst verdict: REGRESSION" in text
    assert "0 cases changed, 2 unchanged" in diff(capsys, "main")


def test_two_revisions_are_compared(capsys, repository, accepted, worse):
    text = diff(capsys, "HEAD~1", "main")
    folders = diff(capsys, accepted, worse)
    assert text.splitlines()[1:] == folders.splitlines()[1:]
    assert "2 unchanged" in diff(capsys, "main~0", git(repository, "rev-parse", "HEAD"))


def test_a_folder_is_taken_before_a_branch_of_its_name(capsys, repository):
    git(repository, "branch", "baselines", "HEAD~1")
    assert "2 unchanged" in diff(capsys, "baselines", "main")
    assert "1 case changed" in diff(capsys, "refs/heads/baselines", "main")


def test_an_unreadable_baseline_of_a_revision_is_named_as_git_does(capsys, repository):
    (repository / "gate/baselines" / JPEG).write_text("{", encoding="utf-8")
    git(repository, "commit", "-q", "-a", "-m", "three")
    text = " ".join(diff(capsys, "main~1", "main", status=1).split())
    assert f"main:gate/baselines/{JPEG}: not a whole JSON file" in text


@pytest.mark.parametrize(
    "name",
    ["nope", "", "main..HEAD", "HEAD:gate", "--output=/tmp/x", "-h", "a b", "$(id)", "x\0y", "\n"],
)
def test_what_is_no_revision_is_one_clear_error(repository, name):
    with (
        pytest.raises(BaselineError, match="neither a folder nor a revision"),
        opened(name, "toy", Path("baselines")),
    ):
        pass


def test_a_leading_dash_is_no_option_of_git(capsys, repository, tmp_path):
    target = tmp_path / "written"
    assert main(["diff", *PROFILE, "--", f"--output={target}"]) == 1
    assert "neither a folder nor a revision" in capsys.readouterr().err
    assert not target.exists()


def test_a_folder_that_the_revision_lacks(capsys, repository):
    assert main(["diff", "main", "--mpq-baselines", "other", *PROFILE]) == 1
    assert "main: there is no folder gate/other" in capsys.readouterr().err


def test_a_folder_outside_of_the_repository(capsys, repository, accepted):
    assert main(["diff", "main", "--mpq-baselines", str(accepted), *PROFILE]) == 1
    assert "lies outside of the git repository" in capsys.readouterr().err


def test_a_revision_outside_of_any_repository(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main(["diff", "main", *PROFILE]) == 1
    assert "not in a git working tree" in capsys.readouterr().err


def test_a_revision_without_git(capsys, repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert main(["diff", "main", *PROFILE]) == 1
    assert "git is not installed" in capsys.readouterr().err


def test_a_link_in_a_revision_is_not_followed(capsys, repository):
    path = repository / "gate/baselines" / JPEG
    path.unlink()
    path.symlink_to("/etc/passwd")
    git(repository, "commit", "-q", "-a", "-m", "link")
    assert main(["diff", "main~1", "main", *PROFILE]) == 1
    assert "a link or submodule is no baseline" in capsys.readouterr().err


def test_a_path_that_leads_out_of_the_tree_is_refused(repository, monkeypatch):
    listing = b"100644 blob " + b"0" * 40 + b" 3\t../../escaped.json\0"
    real = revisions._git

    def forged(*arguments, **options):
        return listing if arguments[0] == "ls-tree" else real(*arguments, **options)

    monkeypatch.setattr(revisions, "_git", forged)
    with (
        pytest.raises(BaselineError, match="is no path of a file in this folder"),
        opened("main", "toy", Path("baselines")),
    ):
        pass


def test_too_large_a_folder_is_refused(repository, monkeypatch):
    monkeypatch.setattr(revisions, "_MAX_BYTES", 1000)
    with (
        pytest.raises(BaselineError, match="more than baselines can have"),
        opened("main", "toy", Path("baselines")),
    ):
        pass


def test_the_files_of_a_revision_are_removed(repository):
    with opened("main", "toy", Path("baselines")) as side:
        assert (side.folder / JPEG).exists()
    assert not side.folder.exists()


# Markdown and results


def test_markdown_has_a_table_and_escapes_strangers(capsys, accepted, worse, tmp_path):
    shutil.copytree(worse, tmp_path / "odd")
    edit(
        tmp_path / "odd" / JPEG,
        lambda data: data["history"][-1].update(reason="<img src=x> | a\n::error::b @someone"),
    )
    text = diff(capsys, accepted, tmp_path / "odd", "--markdown")
    assert text.startswith("## baselines of toy")
    row = next(line for line in text.splitlines() if line.startswith("| toy/jpeg"))
    assert "REGRESSION" in row
    assert "encoded bytes" in row
    assert re.search(r"(?<!\\)<img", text) is None
    assert r"\<img src=x\> \| a" in text
    assert "\n::error" not in text
    assert r"\@someone" in text
    assert "<details><summary>toy/jpeg-q50: REGRESSION</summary>" in text


def test_terminal_text_is_free_of_control_characters(capsys, accepted, worse, tmp_path):
    shutil.copytree(worse, tmp_path / "odd")
    reason = "\x1b[2Jgone\r\n::error::b [bold]x[/bold] :smile:"
    edit(tmp_path / "odd" / JPEG, lambda data: data["history"][-1].update(reason=reason))
    text = diff(capsys, accepted, tmp_path / "odd")
    assert "\x1b" not in text
    assert "[bold]x[/bold] :smile:" in text
    assert not any(line.lstrip().startswith("::error") for line in text.splitlines())


def test_markdown_fits_into_a_comment(accepted, worse):
    review = review_of(accepted, worse)
    cases = tuple(
        replace(change, problem=str(index) * 400, kind=Kind.UNREADABLE)
        for index in range(300)
        for change in review.cases
    )
    text = markdown_text(replace(review, cases=cases))
    assert len(text) <= MAX_CHARACTERS
    assert text.endswith("The rest is left out: a comment holds at most 65,536 characters.\n")


def test_output_writes_the_results_of_the_change(capsys, accepted, worse, changed, tmp_path):
    shutil.copy(worse / JPEG, changed / JPEG)
    (changed / NONE).unlink()
    diff(capsys, accepted, changed, "--output", tmp_path / "page")
    document = read_results(tmp_path / "page" / "results.json")
    none, jpeg = document["cases"]
    assert (none["verdict"], none["passed"]) == ("ERROR", False)
    assert "the baseline was removed" in none["message"]
    assert (jpeg["verdict"], jpeg["first_moved"]) == ("REGRESSION", "encoded bytes")
    assert [entry["reason"] for entry in jpeg["history"]] == ["first"]


def test_an_output_that_cannot_be_written(capsys, accepted, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    arguments = ["diff", str(accepted), str(accepted), "--output", str(tmp_path / "file")]
    assert main([*arguments, *PROFILE]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_comparing_the_mini_profile_imports_no_torch():
    code = (
        "import sys; from mpq_checks.cli import main; "
        "status = main(['diff', 'baselines', 'baselines']); "
        "sys.exit(status or 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TESTS.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "0 cases changed" in done.stdout
