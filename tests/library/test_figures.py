"""Figures carry a caption and alternative text, follow the page's colors, and are reproducible."""

import xml.etree.ElementTree as ElementTree

import matplotlib.pyplot as plt
import pytest

from paperlab import figures

CAPTION = r"A line that rises with \(x\) & stays."
ALT = 'A line chart: it rises from 0 to 1, as "expected".'


def output(**changes):
    figures.use_style()
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], marker="o", markeredgecolor=figures.PAPER)
    return figures.show(figure, **({"caption": CAPTION, "alt": ALT} | changes))


def test_svg_is_labelled_and_takes_the_pages_colors():
    bundle = output()._repr_mimebundle_()
    page = bundle["text/html"]
    svg = page[page.index("<svg") : page.index("</svg>") + 6]
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == ALT
    assert f"<figcaption>{CAPTION}</figcaption>" in page
    assert figures.INK not in svg
    assert figures.PAPER not in svg
    assert "currentColor" in svg
    assert "#ffffff" not in svg
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert bundle["text/plain"] == ALT


def test_the_same_figure_gives_the_same_bytes():
    first, second = output()._repr_mimebundle_(), output()._repr_mimebundle_()
    assert first == second


def test_the_figure_is_closed():
    before = plt.get_fignums()
    output()
    assert plt.get_fignums() == before


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_a_figure_without_words_is_refused(missing):
    with pytest.raises(ValueError, match=f"show: {missing} must describe"):
        output(**{missing: "Plot."})
    plt.close("all")
