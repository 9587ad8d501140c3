"""MP3, Opus and the codec that does nothing, on audio."""

import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpq_checks.assets import asset_path
from mpq_checks.codecs import Codec, Mp3, NoCodec, Opus
from mpq_checks.codecs import ffmpeg as ffmpeg_module
from mpq_checks.codecs.resampling import fit_length, resample
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.datasets.files import read_audio
from mpq_checks.errors import CodecError, CodecSettingError, DecodingError, SignalError
from mpq_checks.signals import Audio, Image, require_same_form

CODECS = [NoCodec("audio"), Mp3(), Mp3(8, sample_rate=24_000), Opus(), Opus(24, complexity=5)]
LOSSY = CODECS[1:]
MP3_RATES = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
SEEDS = st.integers(0, 2**32 - 1)


def by_name(codec: Codec) -> str:
    return codec.name


def noise(channels: int, length: int, rate: int, seed: int = 0) -> Audio:
    values = np.random.default_rng(seed).normal(0, 0.1, (channels, length))
    return Audio(values.astype(np.float32), rate)


def chirp(seconds: float, rate: int) -> Audio:
    time = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (100 * time + (0.1 * rate - 100) * time**2 / (2 * seconds))
    return Audio((0.5 * np.sin(phase)).astype(np.float32)[None], rate)


def speech(rate: int | None = None) -> Audio:
    clip = read_audio(asset_path("ljspeech") / "wavs" / "LJ001-0002.wav")
    if rate is None:
        return clip
    from scipy.signal import resample_poly

    resampled = resample_poly(clip.samples[0], rate, clip.sample_rate)
    return Audio(resampled.astype(np.float32)[None], rate)


def lag_samples(reference: Audio, decoded: Audio) -> float:
    """Delay of the decoded signal by the peak of the cross-correlation, interpolated."""
    a, b = reference.samples[0].astype(float), decoded.samples[0].astype(float)
    size = 2 * len(a)
    correlation = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    peak = int(np.argmax(correlation))
    left, top, right = (correlation[(peak + k) % size] for k in (-1, 0, 1))
    shift = 0.5 * (left - right) / (left - 2 * top + right)
    return float((peak if peak < size // 2 else peak - size) + shift)


def mp3_frame_kbps(data: bytes) -> set[int]:
    """Bit rates of the frames of an MP3 file, read off their headers; the first is LAME's."""
    mpeg1 = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
    mpeg2 = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160]
    rates = {3: [44100, 48000, 32000], 2: [22050, 24000, 16000], 0: [11025, 12000, 8000]}
    position, found = 0, []
    while position + 4 <= len(data):
        sync, flags, detail = data[position : position + 3]
        assert sync == 0xFF
        assert flags >> 5 == 7
        version = flags >> 3 & 3
        kbps = (mpeg1 if version == 3 else mpeg2)[detail >> 4]
        rate = rates[version][detail >> 2 & 3]
        found.append(kbps)
        position += (144_000 if version == 3 else 72_000) * kbps // rate + (detail >> 1 & 1)
    return set(found[1:])


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        (Mp3(), "mp3-8kbps"),
        (Mp3(8, sample_rate=24_000), "mp3-8kbps-24khz"),
        (Mp3(16, sample_rate=22_050), "mp3-16kbps-22.05khz"),
        (Opus(), "opus-6kbps"),
        (Opus(12), "opus-12kbps"),
        (Opus(12, complexity=3), "opus-12kbps-c3"),
    ],
)
def test_names(codec: Codec, name: str) -> None:
    assert isinstance(codec, Codec)
    assert codec.name == name
    assert codec.modality == "audio"
    assert codec.nominal_rate is None
    assert codec.assets() == ()
    assert pickle.loads(pickle.dumps(codec)) == codec  # noqa: S301


def test_identity_tells_settings_and_libraries() -> None:
    identities = [codec.identity() for codec in LOSSY]
    for identity in identities:
        assert re.search(r"ffmpeg \S*\d", identity["library"])
        assert "pydub" in identity["library"]
    assert len({str(identity) for identity in identities}) == len(identities)
    assert "soxr" in Opus().identity()["resampler"]
    assert "resampler" not in Mp3().identity()


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
@given(
    channels=st.integers(1, 2),
    length=st.one_of(st.integers(1, 50), st.integers(1, 12_000)),
    rate=st.sampled_from([8_000, 11_025, 12_000, 16_000, 22_050, 24_000]),
    seed=SEEDS,
)
@settings(max_examples=12, deadline=None)
def test_any_form_is_kept(codec: Codec, channels: int, length: int, rate: int, seed: int) -> None:
    audio = noise(channels, length, rate, seed)
    require_same_form(audio, codec.decode(codec.encode(audio)))


@pytest.mark.parametrize("codec", [Mp3(8, sample_rate=16_000), Opus()], ids=by_name)
@given(length=st.integers(1, 9_000), rate=st.integers(1_000, 100_000))
@settings(max_examples=12, deadline=None)
def test_odd_sample_rates_are_kept(codec: Codec, length: int, rate: int) -> None:
    audio = noise(1, length, rate)
    require_same_form(audio, codec.decode(codec.encode(audio)))


@given(
    channels=st.integers(1, 5), length=st.integers(1, 500), rate=st.integers(1, 10**6), seed=SEEDS
)
@settings(max_examples=40, deadline=None)
def test_none_is_exact(channels: int, length: int, rate: int, seed: int) -> None:
    codec = NoCodec("audio")
    audio = noise(channels, length, rate, seed)
    loud = Audio(audio.samples * 1e6, rate)
    for signal in (audio, loud):
        decoded = codec.decode(codec.encode(signal))
        require_same_form(signal, decoded)
        assert np.array_equal(decoded.samples, signal.samples)


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_different_audio_gives_different_bytes(codec: Codec) -> None:
    first, second = noise(1, 8_000, 16_000, 1), noise(1, 8_000, 16_000, 2)
    assert codec.encode(first) != codec.encode(second)
    assert codec.encode(first) == codec.encode(first)


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_another_process_gives_the_same_bytes_and_signal(codec: Codec, tmp_path: Path) -> None:
    audio = noise(2, 12_000, 22_050)
    data = codec.encode(audio)
    np.save(tmp_path / "samples.npy", audio.samples)
    (tmp_path / "data").write_bytes(data)
    code = (
        "import numpy, pathlib\nfrom mpq_checks.codecs import *\n"
        "from mpq_checks.signals import Audio\n"
        f"codec = {codec!r}\n"
        "print(codec.decode(pathlib.Path('data').read_bytes()).sha256())\n"
        "print(codec.encode(Audio(numpy.load('samples.npy'), 22050)).hex())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [codec.decode(data).sha256(), data.hex()]


@pytest.mark.assets
@pytest.mark.parametrize("rate", MP3_RATES)
def test_mp3_has_no_lag(rate: int) -> None:
    codec = Mp3(8 if rate <= 24_000 else 32)
    for audio in (speech(rate), noise(1, 2 * rate, rate), chirp(2.0, rate)):
        decoded = codec.decode(codec.encode(audio))
        assert decoded.num_samples == audio.num_samples
        assert abs(lag_samples(audio, decoded)) < 0.1


@pytest.mark.assets
def test_resampled_mp3_has_no_lag() -> None:
    codec = Mp3(16, sample_rate=24_000)
    for audio in (speech(), noise(1, 88_200, 44_100), chirp(2.0, 44_100)):
        assert abs(lag_samples(audio, codec.decode(codec.encode(audio)))) < 0.1


@pytest.mark.assets
@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("kbps", [6, 12, 24])
def test_opus_lag_stays_within_the_codecs_residual(rate: int, kbps: int) -> None:
    for audio in (speech(rate), noise(1, 2 * rate, rate), chirp(2.0, rate)):
        decoded = Opus(kbps).decode(Opus(kbps).encode(audio))
        assert decoded.num_samples == audio.num_samples
        lag_at_48_khz = lag_samples(audio, decoded) * 48_000 / rate
        assert -3.5 < lag_at_48_khz < 5.5


@pytest.mark.assets
def test_opus_at_6_kbps_keeps_speech_within_3_samples_at_48_khz() -> None:
    for rate in (16_000, 22_050, 48_000):
        audio = speech(rate)
        lag = lag_samples(audio, Opus().decode(Opus().encode(audio))) * 48_000 / rate
        assert 0.5 < lag < 3.0


@pytest.mark.assets
def test_a_higher_bit_rate_is_more_faithful() -> None:
    for make, rates in ((Mp3, (8, 24, 64)), (Opus, (6, 16, 64))):
        audio = speech(16_000)
        sizes, errors = [], []
        for kbps in rates:
            data = make(kbps).encode(audio)
            sizes.append(len(data))
            errors.append(float(np.mean((make(kbps).decode(data).samples - audio.samples) ** 2)))
        assert sizes == sorted(set(sizes))
        assert errors == sorted(set(errors), reverse=True)


@pytest.mark.assets
@pytest.mark.parametrize(("codec", "low", "high"), [(Mp3(), 8.0, 9.3), (Opus(), 5.5, 7.2)])
def test_the_bit_rate_is_the_one_asked_for(codec: Codec, low: float, high: float) -> None:
    audio = speech(16_000)
    seconds = audio.num_samples / audio.sample_rate
    assert low < 8 * len(codec.encode(audio)) / seconds / 1000 < high


@pytest.mark.parametrize("rate", MP3_RATES)
def test_every_legal_mp3_bit_rate_is_really_used_and_others_are_refused(rate: int) -> None:
    audio = noise(1, rate // 4, rate)
    mpeg1 = {32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
    mpeg2 = {8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
    legal = mpeg1 if rate >= 32_000 else mpeg2 if rate >= 16_000 else {k for k in mpeg2 if k <= 64}
    for kbps in sorted(mpeg1 | mpeg2):
        if kbps in legal:
            _, payload = unpack(b"m1", 3, Mp3(kbps).encode(audio), "mp3")
            assert mp3_frame_kbps(payload) == {kbps}
        else:
            with pytest.raises(CodecSettingError, match=", ".join(map(str, sorted(legal)))):
                Mp3(kbps).encode(audio)
            with pytest.raises(CodecSettingError):
                Mp3(kbps, sample_rate=rate)


def test_the_refusal_names_rates_and_sample_rates() -> None:
    with pytest.raises(CodecSettingError) as caught:
        Mp3().encode(noise(2, 100, 44_100))
    message = str(caught.value)
    assert "no 8 kbps at 44100 Hz" in message
    assert "32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 kbps" in message
    assert "8000, 11025, 12000, 16000, 22050, 24000 Hz" in message
    assert "sample_rate" in message


@pytest.mark.parametrize("kbps", [7, 9, 31, 0, -8, 500, 8.0, "8", True, None])
def test_mp3_bit_rates_that_do_not_exist_are_refused(kbps: object) -> None:
    with pytest.raises(CodecSettingError):
        Mp3(kbps)


@pytest.mark.parametrize("rate", [44_101, 8_001, 96_000, 0, 24_000.0, "24000"])
def test_mp3_sample_rates_that_do_not_exist_are_refused(rate: object) -> None:
    with pytest.raises(CodecSettingError):
        Mp3(8, sample_rate=rate)
    if isinstance(rate, int) and rate:
        with pytest.raises(CodecSettingError, match="8000, 11025, 12000"):
            Mp3().encode(noise(1, 100, rate))


@pytest.mark.parametrize(
    ("kbps", "complexity"),
    [(5, 10), (511, 10), (6, 11), (6, -1), (6.0, 10), ("6", 10), (True, 10), (6, None)],
)
def test_opus_settings_that_do_not_exist_are_refused(kbps: object, complexity: object) -> None:
    with pytest.raises(CodecSettingError, match=r"6\.\.510|0\.\.10"):
        Opus(kbps, complexity)


def test_opus_bit_rate_beyond_a_channels_limit_is_refused() -> None:
    codec = Opus(400)
    with pytest.raises(CodecSettingError, match="256 kbps a channel"):
        codec.encode(noise(1, 480, 48_000))
    audio = noise(2, 4_800, 48_000)
    require_same_form(audio, codec.decode(codec.encode(audio)))


@pytest.mark.parametrize("codec", LOSSY, ids=by_name)
def test_more_than_two_channels_are_refused(codec: Codec) -> None:
    with pytest.raises(CodecSettingError, match="1 or 2 channels, the signal 3"):
        codec.encode(noise(3, 1_000, 16_000))


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_images_are_refused(codec: Codec) -> None:
    with pytest.raises(SignalError, match="Image"):
        codec.encode(Image(np.zeros((2, 2, 3), np.uint8)))


@pytest.mark.parametrize("codec", LOSSY, ids=by_name)
def test_silence_stays_silent(codec: Codec) -> None:
    audio = Audio(np.zeros((2, 20_000), np.float32), 16_000)
    decoded = codec.decode(codec.encode(audio))
    assert np.abs(decoded.samples).max() < 1e-3


@pytest.mark.parametrize("codec", [Mp3(64), Opus(128)], ids=by_name)
def test_samples_beyond_full_scale_clip(codec: Codec) -> None:
    tone = np.sin(np.arange(16_000) * 0.1).astype(np.float32)[None]
    loud, clipped = Audio(4 * tone, 16_000), Audio(np.clip(4 * tone, -1, 1), 16_000)
    assert codec.encode(loud) == codec.encode(clipped)
    # The way back from 48 kHz overshoots a little.
    assert np.abs(codec.decode(codec.encode(loud)).samples).max() < 1.05


@pytest.mark.parametrize("codec", [Mp3(64), Opus(128)], ids=by_name)
def test_channels_are_not_mixed_up(codec: Codec) -> None:
    audio = noise(2, 16_000, 16_000)
    left_only = Audio(audio.samples * np.float32([[1], [0]]), 16_000)
    decoded = codec.decode(codec.encode(left_only))
    left, right = np.sqrt(np.mean(decoded.samples**2, axis=1))
    assert left > 0.05
    assert right < 0.01


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_every_flipped_bit_is_refused(codec: Codec, position: int, bit: int) -> None:
    data = bytearray(_stream(codec))
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(DecodingError, match=codec.name):
        codec.decode(bytes(data))


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_every_truncation_and_addition_is_refused(codec: Codec) -> None:
    data = _stream(codec)
    for length in range(len(data)):
        with pytest.raises(DecodingError):
            codec.decode(data[:length])
    with pytest.raises(DecodingError):
        codec.decode(data + b"\0")


_streams: dict[Codec, bytes] = {}


def _stream(codec: Codec) -> bytes:
    if codec not in _streams:
        _streams[codec] = codec.encode(noise(1, 1_000, 16_000))
    return _streams[codec]


@pytest.mark.parametrize("codec", CODECS, ids=by_name)
def test_streams_of_other_codecs_are_refused(codec: Codec) -> None:
    others = [other for other in CODECS if type(other) is not type(codec)]
    files = [unpack(m, 3, _stream(c), "")[1] for m, c in ((b"m1", Mp3()), (b"o1", Opus()))]
    for foreign in (b"", b"x", b"RIFF", *files, *map(_stream, others)):
        with pytest.raises(DecodingError):
            codec.decode(foreign)


@pytest.mark.parametrize(("codec", "magic"), [(Mp3(), b"m1"), (Opus(), b"o1")], ids=str)
def test_a_header_that_contradicts_its_content_is_refused(codec: Codec, magic: bytes) -> None:
    _, payload = unpack(magic, 3, _stream(codec), "")
    with pytest.raises(DecodingError, match="header states 1 of"):
        codec.decode(pack(magic, (16_000, 1, 900_000), payload))
    with pytest.raises(DecodingError, match="header states 2 of"):
        codec.decode(pack(magic, (16_000, 2, 1_000), payload))
    for impossible in ((0, 1, 1_000), (16_000, 0, 1_000), (16_000, 1, 0), (16_000, 9, 1_000)):
        with pytest.raises(DecodingError, match="header states"):
            codec.decode(pack(magic, impossible, payload))
    for garbage in (b"", b"\0" * 500, np.random.default_rng(0).bytes(500)):
        with pytest.raises(DecodingError, match=r"ffmpeg|header states"):
            codec.decode(pack(magic, (16_000, 1, 1_000), garbage))


def test_the_header_is_small() -> None:
    audio = noise(1, 16_000, 16_000)
    for magic, codec in ((b"m1", Mp3()), (b"o1", Opus())):
        data = codec.encode(audio)
        integers, payload = unpack(magic, 3, data, "")
        assert integers == [16_000, 1, 16_000]
        assert 10 <= len(data) - len(payload) <= 13


@given(st.lists(st.integers(0, 2**62), max_size=5), st.binary(max_size=50))
@settings(max_examples=100, deadline=None)
def test_headers_hold_any_integers(integers: list[int], payload: bytes) -> None:
    assert unpack(b"xx", len(integers), pack(b"xx", integers, payload), "") == (integers, payload)


def test_lengths_are_mended_at_the_end() -> None:
    samples = np.array([[1, 2, 3]], np.float32)
    assert fit_length(samples, 5).tolist() == [[1, 2, 3, 0, 0]]
    assert fit_length(samples, 2).tolist() == [[1, 2]]


@pytest.mark.parametrize(("rate", "other"), [(16_000, 48_000), (44_100, 24_000)])
def test_resampling_keeps_a_tone(rate: int, other: int) -> None:
    time = np.arange(rate) / rate
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)[None]
    expected = np.sin(2 * np.pi * 440 * np.arange(other) / other)
    found = resample(tone, rate, other)[0]
    inner = slice(other // 10, -other // 10)
    assert len(found) == other
    assert np.abs(found - expected)[inner].max() < 1e-3
    assert resample(tone, rate, rate) is tone


@pytest.mark.parametrize("codec", LOSSY, ids=by_name)
def test_no_file_stays_behind(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    data = codec.encode(noise(1, 2_000, 16_000))
    codec.decode(data)
    magic = data[:2]
    with pytest.raises(DecodingError):
        codec.decode(pack(magic, (16_000, 1, 1_000), b"garbage"))
    assert list(tmp_path.iterdir()) == []


def test_no_system_program_is_needed_and_pydub_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pydub import AudioSegment

    before = AudioSegment.converter
    monkeypatch.setenv("PATH", str(tmp_path))
    audio = noise(1, 1_000, 16_000)
    for codec in LOSSY:
        require_same_form(audio, codec.decode(codec.encode(audio)))
    assert AudioSegment.converter == before


def test_one_process_encodes_and_one_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    popen = subprocess.Popen

    def counting(*arguments: object, **options: object) -> object:
        started.append(arguments[0])
        return popen(*arguments, **options)

    Mp3().identity()
    monkeypatch.setattr(subprocess, "Popen", counting)
    for codec in LOSSY:
        started.clear()
        data = codec.encode(noise(1, 1_000, 16_000))
        assert len(started) == 1
        assert isinstance(started[0], list)
        codec.decode(data)
        assert len(started) == 2


def test_a_missing_ffmpeg_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "absent"))
    ffmpeg_module._ffmpeg.cache_clear()
    try:
        with pytest.raises(CodecError, match="IMAGEIO_FFMPEG_EXE"):
            Mp3().identity()
    finally:
        monkeypatch.undo()
        ffmpeg_module._ffmpeg.cache_clear()


def test_ffmpegs_own_words_reach_the_message() -> None:
    samples: npt.NDArray[np.float32] = np.zeros((1, 100), np.float32)
    with pytest.raises(CodecError, match="Unknown encoder 'libabsent'"):
        ffmpeg_module.encode_pcm(
            samples, 16_000, codec="libabsent", container="mp3", bitrate_kbps=8
        )
