"""The two sides of a comparison: a folder, or a folder of a git revision."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mpq_checks.errors import BaselineError
from mpq_checks.review.revisions import Revision, find_revision, write_folder

__all__ = ["Side", "opened"]


@dataclass(frozen=True)
class Side:
    """Baselines to compare.

    Attributes:
        name: how the user knows them: a folder, or `main:baselines`.
        folder: where they can be read, as `<folder>/<profile>/<task>/<codec>.json`.
    """

    name: str
    folder: Path

    def retold(self, message: str) -> str:
        """A message about files of the folder, with their names as the user knows them."""
        return message.replace(str(self.folder), self.name)


@contextlib.contextmanager
def opened(name: str, profile: str, baselines: Path) -> Iterator[Side]:
    """The side of this name; the files of a revision are there until the context ends.

    A folder is taken before a revision of the same name; `refs/heads/NAME` is always a branch.

    Args:
        name: a folder that holds one of the profile's name, or a revision of the repository
            around the current folder.
        profile: name of the profile.
        baselines: where a revision has its baselines, as seen from the current folder.

    Raises:
        BaselineError: neither a folder nor a revision, the profile's own folder, or a revision
            that cannot be read.
    """
    folder = Path(name) if name and "\0" not in name else None
    if folder is not None and folder.is_dir():
        if not (folder / profile).is_dir() and folder.resolve().name == profile:
            raise BaselineError(
                f"{folder} holds the baselines of one profile; name the folder around it: "
                f"{folder.resolve().parent}"
            )
        yield Side(str(folder), folder)
        return
    revision = find_revision(name)
    path = _within(revision, baselines)
    with tempfile.TemporaryDirectory(prefix="mpq-diff-") as temporary:
        write_folder(revision, path, profile, Path(temporary))
        yield Side(f"{revision.name}:{path}", Path(temporary))


def _within(revision: Revision, baselines: Path) -> PurePosixPath:
    try:
        relative = baselines.resolve().relative_to(revision.root.resolve())
    except ValueError:
        raise BaselineError(
            f"{baselines} lies outside of the git repository {revision.root}, so {revision.name} "
            "does not hold it; name a folder of the repository with --mpq-baselines"
        ) from None
    return PurePosixPath(relative.as_posix())
