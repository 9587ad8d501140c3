"""Train the ViT that finds pneumonia on chest X-rays: `python training/train_chest_xray.py`."""

from samples import chest_xrays
from views import Geometry
from vit import Recipe, ViTTraining, in_validation, train_vit

from mpq_checks.datasets.chest_xray_mini import patient_of

TRAINING = ViTTraining(
    name="vit-chest-xray",
    classes=("NORMAL", "PNEUMONIA"),
    image_size=224,
    patch_size=16,
    geometry=Geometry(degrees=8, smallest_crop=0.75, largest_crop=1.05, stretch=0.08),
    num_views=6,
    light=0.2,
    kept_patches=0.5,
    last_share=0.0,
    recipe=Recipe(epochs=38, batch_size=32, learning_rate=1.5e-3, average_decay=0.99),
)


def main() -> None:
    """Hold a sixteenth of the patients out for the log and train on the rest."""
    films = chest_xrays("chest-xray-train")
    watched = [film for film in films if in_validation(patient_of(film[0].stem))]
    learned = [film for film in films if not in_validation(patient_of(film[0].stem))]
    train_vit(TRAINING, learned, watched)


if __name__ == "__main__":
    main()
