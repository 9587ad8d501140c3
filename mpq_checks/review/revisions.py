"""A folder of a git revision, written out to be read like any other folder.

git is called with lists of arguments. What a user gives as a revision is resolved to a commit's
hash first; nothing else of it reaches git.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from mpq_checks.errors import BaselineError

__all__ = ["Revision", "find_revision", "write_folder"]

_SECONDS = 120.0
_MAX_BYTES = 1024 * 1024 * 1024
_FILE_MODES = {"100644", "100755"}
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class _GitError(Exception):
    """git ended with an error; its first line of stderr."""


@dataclass(frozen=True)
class Revision:
    """A commit of the repository around the current folder.

    Attributes:
        name: as the user gave it.
        commit: its hash.
        root: top folder of the repository's working tree.
    """

    name: str
    commit: str
    root: Path


@dataclass(frozen=True)
class _Blob:
    """One file of a tree: where it lies in it, its hash and size in bytes."""

    path: PurePosixPath
    sha: str
    size: int


def find_revision(name: str) -> Revision:
    """The commit that a branch, tag, hash or `HEAD~1` names.

    Raises:
        BaselineError: there is no git, the current folder is in no repository, or it has no such
            commit.
    """
    try:
        root = os.fsdecode(_git("rev-parse", "--show-toplevel")).rstrip("\n")
    except _GitError as error:
        raise BaselineError(
            f"{name!r} is no folder, and the current folder is not in a git working tree ({error})"
        ) from error
    unknown = f"{name!r} is neither a folder nor a revision of the git repository {root}"
    # No ref begins with a dash; git would take it for an option.
    if not name or name.startswith("-") or "\0" in name:
        raise BaselineError(unknown)
    try:
        found = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except _GitError as error:
        raise BaselineError(f"{unknown}; `git log --oneline` lists some") from error
    return Revision(name, found.decode("ascii").strip(), Path(root))


def write_folder(revision: Revision, folder: PurePosixPath, part: str, target: Path) -> None:
    """Write the files below `folder/part` of a revision to `target/part`.

    Args:
        revision: where to read.
        folder: path from the repository's root; it must be there.
        part: subfolder of it; nothing is written where the revision lacks it.
        target: an empty folder.

    Raises:
        BaselineError: no such folder in the revision, a link or a path that leads out of it, more
            than 1 GiB, or a file that cannot be written.
    """
    if not _is_folder(revision, folder):
        raise BaselineError(
            f"{revision.name}: there is no folder {folder} in this revision; name it with "
            "--mpq-baselines, or compare with an empty folder to see every case as added"
        )
    if not _is_folder(revision, folder / part):
        return
    blobs = _blobs(revision, folder / part)
    total = sum(blob.size for blob in blobs)
    if total > _MAX_BYTES:
        raise BaselineError(
            f"{revision.name}:{folder}: {total} bytes, more than baselines can have"
        )
    try:
        for blob in blobs:
            path = target / part / blob.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                _git("cat-file", "blob", blob.sha, cwd=revision.root, output=file)
    except (OSError, _GitError) as error:
        raise BaselineError(f"{revision.name}:{folder}: cannot be read ({error})") from error


def _is_folder(revision: Revision, folder: PurePosixPath) -> bool:
    try:
        return _git("cat-file", "-t", _object(revision, folder), cwd=revision.root) == b"tree\n"
    except _GitError:
        return False


def _blobs(revision: Revision, folder: PurePosixPath) -> list[_Blob]:
    shown = f"{revision.name}:{folder}"
    try:
        listing = _git("ls-tree", "-rlz", _object(revision, folder), cwd=revision.root)
    except _GitError as error:
        raise BaselineError(f"{shown}: cannot be read ({error})") from error
    blobs = []
    for entry in filter(None, listing.split(b"\0")):
        head, name = os.fsdecode(entry).split("\t", 1)
        mode, _, sha, size = head.split()
        path = PurePosixPath(name)
        if mode not in _FILE_MODES:
            raise BaselineError(f"{shown}/{name}: a link or submodule is no baseline; remove it")
        # Trees that git itself made hold no such names; one made by hand may.
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise BaselineError(f"{shown}: {name!r} is no path of a file in this folder")
        blobs.append(_Blob(path, sha, int(size)))
    return blobs


def _object(revision: Revision, folder: PurePosixPath) -> str:
    return f"{revision.commit}:{'' if folder == PurePosixPath() else folder}"


def _git(*arguments: str, cwd: Path | None = None, output: IO[bytes] | None = None) -> bytes:
    """What git writes to stdout, or nothing if it goes to `output`."""
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607  (the user's git)
            cwd=cwd,
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise BaselineError(
            "git is not installed, and a revision was named; name two folders"
        ) from None
    except subprocess.TimeoutExpired:
        raise _GitError(f"git {arguments[0]} took more than {_SECONDS:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        raise _GitError(lines[0] if lines else f"git {arguments[0]} ended with {done.returncode}")
    return done.stdout or b""
