"""Train the ViT that finds defective solar cells: `python training/train_solar.py`."""

from samples import solar_cells
from views import Geometry
from vit import Recipe, ViTTraining, train_vit

WATCHED_CELLS = (range(61, 121), range(241, 301))
"""Two modules of the training part that are held out for the log."""

TRAINING = ViTTraining(
    name="vit-solar",
    classes=("none", "defect"),
    # The cells as they are stored, 300 x 300: no pixel is lost before the model.
    image_size=300,
    patch_size=20,
    geometry=Geometry(
        degrees=3, smallest_crop=0.92, largest_crop=1.02, flip=True, quarter_turns=False
    ),
    num_views=3,
    light=0.4,
    # More than for the films: a crack may lie in a few patches.
    kept_patches=0.65,
    # Without the teacher the model learns its modules by heart.
    last_share=1.0,
    recipe=Recipe(epochs=18, batch_size=32, learning_rate=1e-3, average_decay=0.99),
)


def main() -> None:
    """Hold two modules out for the log and train on the rest."""
    cells = solar_cells("solar-train")
    numbers = [int(path.stem.removeprefix("cell")) for path, _ in cells]
    watched = [any(number in module for module in WATCHED_CELLS) for number in numbers]
    train_vit(
        TRAINING,
        [cell for cell, is_watched in zip(cells, watched, strict=True) if not is_watched],
        [cell for cell, is_watched in zip(cells, watched, strict=True) if is_watched],
    )


if __name__ == "__main__":
    main()
