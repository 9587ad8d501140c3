"""The 32 LJSpeech clips that come with the TTS package: one speaker reading, with transcripts."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mpq_checks.assets import asset_path
from mpq_checks.datasets.base import Sample, Transcript
from mpq_checks.datasets.files import audio_from_bytes
from mpq_checks.datasets.pinned import asset_bytes, content_sha256
from mpq_checks.errors import DatasetError, SignalError
from mpq_checks.signals import Audio, Modality

__all__ = ["SAMPLE_RATE", "LjspeechMini", "read_clip"]

SAMPLE_RATE = 22050
"""Sample rate of every clip, in Hz."""

_ASSET = "ljspeech"
_SAMPLE_IDS = tuple(f"LJ001-{number:04d}" for number in range(1, 33))
_METADATA_FIELDS = 3  # id | transcript as printed | transcript with numbers written out


@dataclass(frozen=True)
class LjspeechMini:
    """32 clips (567 words, 3.7 minutes) of one speaker, mono, 22,050 Hz; public domain.

    The reference is the transcript with numbers and abbreviations written out. All clips are of
    one voice and one book, so that figures say little about other speakers.
    """

    @property
    def name(self) -> str:
        """Name in messages."""
        return "ljspeech-mini"

    @property
    def modality(self) -> Modality:
        """The kind of signal."""
        return "audio"

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return (_ASSET,)

    def sample_ids(self) -> tuple[str, ...]:
        """`LJ001-0001` to `LJ001-0032`."""
        return _SAMPLE_IDS

    def load(self, sample_id: str) -> Sample[Transcript]:
        """Read one clip and its transcript.

        Raises:
            DatasetError: an unknown id, or a file that is not as it was published.
            AssetError: the clips cannot be had.
        """
        if sample_id not in _SAMPLE_IDS:
            raise DatasetError(
                f"{self.name} has no sample {sample_id!r}; "
                f"its ids are {_SAMPLE_IDS[0]} to {_SAMPLE_IDS[-1]}"
            )
        folder = asset_path(_ASSET)
        audio, data = read_clip(sample_id)
        transcript = _transcripts(folder / "metadata.csv")[sample_id]
        return Sample(sample_id, content_sha256(data, transcript.encode()), audio, transcript)


def read_clip(sample_id: str) -> tuple[Audio, bytes]:
    """One clip, mono at 22,050 Hz, and the bytes of its file. Raises DatasetError."""
    path = asset_path(_ASSET) / "wavs" / f"{sample_id}.wav"
    data = asset_bytes(path, _ASSET)
    try:
        audio = audio_from_bytes(data, str(path))
    except SignalError as exc:
        raise DatasetError(f"{exc}; fetch the asset {_ASSET} anew") from exc
    if audio.sample_rate != SAMPLE_RATE or audio.num_channels != 1:
        raise DatasetError(
            f"{path} has {audio.sample_rate} Hz and {audio.num_channels} channels, "
            f"not {SAMPLE_RATE} Hz and one; fetch the asset {_ASSET} anew"
        )
    return audio, data


@lru_cache(maxsize=1)
def _transcripts(path: Path) -> dict[str, Transcript]:
    """The transcripts with numbers written out, by id."""
    try:
        lines = asset_bytes(path, _ASSET).decode("utf-8").splitlines()
    except UnicodeDecodeError as exc:
        raise DatasetError(f"{path} is not UTF-8: {exc}; fetch the asset {_ASSET} anew") from exc
    transcripts = {}
    for number, line in enumerate(lines, start=1):
        columns = line.split("|")
        if len(columns) != _METADATA_FIELDS:
            raise DatasetError(
                f"{path}, line {number} has {len(columns)} columns, not {_METADATA_FIELDS}; "
                f"fetch the asset {_ASSET} anew"
            )
        transcripts[columns[0]] = columns[2]
    missing = sorted(set(_SAMPLE_IDS) - set(transcripts))
    if missing:
        raise DatasetError(f"{path} lacks {', '.join(missing)}; fetch the asset {_ASSET} anew")
    return transcripts
