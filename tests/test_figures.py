"""Pictures of samples under codecs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from mpq_checks.cli import main
from mpq_checks.codecs import Jpeg, NoCodec
from mpq_checks.errors import DatasetError, MpqError
from mpq_checks.figures import draw_examples, examples
from mpq_checks.figures.drawing import crop, spectrogram_db
from mpq_checks.profiles.base import Profile, cases
from mpq_checks.profiles.mini import LUNGS
from mpq_checks.signals import Audio

LUNGS_ONLY = Profile("lungs-only", cases([LUNGS], [NoCodec("image"), Jpeg(quality=5), Jpeg(30)]))


@pytest.mark.assets
def test_an_example_is_what_the_codecs_gave(tmp_path: Path) -> None:
    wanted = LUNGS.dataset.sample_ids()[3]
    (example,) = examples(LUNGS_ONLY, {"lungs-mini": wanted})
    assert example.sample_id == wanted
    assert [shown.codec for shown in example.shown] == ["original", "jpeg-q5", "jpeg-q30"]
    original, coarse, fine = example.shown
    source = LUNGS.dataset.load(wanted).signal
    assert np.array_equal(original.signal.pixels, source.pixels)
    encoded = Jpeg(quality=5).encode(source)
    assert coarse.rate == 8 * len(encoded) / (source.height * source.width)
    assert coarse.psnr_db < fine.psnr_db
    assert coarse.perceptual > fine.perceptual
    assert f"{coarse.rate:.3f} bit/px" in example.caption(coarse)
    assert wanted in example.caption(original)

    picture = tmp_path / "examples.png"
    draw_examples([example], picture)
    with PillowImage.open(picture) as drawn:
        assert drawn.width > drawn.height
        assert len(drawn.convert("L").getcolors()) > 50


@pytest.mark.assets
def test_a_command_draws_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "e.svg"
    profile = "tests.test_figures:LUNGS_ONLY"
    assert main(["examples", "--mpq-profile", profile, "--output", str(picture)]) == 0
    assert capsys.readouterr().out.strip() == str(picture)
    assert picture.read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_unknown_choices_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DatasetError, match="no task 'nothing'"):
        examples(LUNGS_ONLY, {"nothing": "x"})
    assert main(["examples", "--sample", "lungs-mini"]) == 1
    assert "TASK=ID" in capsys.readouterr().err


def test_nothing_to_draw_and_nowhere_to_write(tmp_path: Path) -> None:
    with pytest.raises(MpqError, match="nothing to draw"):
        draw_examples([], tmp_path / "x.png")


def test_a_crop_is_the_middle() -> None:
    pixels = np.arange(10 * 300 * 3, dtype=np.uint32).astype(np.uint8).reshape(10, 300, 3)
    assert np.array_equal(crop(pixels, 4), pixels[3:7, 148:152])
    assert crop(pixels, 128).shape == (10, 128, 3)


def test_a_tone_lies_at_its_frequency_with_its_level() -> None:
    seconds = np.arange(16000) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 1000 * seconds)
    decibels = spectrogram_db(Audio(tone.astype(np.float32)[None], 16000))
    assert int(decibels[:, 10].argmax()) == 1000 * 512 // 16000
    # Hann's gain is a half: 0.5 of full scale shows at -12 dB.
    assert decibels[:, 10].max() == pytest.approx(-12.04, abs=0.1)
    assert spectrogram_db(Audio(np.zeros((2, 3), np.float32), 16000)).max() == -90
