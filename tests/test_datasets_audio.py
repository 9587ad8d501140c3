"""ljspeech-mini and music-mini on the real files, and on files gone wrong."""

import csv
import hashlib
import shutil
import socket
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal

from mpq_checks.assets import asset_path
from mpq_checks.datasets import ljspeech_mini, music_mini
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.datasets.midi import render_window
from mpq_checks.datasets.music_mini import ACCOMPANIMENT, VOCALS, MusicMini
from mpq_checks.errors import DatasetError
from mpq_checks.signals import Audio

MIXES = MusicMini().sample_ids()[:-1]
EXCERPT = MusicMini().sample_ids()[-1]


def _rms(samples: Any) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a copy of an asset in the place of the real one."""

    def copy(name: str) -> Path:
        source = asset_path(name)
        target = tmp_path / name / source.name
        target.parent.mkdir()
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        for module in (ljspeech_mini, music_mini):
            real = module.asset_path
            monkeypatch.setattr(
                module,
                "asset_path",
                lambda asked, real=real: target if asked == name else real(asked),
            )
        return target

    return copy


@pytest.mark.assets
def test_clips_are_the_files_as_they_are() -> None:
    folder = asset_path("ljspeech")
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE))
    dataset = LjspeechMini()
    assert [row[0] for row in rows] == list(dataset.sample_ids())
    hashes = set()
    for sample_id, _, transcript in rows:
        sample = dataset.load(sample_id)
        with wave.open(str(folder / "wavs" / f"{sample_id}.wav")) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            assert file.getframerate() == 22050
        assert isinstance(sample.signal, Audio)
        np.testing.assert_array_equal(sample.signal.samples, pcm[None] / np.float32(32768))
        assert sample.signal.sample_rate == 22050
        assert sample.reference == transcript
        hashes.add(sample.content_sha256)
    assert len(hashes) == 32
    assert "fourteen fifty-five" in dataset.load("LJ001-0007").reference


@pytest.mark.assets
def test_content_follows_transcript_and_sound(copied: Callable[[str], Path]) -> None:
    before = LjspeechMini().load("LJ001-0002")
    folder = copied("ljspeech")
    assert LjspeechMini().load("LJ001-0002").content_sha256 == before.content_sha256
    text = (folder / "metadata.csv").read_text(encoding="utf-8")
    (folder / "metadata.csv").write_text(text.replace("|in being", "|in becoming"), "utf-8")
    ljspeech_mini._transcripts.cache_clear()
    changed = LjspeechMini().load("LJ001-0002")
    assert changed.reference == "in becoming comparatively modern."
    assert changed.content_sha256 != before.content_sha256


@pytest.mark.assets
@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metadata.csv", b"LJ001-0002|one column less\n", "line 1 has 2 columns"),
        ("metadata.csv", b"LJ001-0002|a|b\n", "lacks LJ001-0001"),
        ("metadata.csv", b"\xff|a|b\n", "not UTF-8"),
        ("wavs/LJ001-0002.wav", b"", "empty"),
        ("wavs/LJ001-0002.wav", b"RIFF0000WAVE", "fetch the asset ljspeech anew"),
    ],
)
def test_damaged_files_are_named(
    copied: Callable[[str], Path], file: str, content: bytes, message: str
) -> None:
    folder = copied("ljspeech")
    (folder / file).write_bytes(content)
    with pytest.raises(DatasetError, match=message) as caught:
        LjspeechMini().load("LJ001-0002")
    assert file in str(caught.value)


@pytest.mark.assets
def test_a_missing_clip_is_named(copied: Callable[[str], Path]) -> None:
    (copied("ljspeech") / "wavs" / "LJ001-0002.wav").unlink()
    with pytest.raises(DatasetError, match=r"LJ001-0002\.wav cannot be read"):
        LjspeechMini().load("LJ001-0002")


@pytest.mark.parametrize("dataset", [LjspeechMini(), MusicMini()])
def test_unknown_samples_are_refused(dataset: Any) -> None:
    with pytest.raises(DatasetError, match="no sample 'LJ001-0033'"):
        dataset.load("LJ001-0033")


@pytest.mark.assets
@pytest.mark.parametrize("sample_id", [*MIXES, EXCERPT])
def test_stems_add_up_to_the_mixture(sample_id: str) -> None:
    sample = MusicMini().load(sample_id)
    assert isinstance(sample.signal, Audio)
    mixture = sample.signal.samples
    stems = [sample.reference[name].samples for name in (VOCALS, ACCOMPANIMENT)]
    np.testing.assert_array_equal(stems[0] + stems[1], mixture)
    for samples in (*stems, mixture):
        assert samples.shape[0] == 2
        np.testing.assert_array_equal(samples * 32768, np.rint(samples * 32768))
    seconds = mixture.shape[1] / sample.signal.sample_rate
    assert sample.signal.sample_rate == 44100
    assert seconds == (5.9 if sample_id == EXCERPT else 8.0)
    assert 0.5 < np.abs(mixture).max() <= 0.9501
    if sample_id != EXCERPT:
        assert _rms(stems[0]) == pytest.approx(_rms(stems[1]), rel=1e-3)


@pytest.mark.assets
def test_songs_are_the_clusters_and_contents_differ() -> None:
    samples = [MusicMini().load(sample_id) for sample_id in MusicMini().sample_ids()]
    assert len(samples) == 14
    assert len({sample.content_sha256 for sample in samples}) == 14
    assert len({sample.signal.sha256() for sample in samples}) == 14
    clusters = [sample.cluster for sample in samples]
    assert len(set(clusters)) == 10
    assert clusters.count("In Too Deep") == 2


@pytest.mark.assets
def test_vocals_are_the_clip_at_twice_the_rate() -> None:
    mix = music_mini._MIXES[0]
    vocals = MusicMini().load(mix.sample_id).reference[VOCALS].samples
    np.testing.assert_array_equal(vocals[0], vocals[1])
    clip = LjspeechMini().load(mix.clip).signal
    assert isinstance(clip, Audio)
    expected = scipy.signal.resample_poly(clip.samples[0], 2, 1)[: vocals.shape[1]]
    gain = np.dot(expected, vocals[0]) / np.dot(expected, expected)
    assert _rms(vocals[0] - gain * expected) < 0.01 * _rms(vocals[0])


@pytest.mark.assets
@pytest.mark.parametrize("mix", music_mini._MIXES, ids=lambda mix: mix.sample_id)
def test_drums_bass_and_others_sound_in_every_window(mix: music_mini.Mix) -> None:
    from symusic import Score, Synthesizer

    synthesizer = Synthesizer(str(asset_path("general-midi-soundfont")), 44100, 0)
    song = Score(str(asset_path("midi-multitrack") / mix.midi)).to("second")
    song = song.clip(0.0, mix.start + mix.seconds)
    first, length = round(mix.start * 44100), round(mix.seconds * 44100)
    groups: dict[str, Any] = {"drums": [], "bass": [], "others": []}
    for track in song.tracks:
        if track.is_drum:
            track.program = 0
            groups["drums"].append(track.copy())
        else:
            groups["bass" if 32 <= track.program < 40 else "others"].append(track.copy())
    total = np.zeros((2, length))
    levels = {}
    for name, tracks in groups.items():
        part = song.copy()
        part.tracks = tracks
        sound = np.zeros((2, length))
        rendered = np.asarray(synthesizer.render(part, True))[:, first : first + length]
        sound[:, : rendered.shape[1]] = rendered
        total += sound
        levels[name] = _rms(sound)
    for name, level in levels.items():
        assert level > 10 ** (-25 / 20) * _rms(total), name
    # What the parts add up to is the accompaniment, but for its gain and rounding.
    accompaniment = MusicMini().load(mix.sample_id).reference[ACCOMPANIMENT].samples
    gain = np.vdot(total, accompaniment) / np.vdot(total, total)
    assert _rms(accompaniment - gain * total) < 1e-3 * _rms(accompaniment)


@pytest.mark.assets
def test_rendering_repeats_without_memory_and_without_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import symusic.soundfont

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    before = MusicMini().load(MIXES[0])
    render_window.cache_clear()
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(symusic.soundfont.Soundfont, "download", refuse)
    after = MusicMini().load(MIXES[0])
    assert after.signal.sha256() == before.signal.sha256()
    assert after.content_sha256 == before.content_sha256


@pytest.mark.assets
def test_content_follows_the_recipe(
    monkeypatch: pytest.MonkeyPatch, copied: Callable[[str], Path]
) -> None:
    before = MusicMini().load(MIXES[0]).content_sha256
    monkeypatch.setattr(music_mini, "renderer_version", lambda: "symusic 99")
    assert MusicMini().load(MIXES[0]).content_sha256 != before
    monkeypatch.undo()
    clip = copied("ljspeech") / "wavs" / f"{music_mini._MIXES[0].clip}.wav"
    clip.write_bytes(clip.read_bytes()[:-2] + b"\1\0")
    assert MusicMini().load(MIXES[0]).content_sha256 != before


@pytest.mark.assets
def test_the_excerpt_is_the_song() -> None:
    import imageio_ffmpeg

    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(asset_path("musdb-excerpt")),
    ]
    command += ["-map", "0:a:0", "-f", "f32le", "-"]
    mastered = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<f4")
    mastered = mastered.reshape(-1, 2).T[:, 2205 : 2205 + 260190]
    mixture = MusicMini().load(EXCERPT).signal
    assert isinstance(mixture, Audio)
    # The mix on the record, to 22 dB, and without the clicks at its ends.
    assert _rms(mixture.samples - mastered) < 0.1 * _rms(mastered)


@pytest.mark.assets
def test_what_cannot_be_rendered_is_named(tmp_path: Path) -> None:
    soundfont = asset_path("general-midi-soundfont")
    song = asset_path("midi-multitrack") / "Aicha.mid"
    broken = tmp_path / "broken.mid"
    broken.write_bytes(b"MThd\0\0\0\6")
    with pytest.raises(DatasetError, match=r"broken\.mid cannot be rendered"):
        render_window(broken, soundfont, 0, 1, 44100)
    with pytest.raises(DatasetError, match="silent from second 900"):
        render_window(song, soundfont, 900, 8, 44100)
    with pytest.raises(DatasetError, match="fetch the soundfont"):
        render_window(song, tmp_path / "none.sf2", 10, 1, 44100)


@pytest.mark.assets
def test_a_damaged_excerpt_is_named(copied: Callable[[str], Path]) -> None:
    path = copied("musdb-excerpt")
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(DatasetError, match=r"stem\.mp4"):
        MusicMini().load(EXCERPT)


@pytest.mark.assets
def test_loaded_stems_cannot_spoil_the_next_load() -> None:
    first = MusicMini().load(MIXES[3])
    expected = hashlib.sha256(first.reference[ACCOMPANIMENT].samples.tobytes()).hexdigest()
    first.reference[ACCOMPANIMENT].samples[:] = 0
    again = MusicMini().load(MIXES[3]).reference[ACCOMPANIMENT].samples
    assert hashlib.sha256(again.tobytes()).hexdigest() == expected
