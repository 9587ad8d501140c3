import io
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import soundfile
from toy_gate import FailingJpeg, ToyTask, make_profile

from mpq_checks.exhibits import chosen_samples, make_exhibits
from mpq_checks.exhibits.media import flac, outlined, spectrogram_png, webp
from mpq_checks.exhibits.words import compared_words
from mpq_checks.gate import GateSettings, run_case
from mpq_checks.metrics.wer import AsWritten
from mpq_checks.results import results
from mpq_checks.signals import Audio, Image
from mpq_checks.update import accept


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A profile and the document of a run in which its model got worse."""
    folder = tmp_path_factory.mktemp("baselines")
    settings = GateSettings(make_profile(), folder, "new", device="cpu")
    accept([run_case(case, settings) for case in settings.profile.cases], folder, "toy", None)
    profile = make_profile(task=ToyTask(gain=0.001))
    now = GateSettings(profile, folder, device="cpu")
    return profile, results(profile, [run_case(case, now) for case in profile.cases], folder)


def opened(data: bytes) -> np.ndarray:
    return np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


def sample(sample_id, worse=0.0, worse_than_uncompressed=0.0):
    return {
        "sample_id": sample_id,
        "worse": worse,
        "worse_than_uncompressed": worse_than_uncompressed,
    }


def case(codec, *samples, passed=True, task="t"):
    return {"task": task, "codec": codec, "passed": passed, "samples": list(samples)}


def test_what_failed_comes_first_the_worst_of_each_case_in_turn():
    document = {
        "cases": [
            case("a", sample("x", 9), sample("y", 1)),
            case("b", sample("u", 1), sample("v", 3), passed=False),
            case("c", sample("w", 2), sample("u", 1), passed=False),
            case("d", sample("z", 99), passed=False, task="other"),
        ]
    }
    assert chosen_samples(document, "t", 10) == ("v", "w", "u", "x", "y")
    assert chosen_samples(document, "t", 2) == ("v", "w")


def test_where_nothing_got_worse_compression_chooses_and_then_the_order():
    document = {
        "cases": [
            case("none", sample("x"), sample("y"), sample("z")),
            case("jpeg", sample("x", 0, 1), sample("y", 0, 5), sample("z", -1, -4)),
            case("webp", sample("x", None, 7), sample("y", None, None), sample("z", 0, -1)),
        ]
    }
    assert chosen_samples(document, "t", 3) == ("y", "x", "z")


def test_an_exhibit_shows_the_original_and_what_was_measured(run):
    profile, document = run
    exhibit = make_exhibits(profile, document)[0]
    assert exhibit.task == "toy"
    original, jpeg = exhibit.shown
    assert (original.codec, jpeg.codec) == ("none", "jpeg-q50")
    loaded = profile.cases[0].task.dataset.load(exhibit.sample_id)
    assert exhibit.reference == str(loaded.reference)
    np.testing.assert_array_equal(opened(original.picture), loaded.signal.pixels)
    codec = profile.cases[1].codec
    decoded = codec.decode(codec.encode(loaded.signal)).pixels
    np.testing.assert_array_equal(opened(jpeg.picture), decoded)
    assert original.as_measured
    assert jpeg.as_measured
    assert (jpeg.error, jpeg.sound, jpeg.overlay, jpeg.words) == ("", b"", b"", ())


def test_another_signal_than_the_measured_one_is_told(run):
    profile, document = run
    changed = replace(profile, cases=(profile.cases[0], replace(profile.cases[1], codec=other())))
    exhibit = make_exhibits(changed, document)[0]
    assert [shown.as_measured for shown in exhibit.shown] == [True, False]


def other():
    from toy_gate import RenamedJpeg

    return RenamedJpeg(quality=20)


def test_a_codec_that_breaks_says_so_and_spoils_nothing_else(run):
    profile, document = run
    broken = replace(profile.cases[1], codec=FailingJpeg(quality=50))
    for case_ in document["cases"]:
        for one in case_["samples"]:
            one["worse"] = 1.0 if one["sample_id"] == "square-3" else 0.0
    exhibits = make_exhibits(replace(profile, cases=(profile.cases[0], broken)), document)
    original, jpeg = exhibits[0].shown
    assert exhibits[0].sample_id == "square-3"
    assert original.picture
    assert (jpeg.picture, jpeg.error) == (b"", "RuntimeError: the decoder broke")


def test_exhibits_stay_within_their_bytes(run, monkeypatch):
    profile, document = run
    whole = make_exhibits(profile, document)
    sizes = [sum(shown.num_bytes for shown in exhibit.shown) for exhibit in whole]
    monkeypatch.setattr("mpq_checks.exhibits.making._MAX_BYTES", sizes[0] + sizes[1])
    assert len(make_exhibits(profile, document)) < len(whole)


def test_a_large_image_is_cut_to_its_middle():
    pixels = np.random.default_rng(0).integers(0, 255, (300, 40, 3), dtype=np.uint8)
    np.testing.assert_array_equal(opened(webp(Image(pixels), 100)), pixels[100:200])


def test_outlines_follow_the_masks():
    image = Image(np.zeros((6, 6, 3), np.uint8))
    truth = np.zeros((6, 6), np.uint8)
    truth[:, 3:] = 1
    prediction = np.zeros((6, 6), np.uint8)
    prediction[3:] = 1
    pixels = outlined(image, truth, prediction).pixels
    assert (pixels[0, 2] == (0, 158, 115)).all()
    assert (pixels[2, 0] == (230, 97, 1)).all()
    assert not pixels[0, 0].any()
    assert not image.pixels.any()


def test_a_sound_is_what_was_decoded():
    samples = np.random.default_rng(0).uniform(-1.2, 1.2, (2, 24000)).astype(np.float32)
    played, rate = soundfile.read(io.BytesIO(flac(Audio(samples, 8000), 2.0)), dtype="float32")
    assert rate == 8000
    assert played.shape == (16000, 2)
    np.testing.assert_allclose(played.T, np.clip(samples[:, :16000], -1, 1), atol=1 / 32767)


def test_a_spectrogram_has_its_energy_where_the_tone_is():
    time = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 2000 * time).astype(np.float32)[None]
    rows = opened(spectrogram_png(Audio(tone, 16000), 1.0)).sum(axis=(1, 2))
    # 2 kHz of 8 kHz, low frequencies below: three quarters of the way down.
    assert abs(rows.argmax() / len(rows) - 0.75) < 0.03


def test_words_are_compared_as_the_error_rate_counts_them():
    words = compared_words("the cat sat on a mat", "the bat sat on the old mat", AsWritten())
    assert [(word.kind, word.reference, word.hypothesis) for word in words][:3] == [
        ("equal", "the", "the"),
        ("substitute", "cat", "bat"),
        ("equal", "sat on", "sat on"),
    ]
    assert " ".join(word.hypothesis for word in words).split()[-1] == "mat"
    assert sum(len(w.reference.split()) for w in words) == 6


def test_a_transcript_without_words_is_all_deleted():
    (word,) = compared_words("two words", "", AsWritten())
    assert (word.kind, word.reference, word.hypothesis) == ("delete", "two words", "")
