"""Figures for papers: what they show, that they do not change, and what cannot break them."""

import math
import re
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from study_documents import case, document, values

from mpq_checks.analysis import correlations, points_of_results
from mpq_checks.errors import ResultsError
from mpq_checks.figures.labels import family_label, short
from mpq_checks.figures.marks import _SYMBOLS
from mpq_checks.figures.panels import AGAINST_RATE, draw_panels
from mpq_checks.figures.saving import house_style
from mpq_checks.figures.scatter import draw_scatter
from mpq_checks.figures.static import write_figures
from mpq_checks.report.palette import _OTHERS, FAMILIES, styles

NAMES = ("score-rate", "rate-distortion", "rate-perception", "correlation")


def study(task="photos"):
    """An original and four codecs of three families, two of them settings of one."""
    return [
        case(task, "none", values(24.0, math.inf, 0.0, 0.8), interval=(0.7, 0.9)),
        case(task, "jpeg-q5", values(0.25, 24.0, 0.4, 0.5), family="jpeg", interval=(0.4, 0.6)),
        case(task, "jpeg-q20", values(0.6, 29.0, 0.2, 0.7), family="jpeg", interval=(0.6, 0.8)),
        case(task, "webp-q0", values(0.15, 26.0, 0.3, 0.6), family="webp", interval=(0.5, 0.7)),
        case(task, "hific-lo", values(0.1, 25.0, 0.1, 0.75), family="hific"),
    ]


def panels(cases, what=AGAINST_RATE[0]):
    with house_style():
        return draw_panels(points_of_results(document(cases)).points, what)


def parsed(path):
    return ElementTree.parse(path).getroot()  # noqa: S314  (written by the test)


def ticks_in_view(labels, limits, axis):
    low, high = limits
    return [label for label in labels if low <= label.get_position()[axis] <= high]


def texts(figure):
    from matplotlib.text import Text

    return {text.get_text() for text in figure.findobj(Text)}


def test_all_figures_in_all_formats(tmp_path):
    paths = write_figures(document(study()), tmp_path / "figures", ("svg", "png", "pdf"))
    assert [path.name for path in paths] == [
        f"{name}.{kind}" for name in NAMES for kind in ("svg", "png", "pdf")
    ]
    assert sorted(paths) == sorted((tmp_path / "figures").iterdir())
    for path in paths:
        if path.suffix == ".svg":
            width = parsed(path).get("width")
            assert width == "252pt"  # 3.5 inches
            assert "<text" not in path.read_text(encoding="utf-8")
        elif path.suffix == ".png":
            with Image.open(path) as drawn:
                assert drawn.width == 1050
                assert len(drawn.convert("RGB").getcolors(100_000)) > 50


def test_the_same_results_give_the_same_bytes(tmp_path):
    import matplotlib

    first = write_figures(document(study()), tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 50}):
        second = write_figures(document(study()), tmp_path / "b")
    for before, after in zip(first, second, strict=True):
        assert before.read_bytes() == after.read_bytes()


def test_a_panel_shows_points_with_their_intervals_and_the_original():
    figure = panels(study())
    axes = figure.axes[0]
    marks = {
        (line.get_xdata()[0], line.get_ydata()[0]): line
        for line in axes.get_lines()
        if line.get_marker() not in ("None", None) and len(line.get_xdata()) == 1
    }
    assert set(marks) == {(0.25, 0.5), (0.6, 0.7), (0.15, 0.6), (0.1, 0.75)}
    assert marks[0.25, 0.5].get_marker() == marks[0.6, 0.7].get_marker() == "o"
    assert marks[0.15, 0.6].get_markerfacecolor() == FAMILIES["webp"].colour
    dashed = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == [0.8]
    # The settings of one codec are joined in the order of their rate.
    joined = [list(line.get_xdata()) for line in axes.get_lines() if line.get_linestyle() == "-"]
    assert [0.25, 0.6] in joined
    # Three scores have an interval, no rate has.
    assert len(axes.collections) == 3
    band = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    assert (band.y0, band.y1) == pytest.approx((0.7, 0.9))
    assert {"photos", "rate (bit/px)", "top-1 accuracy", "uncompressed", "hific-lo"} <= texts(
        figure
    )
    assert "JPEG (2 settings)" in texts(figure)
    assert axes.get_xscale() == "log"


def test_quality_has_no_line_of_the_original_and_names_its_unit():
    for what, label in zip(
        AGAINST_RATE[1:], ("PSNR (dB)", "\N{MINUS SIGN}10 log₁₀ LPIPS (dB)"), strict=True
    ):
        figure = panels(study(), what)
        assert label in texts(figure)
        assert "uncompressed" not in texts(figure)


def test_what_is_infinite_is_not_drawn_and_told():
    lossless = case("photos", "lossless", values(8.0, math.inf, 0.0, 0.8))
    assert "photos (1 infinite, not shown)" in texts(panels([*study(), lossless], AGAINST_RATE[1]))
    assert "photos" in texts(panels([*study(), lossless]))


def test_the_scatter_states_the_coefficients():
    points = points_of_results(document(study())).points
    with house_style():
        shown = texts(draw_scatter(points))
    for one in correlations(points, kinds=("modality",)):
        if one.coefficient == "pearson":
            low, high = one.interval
            words = f"r = {one.value:.2f} ({low:.2f} to {high:.2f})".replace("-", "\N{MINUS SIGN}")
            assert any(words in text for text in shown)
    assert any("n = 4" in text for text in shown)


def test_one_codec_and_no_original(tmp_path):
    jpeg = study()[1]
    paths = write_figures(document([jpeg]), tmp_path, ("svg",))
    assert [path.stem for path in paths] == list(NAMES[:3])
    with_original = write_figures(document(study()[:2]), tmp_path, ("svg",))
    assert [path.stem for path in with_original] == list(NAMES)


def test_no_text_overlaps_or_is_cut(tmp_path):
    cases = [one for name in ("photos", "lungs", "x-rays") for one in study(name)]
    points = points_of_results(document(cases)).points
    with house_style():
        figures = [draw_panels(points, what) for what in AGAINST_RATE] + [draw_scatter(points)]
        for figure in figures:
            figure.canvas.draw()
            boxes = [
                (text.get_text(), text.get_window_extent())
                for axes in figure.axes
                if axes.axison
                for text in (
                    axes.title,
                    axes.xaxis.label,
                    axes.yaxis.label,
                    *ticks_in_view(axes.get_xticklabels(), axes.get_xlim(), 0),
                    *ticks_in_view(axes.get_yticklabels(), axes.get_ylim(), 1),
                )
                if text.get_text()
            ]
            boxes += [
                (text.get_text(), text.get_window_extent())
                for legend in figure.legends
                for text in legend.get_texts()
            ]
            for (one, box), (other, other_box) in combinations(boxes, 2):
                assert not box.overlaps(other_box), f"{one!r} and {other!r} overlap"
            for one, box in boxes:
                assert box.x0 >= 0, f"{one!r} is cut"
                assert box.x1 <= figure.bbox.x1, f"{one!r} is cut"


@pytest.mark.parametrize(
    "name",
    [
        r"$\frac{1}{0}$",
        "_hidden",
        "<b>&amp;",
        "a\nb\tc",
        "名前🦊",
        "\ud800",
        "x" * 300,
        "-->",
        " ",
        "",
    ],
)
def test_no_name_breaks_a_figure(tmp_path, name):
    cases = [{**one, "task": name} for one in study()]
    cases += [case(name, name, values(0.3, 27.0, 0.3, 0.6)), case(name, "$x$", values(0.4))]
    made = {**document(cases)}
    made["tasks"][name]["scores"] = ["top1"]
    for path in write_figures(made, tmp_path, ("svg",)):
        assert parsed(path).get("width") == "252pt"


def test_names_are_shortened_and_cleaned():
    assert short("a\nb") == "a\N{REPLACEMENT CHARACTER}b"
    assert len(short("x" * 100)) == 28
    points = points_of_results(document(study())).points
    assert family_label("webp", points) == "webp-q0"


@pytest.mark.parametrize("formats", [("svg", "gif"), ()])
def test_an_unknown_format_is_named(tmp_path, formats):
    with pytest.raises(ResultsError, match=r"format of figures is .*svg, png, pdf"):
        write_figures(document(study()), tmp_path, formats)


def test_nothing_to_draw(tmp_path):
    for cases in ([], study()[:1], [{**study()[1], "metrics": {}}]):
        with pytest.raises(ResultsError, match="nothing to draw"):
            write_figures(document(cases), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ResultsError, match="cannot be written"):
        write_figures(document(study()), tmp_path / "file", ("svg",))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    (path, *_) = write_figures(document(study()), tmp_path, ("svg",))
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(ResultsError, match="disk full"):
        write_figures(document(study()), tmp_path, ("svg",))
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_every_symbol_is_known_to_both_libraries():
    import plotly.graph_objects as go

    for style in (*FAMILIES.values(), *_OTHERS):
        assert style.symbol in _SYMBOLS
        assert re.fullmatch("#[0-9A-F]{6}", style.colour)
        go.Scatter(marker={"symbol": style.symbol, "color": style.colour})
    assert len(set(_SYMBOLS.values())) == len(_SYMBOLS)


def test_families_are_distinct_without_colour_and_for_the_colour_blind():
    codecs = [style for name, style in FAMILIES.items() if name != "none"]
    assert len({style.symbol for style in codecs}) == len(codecs)
    for deficiency in _DEFICIENCIES:
        seen = [_lab(deficiency @ _linear(style.colour)) for style in codecs]
        nearest = min(np.linalg.norm(a - b) for a, b in combinations(seen, 2))
        assert nearest > 15  # CIE76; 2.3 is just noticeable
    others = set(_OTHERS)
    assert not {style.symbol for style in others} & {style.symbol for style in FAMILIES.values()}


def test_unknown_families_keep_their_looks():
    alone = styles(["avif"])["avif"]
    assert styles(["jpeg", "avif"])["avif"] == alone
    assert styles(["jpeg"]) == {"jpeg": FAMILIES["jpeg"]}
    names = [f"codec-{index}" for index in range(len(_OTHERS))]
    assert len(set(styles(names).values())) == len(names)
    assert set(styles([*names, "one-more"])) == {*names, "one-more"}
    assert list(styles(["webp", "jpeg"])) == ["jpeg", "webp"]


# Simulation of full dichromacy in linear RGB: Machado, Oliveira and Fernandes (2009), table 1.
_DEFICIENCIES = [
    np.eye(3),
    np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
]  # fmt: skip

_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _linear(colour):
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _lab(linear):
    x, y, z = _XYZ @ np.clip(linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])
