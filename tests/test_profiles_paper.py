"""The paper's profiles: which cases, and what of the paper's errors they repeat."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metric_cases import noisy

from mpq_checks.baselines import baseline_path
from mpq_checks.codecs import Jpeg, Mp3, Opus
from mpq_checks.codecs.as_published import PublishedMp3, PublishedOpus
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.datasets.ljspeech_mini import read_clip
from mpq_checks.errors import CodecSettingError, DecodingError, MetricError, SignalError
from mpq_checks.metrics.as_published import PublishedCdpam, PublishedLpips
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.metrics.sdr import framewise_sdr_db
from mpq_checks.models.demucs import STEMS, Demucs
from mpq_checks.profiles import Profile, load_profile
from mpq_checks.profiles.paper_as_published import ERRATA
from mpq_checks.signals import Audio, Image
from mpq_checks.tasks.as_published import PublishedSeparation

PUBLISHED = Path(__file__).parent.parent / "baselines" / "paper-as-published"
IMAGES = ("imagenet-1k", "chest-xray", "beans", "ade20k")
SOUNDS = ("common-voice-11", "common-voice-11-tiny", "musdb18-hq")


@pytest.fixture(params=["paper", "paper-as-published"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return load_profile(request.param)


def test_every_pair_of_the_paper_is_there(profile: Profile) -> None:
    families = {
        (case.task.name, case.codec.name.partition("-")[0].removesuffix("2018"))
        for case in profile.cases
    }
    images = {
        (task, codec) for task in IMAGES for codec in ("none", "jpeg", "webp", "mbt", "hific")
    }
    sounds = {(task, codec) for task in SOUNDS for codec in ("none", "mp3", "opus", "encodec")}
    assert families == images | sounds
    compressed = [c for c in profile.cases if c.codec.name != "none" and "tiny" not in c.task.name]
    assert len(compressed) == 22
    assert [metric.name for metric in profile.cases[0].metrics][:3] == [
        "bits_per_pixel",
        "psnr_db",
        "lpips",
    ]


def test_every_printed_number_has_a_case_that_names_its_errata() -> None:
    profile = load_profile("paper-as-published")
    names = {case.id: case for case in profile.cases}
    files = sorted(PUBLISHED.glob("*/*.json"))
    assert {f"{path.parent.name}/{path.stem}" for path in files} == set(names)
    for path in files:
        case = names[f"{path.parent.name}/{path.stem}"]
        assert (
            baseline_path(PUBLISHED.parent, profile.name, case.task.name, case.codec.name) == path
        )
        for metric in json.loads(path.read_text())["metrics"].values():
            assert set(metric["errata"]) <= set(case.errata)


def test_errata_are_named_where_they_are_repeated() -> None:
    assert all(not case.errata for case in load_profile("paper").cases)
    published = {case.id: case for case in load_profile("paper-as-published").cases}
    assert {name for case in published.values() for name in case.errata} == set(ERRATA)
    hific = published["beans/hific-lo"]
    assert hific.counting.identity() == {
        "bits_per_byte": "1",
        "quality_samples": "3",
        "distance": "geometric mean over samples",
    }
    assert published["beans/jpeg-q5"].counting.bits_per_byte == 8
    for case in published.values():
        assert ("hific-rate-in-bytes" in case.errata) == (case.counting.bits_per_byte == 1)
        assert ("quality-of-few-samples" in case.errata) or not case.counting.quality_samples
        assert ("opus-sample-rate" in case.errata) == isinstance(case.codec, PublishedOpus)
        assert ("mp3-rate" in case.errata) == isinstance(case.codec, PublishedMp3)
        assert ("lpips-range" in case.errata) == isinstance(case.task.perceptual, PublishedLpips)
        assert ("cdpam-range" in case.errata) == isinstance(case.task.perceptual, PublishedCdpam)


def test_the_models_are_the_papers_or_those_it_names() -> None:
    corrected, published = (
        {case.task.name: case.task for case in load_profile(name).cases}
        for name in ("paper", "paper-as-published")
    )
    models: Any = (corrected["musdb18-hq"], published["musdb18-hq"])
    assert [task.model for task in models] == [Demucs("hdemucs_mmi"), Demucs("htdemucs", shifts=1)]
    for name, task in corrected.items():
        assert getattr(task.model, "path", None) == getattr(published[name].model, "path", None)
        assert task.dataset == published[name].dataset


# MP3 and Opus as they were run.


def sound(rate: int, channels: int = 2, seconds: float = 1.0) -> Audio:
    rng = np.random.default_rng(rate + channels)
    walk = np.cumsum(rng.normal(0, 1, (channels, round(seconds * rate))), axis=1)
    kernel = np.ones(200) / 200
    smooth = walk - np.stack([np.convolve(each, kernel, "same") for each in walk])
    return Audio((0.7 * smooth / np.abs(smooth).max()).astype(np.float32), rate)


def lag(reference: Audio, decoded: Audio) -> int:
    """By how many samples the decoded signal comes late."""
    size = 2 * reference.num_samples
    spectra = [np.fft.rfft(audio.samples[0], size) for audio in (reference, decoded)]
    best = int(np.argmax(np.fft.irfft(spectra[1] * np.conj(spectra[0]))))
    return best if best < size // 2 else best - size


def kbps(codec: Any, audio: Audio) -> float:
    return 8 * len(codec.encode(audio)) * audio.sample_rate / audio.num_samples / 1000


@pytest.mark.parametrize(("rate", "least"), [(32_000, 32), (44_100, 32), (48_000, 32), (22_050, 8)])
def test_mp3_of_8_kbps_is_what_the_format_has(rate: int, least: int) -> None:
    audio = sound(rate, seconds=5.0)
    assert kbps(PublishedMp3(8), audio) == pytest.approx(least, rel=0.02)
    if least == 32:
        with pytest.raises(CodecSettingError, match="MP3 has no 8 kbps"):
            Mp3(8).encode(audio)


@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_is_cut_by_a_constant_that_is_one_sample_off(channels: int) -> None:
    audio = sound(44_100, channels)
    codec = PublishedMp3(8)
    decoded = codec.decode(codec.encode(audio))
    assert decoded.samples.shape == audio.samples.shape
    assert lag(audio, decoded) == -1
    assert lag(audio, Mp3(32).decode(Mp3(32).encode(audio))) == 0


def test_opus_takes_any_rate_for_48_khz() -> None:
    audio = sound(44_100, 2)
    codec = PublishedOpus(6)
    renamed = Audio(audio.samples, 48_000)
    ours, theirs = codec.encode(audio), Opus(6).encode(renamed)
    assert len(ours) == pytest.approx(len(theirs), abs=4)
    decoded = codec.decode(ours)
    assert decoded.sample_rate == 44_100
    assert np.array_equal(decoded.samples, Opus(6).decode(theirs).samples)
    assert abs(lag(audio, decoded)) <= 5


@pytest.mark.parametrize("codec", [PublishedMp3(), PublishedOpus()])
def test_published_codecs_keep_the_contract(codec: Any) -> None:
    audio = sound(48_000, 1, 0.3)
    data = codec.encode(audio)
    assert data == codec.encode(audio)
    assert codec.identity()["protocol"].startswith("as published")
    assert codec.assets() == ()
    for broken in (b"", data[:40], data[:-1] + bytes([data[-1] ^ 1])):
        with pytest.raises(DecodingError):
            codec.decode(broken)
    with pytest.raises(SignalError):
        codec.encode(Image(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(CodecSettingError):
        codec.encode(sound(48_000, 3, 0.1))
    with pytest.raises(CodecSettingError):
        type(codec)(bitrate_kbps=5)


def test_the_two_mp3_do_not_read_each_other() -> None:
    audio = sound(48_000, 1, 0.3)
    with pytest.raises(DecodingError, match="not a stream of this codec"):
        PublishedMp3().decode(Mp3(32).encode(audio))
    with pytest.raises(CodecSettingError, match="MP3 has no sample rate of 50000"):
        PublishedMp3().encode(Audio(audio.samples, 50_000))


# LPIPS and CDPAM as they were fed.


@pytest.mark.assets
def test_lpips_of_255_says_that_images_are_nearer() -> None:
    dataset, codec = ImagenetMini(), Jpeg(5)
    image: Any = dataset.load(dataset.sample_ids()[0]).signal
    decoded = codec.decode(codec.encode(image))
    published, proper = PublishedLpips().load("cpu"), Lpips("vgg").load("cpu")
    assert published.distance(image, decoded) < 0.7 * proper.distance(image, decoded)
    assert published.distance(image, image) == 0.0
    assert PublishedLpips().identity()["range"] != Lpips("vgg").identity().get("range")


@pytest.mark.assets
def test_lpips_of_255_is_what_piq_computes_from_the_network() -> None:
    """piq subtracts ImageNet's mean from 0..255 and divides by its deviation."""
    import torch

    dataset = ImagenetMini()
    image: Any = dataset.load(dataset.sample_ids()[1]).signal
    image = Image(image.pixels[:64, :64].copy())
    decoded = Jpeg(5).decode(Jpeg(5).encode(image))
    distance: Any = PublishedLpips().load("cpu")
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    features = []
    for each in (image, decoded):
        pixels = torch.tensor(each.pixels).permute(2, 0, 1).float()
        layers = distance._network.net(((pixels - mean) / deviation)[None])
        features.append([layer / (layer.norm(dim=1, keepdim=True) + 1e-10) for layer in layers])
    heads = distance._network.lins
    total = sum(
        float(head((a - b) ** 2).mean()) for head, a, b in zip(heads, *features, strict=True)
    )
    assert distance.distance(image, decoded) == pytest.approx(total, rel=1e-3)


@pytest.mark.assets
def test_cdpam_of_full_scale_1_collapses_to_nothing() -> None:
    audio, _ = read_clip("LJ001-0002")
    short = Audio(audio.samples[:, :6000].copy(), audio.sample_rate)
    distance = PublishedCdpam().load("cpu")
    found = distance.distance(short, noisy(short, 0.02))
    assert 0 < found < 1e-3
    assert distance.distance(short, short) == 0.0
    stereo = Audio(np.concatenate([short.samples] * 2), short.sample_rate)
    both = distance.distance(stereo, noisy(stereo, 0.02))
    assert 0 < both < 1e-3
    with pytest.raises(MetricError, match="compares audio"):
        distance.distance(Image(np.zeros((4, 4, 3), np.uint8)), short)
    with pytest.raises(MetricError, match="has shape"):
        distance.distance(short, stereo)


@pytest.mark.assets
def test_cdpam_is_the_mean_of_the_first_chunks() -> None:
    audio, _ = read_clip("LJ001-0002")
    cut = Audio(audio.samples[:, :7500].copy(), audio.sample_rate)
    worse = noisy(cut, 0.02)
    whole = PublishedCdpam().load("cpu")
    chunks = [
        whole.distance(*(Audio(a.samples[:, s : s + 3000].copy(), 22_050) for a in (cut, worse)))
        for s in (0, 3000)
    ]
    found = PublishedCdpam(chunk_samples=3000, max_chunks=50).load("cpu").distance(cut, worse)
    assert found == pytest.approx(np.mean(chunks), rel=1e-4)
    first = PublishedCdpam(chunk_samples=3000, max_chunks=1).load("cpu").distance(cut, worse)
    assert first == pytest.approx(chunks[0], rel=1e-4)


def test_chunks_that_select_nothing_are_refused() -> None:
    for setting in ({"chunk_samples": 0}, {"max_chunks": 0}):
        with pytest.raises(MetricError):
            PublishedCdpam(**setting)
    assert PublishedCdpam(1000, 5).identity()["chunks"] == "the first 5 of 1000 samples"


# Scores as they were counted.


def separation() -> PublishedSeparation:
    tasks = {case.task.name: case.task for case in load_profile("paper-as-published").cases}
    task = tasks["musdb18-hq"]
    assert isinstance(task, PublishedSeparation)
    return task


def frames(*values: Any) -> dict[str, Any]:
    """Statistics of a track with these frames in each stem."""
    return {
        "frames_db": {stem: list(values) for stem in STEMS},
        "global_db": dict.fromkeys(STEMS, 1.0),
        "magnitude_db": dict.fromkeys(STEMS, 1.0),
        "mixture_db": 1.0,
    }


def test_sdr_is_over_all_frames_of_all_tracks() -> None:
    found = separation().tallies([frames(1.0, None, 3.0, 5.0), frames(11.0), frames(None)])
    assert found["sdr_db"].value() == pytest.approx((1 + 3 + 5 + 11) / 4)
    assert found["drums_sdr_db"].value() == pytest.approx(5.0)
    assert found["global_sdr_db"].value() == 1.0
    assert separation().tallies([frames(1.0), frames("exact")])["sdr_db"].value() == float("inf")
    with pytest.raises(MetricError, match="sounds"):
        separation().tallies([frames(None)])


def test_frames_overlap_as_published() -> None:
    rng = np.random.default_rng(0)
    truth, estimate = (Audio(rng.normal(0, 0.1, (2, 600)).astype(np.float32), 100) for _ in "ab")
    found = framewise_sdr_db({"x": truth}, {"x": estimate}, window_seconds=2.0, hop_seconds=1.5)
    assert len(found["x"]) == 3  # from 0, 1.5 and 3 s; 4.5 s would end at 6.5
    parts = [Audio(a.samples[:, 150:350].copy(), 100) for a in (truth, estimate)]
    whole = framewise_sdr_db({"x": parts[0]}, {"x": parts[1]}, window_seconds=2.0)
    assert found["x"][1] == pytest.approx(whole["x"][0])
