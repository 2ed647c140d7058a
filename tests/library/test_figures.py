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


# --- Figures with choices -----------------------------------------------------------------------


CONTROLS = {"Name": ("a", "b"), "Size": ("1", "2")}


def explored(**changes):
    """Two curves by name, a mark by size, a sentence for each pair."""
    figures.use_style()
    figure, axes = plt.subplots(figsize=(2, 1))
    layers = {(name, None): axes.plot([0, k]) for k, name in enumerate("ab")}
    layers |= {(None, size): [axes.text(0, 0, size)] for size in "12"}
    said = {(n, s): f"State {n} at {s}." for n in "ab" for s in "12"}
    arguments = {"controls": CONTROLS, "layers": layers, "sentences": said, "caption": CAPTION}
    return figures.explorer(figure, **(arguments | changes))


def test_an_explorer_draws_every_layer_once_and_needs_no_script():
    bundle = explored()._repr_mimebundle_()
    page = bundle["text/html"]
    assert page.count("<svg") == 1 and "<script" not in page
    assert page.count('<g class="layer layer-') == 4
    assert page.count("{display:block}") == 8  # four layers and four sentences
    assert page.count('type="radio"') == 4 and page.count(" checked>") == 2
    for sentence in ("State a at 1.", "State b at 2."):
        assert page.count(sentence) == 1
    assert explored()._repr_mimebundle_() == bundle
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sentences": {("a", None): "One.", ("b", "1"): "Two."}}, "'b', '2'.* has 0"),
        ({"sentences": {(None, None): "One.", ("b", "1"): "Two."}}, "'b', '1'.* has 2"),
        ({"sentences": {("c", None): "One."}}, "'c' .* is not among"),
        ({"caption": "Play."}, "caption must describe"),
    ],
)
def test_an_incomplete_explorer_is_refused(change, message):
    with pytest.raises(ValueError, match=f"explorer: .*{message}"):
        explored(**change)
    plt.close("all")
