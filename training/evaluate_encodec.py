"""Compare the compact EnCodec with Opus and MP3 on sounds held out of its training.

`python training/evaluate_encodec.py` prints a table for docs/reference/models.md: mean CDPAM of the
loudest second and SNR in dB of clips of 3 s.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import audio_data
import numpy as np
from train_encodec import RUNS

from mpq_checks import shipped
from mpq_checks.codecs import Mp3, NoCodec, Opus
from mpq_checks.codecs.encodec import Encodec
from mpq_checks.metrics.cdpam import Cdpam
from mpq_checks.signals import Audio

CODECS = (NoCodec("audio"), Opus(6), Mp3(8), Encodec(6.0, "compact"))
SECONDS = 3
CLIPS = 10


def clips(samples: np.ndarray) -> Iterator[Audio]:
    """Stretches at even distances, at half of full scale."""
    length = SECONDS * audio_data.SAMPLE_RATE
    for start in np.linspace(0, len(samples) - length, CLIPS).astype(int):
        clip = samples[start : start + length].astype(np.float32)
        yield Audio((0.5 * clip / np.abs(clip).max())[None], audio_data.SAMPLE_RATE)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--weights", type=Path, help="a folder of the form of mpq_checks/weights, in its place"
    )
    arguments = parser.parse_args()
    if arguments.weights:
        shipped.SHIPPED = arguments.weights
    corpus = audio_data.load(RUNS / "audio")
    cdpam = Cdpam(window_seconds=1.0).load("cpu")
    print("| | clips | kbps | CDPAM | SNR, dB |\n|---|---|---|---|---|")
    for kind, held in (("speech", corpus.held_out_speech), ("music", corpus.held_out_music)):
        originals = list(clips(held))
        for codec in CODECS[1:]:
            rows = []
            for audio in originals:
                data = codec.encode(audio)
                decoded = codec.decode(data)
                noise = np.mean((audio.samples - decoded.samples) ** 2)
                snr = 10 * np.log10(np.mean(audio.samples**2) / noise)
                rows.append((8 * len(data) / SECONDS / 1000, cdpam.distance(audio, decoded), snr))
            rate, distance, snr = np.mean(rows, 0)
            row = f"| {codec.name} | {kind} | {rate:.2f} | {distance:.3f} | {snr:.1f} |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
