"""Images for classification whose publisher keeps one folder a class."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from mpq_checks.datasets.base import Label, Sample
from mpq_checks.datasets.files import IMAGE_SUFFIXES
from mpq_checks.datasets.parquet import HubRows
from mpq_checks.datasets.pinned import content_sha256
from mpq_checks.datasets.published import (
    Entry,
    Place,
    decoded_image,
    files_in,
    hub_bytes,
    hub_id,
)
from mpq_checks.errors import DatasetError

__all__ = ["list_classified", "load_classified"]


def list_classified(
    place: Place,
    classes: tuple[str, ...],
    label_column: str,
    cluster_of: Callable[[str], str | None] = lambda _: None,
) -> Iterator[tuple[str, Entry[Label]]]:
    """Images with the index of their class; ids are class and file name without its suffix.

    Args:
        place: a folder with a subfolder for each of `classes`, or rows with the columns `image`
            and `label_column`.
        classes: class of each label.
        label_column: column of the hub that holds the class, counted as its files describe it.
        cluster_of: what the samples of a file name may share.

    Raises:
        DatasetError: classes are missing, or labels that are none of them.
    """
    if isinstance(place, Path):
        return _of_folder(place, classes, cluster_of)
    return _of_hub(place, classes, label_column, cluster_of)


def load_classified(sample_id: str, entry: Entry[Label]) -> Sample[Label]:
    """Decode one image; the hash is of the stored bytes and the label. Raises DatasetError."""
    data = entry.read("image")
    return Sample(
        sample_id=sample_id,
        content_sha256=content_sha256(data, str(entry.reference).encode()),
        signal=decoded_image(data, entry.where),
        reference=entry.reference,
        cluster=entry.cluster,
    )


def _of_folder(
    folder: Path, classes: tuple[str, ...], cluster_of: Callable[[str], str | None]
) -> Iterator[tuple[str, Entry[Label]]]:
    absent = [name for name in classes if not (folder / name).is_dir()]
    if absent:
        raise DatasetError(f"{folder} has no folder {', '.join(absent)}; each class needs one")
    for label, name in enumerate(classes):
        images = [path for path in sorted((folder / name).iterdir()) if _is_image(path)]
        if not images:
            raise DatasetError(f"{folder / name} holds no images")
        for path in images:
            entry = Entry(str(path), files_in({"image": path}), label, cluster_of(path.stem))
            yield f"{name}/{path.stem}", entry


def _of_hub(
    rows: HubRows,
    classes: tuple[str, ...],
    label_column: str,
    cluster_of: Callable[[str], str | None],
) -> Iterator[tuple[str, Entry[Label]]]:
    described = rows.class_names(label_column) or classes
    if set(described) != set(classes):
        raise DatasetError(
            f"{rows.repo} at {rows.commit} has the classes {', '.join(described)}, not "
            f"{', '.join(classes)}"
        )
    paths, numbers = rows.column("image.path"), rows.column(label_column)
    for position, (path, number) in enumerate(zip(paths, numbers, strict=True)):
        where = f"{rows.repo} at {rows.commit}, row {position}"
        if not isinstance(number, int) or not 0 <= number < len(described):
            raise DatasetError(f"{where}: {label_column} is {number!r}, no class")
        read = hub_bytes(rows, position, ("image",))
        stem = PurePosixPath(path).stem if path else ""
        name = f"{described[number]}/{stem}" if stem else None
        label = classes.index(described[number])
        entry = Entry(where, read, label, cluster_of(stem) if stem else None)
        yield hub_id(name, position, partial(read, "image")), entry


def _is_image(path: Path) -> bool:
    suited = path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    return suited and path.is_file()
