"""The code blocks of the docs: they run, and the options that they name exist."""

import re
import sys
from pathlib import Path

import pytest
from docs_pages import DOCS, PAGES, ROOT, Block, Page, commands, parse_page, read_page, run_page

from mpq_checks import cli
from mpq_checks.session.options import add_options

README = ROOT / "README.md"
NEED_ASSETS = ("docs/tutorial/first-gate.md",)
"""Pages whose gate has LPIPS."""

_OPTION = re.compile(r"(--[a-z][a-z-]*)")


def runs(page: Page) -> bool:
    """The README's commands install and run the whole gate; elsewhere a block says so itself."""
    return page.path != README and any(
        block.language in {"python", "sh"} and not block.skip for block in page.blocks
    )


def runnable() -> list[object]:
    pages = [page for page in map(read_page, PAGES) if runs(page)]
    return [
        pytest.param(
            page, id=page.name, marks=[pytest.mark.assets] if page.name in NEED_ASSETS else []
        )
        for page in pages
    ]


@pytest.mark.parametrize("page", runnable())
def test_the_blocks_run(page, tmp_path):
    run_page(page, tmp_path)


def test_the_python_of_the_readme_runs(tmp_path):
    page = read_page(README)
    page.blocks = [block for block in page.blocks if block.language == "python"]
    run_page(page, tmp_path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_option_in_a_command_exists(path):
    for block in read_page(path).blocks:
        if block.language in {"sh", "yaml"}:
            lines = block.text if block.language == "sh" else _commands_of_yaml(block.text)
            require_known(lines, path)


def require_known(lines: str, path: Path) -> None:
    for words in commands(Block("sh", lines)):
        program, *arguments = words
        options = [found[1] for word in arguments if (found := _OPTION.match(word))]
        if program == "mpq":
            known = cli_options()
            assert arguments[0] in known, f"{path}: there is no command mpq {arguments[0]}"
            odd = set(options) - known[arguments[0]]
        elif program == "pytest":
            odd = {option for option in options if option.startswith("--mpq")} - pytest_options()
        else:
            continue
        assert not odd, f"{path}: {' '.join(words)}: no such option: {', '.join(sorted(odd))}"


def _commands_of_yaml(text: str) -> str:
    """The lines of a workflow that call pytest or mpq."""
    found = re.finditer(r"^\s*(?:- )?(?:run: )?((?:pytest|mpq) .*)$", text, re.MULTILINE)
    return "\n".join(match[1] for match in found)


def pytest_options() -> set[str]:
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    return {name for group in parser._groups for option in group.options for name in option.names()}


def pytest_ini_keys() -> set[str]:
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    return set(parser._inidict)


def cli_options() -> dict[str, set[str]]:
    """Options of each command of `mpq`, without `--help`."""
    parser = cli.command_line()
    (commands,) = (action for action in parser._actions if hasattr(action.choices, "items"))
    return {
        name: {
            option
            for action in sub._actions
            for option in action.option_strings
            if option not in {"-h", "--help"}
        }
        for name, sub in commands.choices.items()
    }


def test_the_options_page_has_every_option_and_no_other():
    page = (DOCS / "reference" / "options.md").read_text(encoding="utf-8")
    pytest_part, mpq_part = page.split("## The `mpq` command")
    of_pytest = set(re.findall(r"^\| `(--mpq-[a-z-]+)", pytest_part, re.MULTILINE))
    assert of_pytest == pytest_options()
    assert set(re.findall(r"^(mpq_[a-z]+) =", pytest_part, re.MULTILINE)) == pytest_ini_keys()
    sections = re.split(r"^### `mpq ([a-z-]+).*`$", mpq_part, flags=re.MULTILINE)[1:]
    documented = {
        name: set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert documented == cli_options()


def test_the_options_page_has_every_environment_variable_and_no_other():
    page = (DOCS / "reference" / "options.md").read_text(encoding="utf-8")
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "mpq_checks").rglob("*.py"))
    read = {name for text in sources for name in re.findall(r"\bMPQ_[A-Z_]+", text)}
    assert set(re.findall(r"^\| `(MPQ_[A-Z_]+)`", page, re.MULTILINE)) == read


def test_skipped_blocks_have_a_reason(capsys):
    skipped = [
        f"{page.name}: {block.text.splitlines()[0]}: {block.skip}"
        for page in map(read_page, PAGES)
        for block in page.blocks
        if block.skip
    ]
    with capsys.disabled():
        sys.stdout.writelines(f"\nnot run: {line}" for line in skipped)
    assert skipped


@pytest.mark.parametrize("directive", ["skip", "skip because", "skip because  ", "exit", "run"])
def test_a_skip_without_a_reason_is_refused(directive):
    text = f"<!-- docs-test: {directive} -->\n```sh\ntrue\n```\n"
    with pytest.raises(ValueError, match="not understood"):
        parse_page(DOCS / "x.md", text)


def test_a_page_that_shows_what_was_not_printed_fails(tmp_path):
    page = "```sh\necho '3 passed in 1.5s'\n```\n<!-- docs-test: output -->\n```text\n{}\n```\n"
    run_page(parse_page(DOCS / "x.md", page.format("4 passed in 2s")), tmp_path)
    with pytest.raises(AssertionError, match="4 failed"):
        run_page(parse_page(DOCS / "x.md", page.format("4 failed in 2s")), tmp_path)


def test_a_block_that_fails_fails(tmp_path):
    with pytest.raises(AssertionError, match="exit 3"):
        run_page(parse_page(DOCS / "x.md", "```sh\nexit 3\n```\n"), tmp_path)
    run_page(
        parse_page(DOCS / "x.md", "<!-- docs-test: exit 3 -->\n```sh\nexit 3\n```\n"), tmp_path
    )


def test_an_option_that_does_not_exist_is_found():
    for line in ("pytest --mpq-reasons x", "mpq lists", "mpq list --jsn"):
        with pytest.raises(AssertionError, match=r"there is no command|no such option"):
            require_known(line, README)
