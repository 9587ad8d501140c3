"""The pages of docs/ and the README as fenced blocks, and how to run those of one page.

An HTML comment before a block says what the test does with it:

    <!-- docs-test: skip because REASON -->    it is not run; its options are checked all the same
    <!-- docs-test: exit 1 -->                 its last command ends with this status
    <!-- docs-test: output -->                 its lines stand in what the block before it printed
    <!-- docs-test: with the files of PAGE --> the titled blocks of another page are written first

A block with a title, or whose first line is a comment `# name.py`, is a file.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))

_PART = re.compile(
    r"^<!-- docs-test: (?P<directive>.*?) -->$"
    r"|^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')
_FIRST_LINE = re.compile(r"# ([\w.-]+\.py)\n")
_SKIP = re.compile(r"skip because (?P<reason>\w.*)")
_EXIT = re.compile(r"exit (?P<status>\d+)")
_WITH = re.compile(r"with the files of (?P<page>[\w/.-]+\.md)")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: `python`, `sh` and so on; empty where the page names none.
        text: its lines.
        file: name of the file that it is, or empty.
        skip: why it is not run, or empty.
        status: exit status of its last command.
        is_output: whether it is what the block before it printed.
    """

    language: str
    text: str
    file: str = ""
    skip: str = ""
    status: int = 0
    is_output: bool = False


@dataclass
class Page:
    """A page: its blocks in order, and the page whose files it builds on."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    with_files_of: Path | None = None

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


def read_page(path: Path) -> Page:
    """Raises ValueError for a directive that is none of those above."""
    return parse_page(path, path.read_text(encoding="utf-8"))


def parse_page(path: Path, text: str) -> Page:
    page = Page(path)
    directives: list[str] = []
    for part in _PART.finditer(text):
        directive = part["directive"]
        if directive is None:
            page.blocks.append(_block(part, directives, path))
            directives = []
        elif found := _WITH.fullmatch(directive):
            page.with_files_of = DOCS / found["page"]
        else:
            directives.append(directive)
    if directives:
        raise ValueError(f"{path}: no block follows {directives}")
    return page


def _block(part: re.Match[str], directives: list[str], path: Path) -> Block:
    language, _, rest = part["info"].strip().partition(" ")
    margin = len(part["indent"])
    text = "".join(line[margin:] or "\n" for line in part["text"].splitlines(keepends=True))
    title = _TITLE.search(rest) or _FIRST_LINE.match(text)
    skip, status, is_output = "", 0, False
    for directive in directives:
        if found := _SKIP.fullmatch(directive):
            skip = found["reason"]
        elif found := _EXIT.fullmatch(directive):
            status = int(found["status"])
        elif directive == "output":
            is_output = True
        else:
            raise ValueError(f"{path}: docs-test: {directive!r} is not understood")
    return Block(language, text, title[1] if title else "", skip, status, is_output)


def run_page(page: Page, folder: Path) -> None:
    """Run the blocks in order; raises AssertionError that names page and block."""
    if page.with_files_of is not None:
        for block in read_page(page.with_files_of).blocks:
            _write_file(block, folder)
    printed = ""
    for block in page.blocks:
        _write_file(block, folder)
        if block.skip:
            continue
        if block.is_output:
            require_printed(page, block, printed)
        elif block.language == "python":
            script = [block.file] if block.file else ["-c", block.text]
            printed = _run(page, block, [sys.executable, *script], folder, 0)
        elif block.language == "sh":
            printed = _run_lines(page, block, folder)


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a `sh` block."""
    for line in block.text.replace("\\\n", " ").splitlines():
        for command in re.split(r"&&|\|\||[;|]|\$\(|\)", line):
            words = shlex.split(command, comments=True)
            if words:
                yield words


def require_printed(page: Page, block: Block, printed: str) -> None:
    """Each line stands in the output, numbers aside, which differ by machine and run."""
    there = {_form(line) for line in printed.splitlines()}
    for line in block.text.splitlines():
        known = line.strip() in {"", "..."} or _form(line) in there
        assert known, f"{page.name} shows {line!r}, but the command printed\n{printed}"


def _form(line: str) -> str:
    return _NUMBER.sub("N", " ".join(line.split())).strip("= ")


def _write_file(block: Block, folder: Path) -> None:
    if block.file:
        (folder / block.file).write_text(block.text, encoding="utf-8")


def _run_lines(page: Page, block: Block, folder: Path) -> str:
    lines = [line for line in block.text.replace("\\\n", " ").splitlines() if line.strip()]
    printed = ""
    for line in lines:
        status = block.status if line is lines[-1] else 0
        printed += _run(page, block, ["bash", "-c", line], folder, status)
    return printed


def _run(page: Page, block: Block, command: list[str], folder: Path, status: int) -> str:
    # With CI set, pytest prints other lines.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "CI" and not name.startswith(("PYTEST_", "GITHUB_"))
    }
    scripts = str(Path(sys.executable).parent)
    environment["PATH"] = os.pathsep.join([scripts, environment.get("PATH", "")])
    paths = (str(folder), environment.get("PYTHONPATH", ""))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    environment["COLUMNS"] = "100"
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    said = (done.stdout + done.stderr).replace(f"{folder}/", "")
    assert done.returncode == status, f"{page.name}: exit {done.returncode}\n{block.text}\n{said}"
    return said
