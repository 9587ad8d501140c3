"""Where a published dataset lies on this machine, and what to say where it does not.

The environment variable MPQ_DATA_DIR names a folder; each dataset is looked for below it under the
folder names of its `Publication`, in its publisher's own layout.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from mpq_checks.errors import DatasetError

__all__ = [
    "DATA_VARIABLE",
    "DatasetStatus",
    "HasStatus",
    "Publication",
    "data_dir",
    "local_folder",
    "set_data_folder",
    "where_to_get",
]

DATA_VARIABLE = "MPQ_DATA_DIR"
"""Environment variable that names the folder below which datasets lie."""


@dataclass(frozen=True)
class Publication:
    """What is known of a published dataset before it is here.

    Attributes:
        name: name in messages.
        page: where it is published.
        licence: as the publisher states it; "not stated" where there is no statement.
        terms: what it takes to get it, as the end of a sentence.
        folders: where it is looked for below MPQ_DATA_DIR, best first; `*` stands for a version.
        layout: what such a folder holds, for messages.
        num_samples: samples of the split, before a limit.
        download_bytes, disk_bytes: None where no source states them.
    """

    name: str
    page: str
    licence: str
    terms: str
    folders: tuple[str, ...]
    layout: str
    num_samples: int | None = None
    download_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True)
class DatasetStatus:
    """One line of a listing: a published dataset, and whether it is here.

    `where` is the folder, or the hub's repository and commit; `missing` says what is not here and
    how to get it. One of the two is None.
    """

    name: str
    page: str
    licence: str
    num_samples: int | None
    download_bytes: int | None
    disk_bytes: int | None
    present: bool
    where: str | None
    missing: str | None


@runtime_checkable
class HasStatus(Protocol):
    """A dataset that can be in several places."""

    def status(self) -> DatasetStatus:
        """Whether it is here, without reading it."""


def set_data_folder(folder: Path) -> None:
    """Let MPQ_DATA_DIR name this folder, for this process and those it starts."""
    os.environ[DATA_VARIABLE] = str(folder.absolute())


def data_dir() -> Path | None:
    """The folder that MPQ_DATA_DIR names. Raises DatasetError where it is no folder."""
    configured = os.environ.get(DATA_VARIABLE)
    if not configured:
        return None
    path = Path(configured).expanduser().absolute()
    if not path.is_dir():
        raise DatasetError(f"{DATA_VARIABLE} is {configured}, which is not a folder")
    return path


def local_folder(publication: Publication) -> Path | None:
    """The folder of a dataset below MPQ_DATA_DIR, None where there is none.

    Raises:
        DatasetError: MPQ_DATA_DIR is no folder, or several versions lie there.
    """
    root = data_dir()
    if root is None:
        return None
    for pattern in publication.folders:
        found = sorted(path for path in root.glob(pattern) if path.is_dir())
        if len(found) > 1:
            raise DatasetError(
                f"{publication.name}: {root} has {', '.join(str(path) for path in found)}; "
                f"leave the one that is meant"
            )
        if found:
            return found[0]
    return None


def where_to_get(publication: Publication) -> str:
    """One sentence: where to get a dataset, and where to put it."""
    return (
        f"Get {publication.name} from {publication.page} ({publication.terms}), and put it below "
        f"the folder that {DATA_VARIABLE} names (--mpq-data), as {publication.folders[0]}: "
        f"{publication.layout}."
    )
