"""Write the list of sounds that the compact EnCodec learns from: `python training/list_audio.py`.

`tests/test_training_audio.py` holds it against the samples of the evaluation.
"""

from audio_sources import HERE, folders, sound_hashes


def main() -> None:
    """Write splits/encodec-train.txt: SHA-256 and file name, a line each."""
    found = sound_hashes(
        folder for kind in ("speech", "midi", "soundfont", "samples") for folder in folders(kind)
    )
    lines = [f"{digest} {name}\n" for digest, name in sorted(found.items(), key=lambda p: p[::-1])]
    (HERE / "splits" / "encodec-train.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
