"""One style for every figure of the book, and figures that follow the page's light and dark mode.

A figure is embedded as SVG whose ink takes the color of the surrounding text, so that the same
executed notebook reads well on white paper, on a dark page and in JupyterLab.
"""

from __future__ import annotations

import hashlib
import html
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.figure import Figure

# Ordered for contrast with each other in the common color deficiencies and with both page
# backgrounds. Use them in order; add markers or dashes when there are more than four.
BLUE, ORANGE, TEAL, MAGENTA, GRAY = "#2f7fd6", "#e0721f", "#129481", "#c4509b", "#858c95"
CYCLE = (BLUE, ORANGE, TEAL, MAGENTA, GRAY)
# Text, axes and ticks. Drawn in the text color of the page.
INK = "#1f2328"
# What must look like the page itself, for instance the edge of a marker.
PAPER = "#fefefe"

WIDTH = 6.8  # inches; the width of the text column


def use_style() -> None:
    """Sets matplotlib's defaults to the book's style; call it once, in a notebook's setup."""
    mpl.rcParams.update(mpl.rcParamsDefault)
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.4),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "axes.prop_cycle": cycler(color=CYCLE),
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "axes.titlecolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.8,
            "axes.grid": True,
            "grid.color": INK,
            "grid.alpha": 0.1,
            "grid.linewidth": 0.7,
            "axes.axisbelow": True,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 10.5,
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 9.5,
            "font.size": 10.5,
            "legend.frameon": False,
            "legend.fontsize": 9.5,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "image.cmap": "cividis",
            "svg.fonttype": "path",
        }
    )


class FigureOutput:
    """A captioned figure: SVG for the page, PNG for thumbnails, the alternative text as text."""

    def __init__(self, figure: Figure, caption: str, alt: str) -> None:
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=100, facecolor="white", metadata={"Software": None})
        self._svg, self._png = _drawn(figure, alt), png.getvalue()
        self._caption, self._alt = caption, alt

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/html": f'<figure class="paper-figure">{self._svg}'
            f"<figcaption>{self._caption}</figcaption></figure>",
            "image/png": self._png,
            "text/plain": self._alt,
        }


def show(figure: Figure, *, caption: str, alt: str) -> FigureOutput:
    r"""Turns a finished figure into a cell's output, to be the last value of the cell.

    Args:
        figure: drawn under `use_style`; it is closed.
        caption: what to see in it, in HTML; mathematics between `\(` and `\)`.
        alt: what a reader who cannot see it needs to know, in plain text: the kind of figure,
            the axes, and the finding.

    Raises:
        ValueError: if the caption or the alternative text is missing.
    """
    for name, text in (("caption", caption), ("alt", alt)):
        if len(text.split()) < 5:
            raise ValueError(f"show: {name} must describe the figure in a sentence, got {text!r}")
    return FigureOutput(figure, caption, alt)


class ExplorerOutput:
    """A figure with choices, as HTML that needs no script."""

    def __init__(self, page: str, caption: str) -> None:
        self._page, self._caption = page, caption

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/html": self._page, "text/plain": f"A figure with choices. {self._caption}"}


Choice = tuple[str | None, ...]


def explorer(
    figure: Figure,
    controls: Mapping[str, Sequence[str]],
    layers: Mapping[Choice, Sequence[Artist]],
    sentences: Mapping[Choice, str],
    *,
    caption: str,
) -> ExplorerOutput:
    r"""A figure to play with, to be the last value of a cell.

    Every state is drawn in the one figure, and the choices, which are radio buttons, decide by
    style rules which of its layers are seen. It works without script or server, by keyboard, on a
    phone and in JupyterLab. The page of the paper's part shows it too, if the cell is tagged
    `part-figure`.

    Args:
        figure: with the artists of all states on common axes; it is closed.
        controls: name of each choice to its options, HTML; the first options are chosen at first.
        layers: from options, one for each control in their order, or None where any will do, to
            the artists seen under that choice. Other artists are always seen.
        sentences: likewise, what there is to see; exactly one must apply to each combination.
        caption: as for `show`; it tells explorers of a page apart.

    Raises:
        ValueError: if an option is unknown, a combination has no sentence or several, or the
            caption is missing.
    """
    if len(caption.split()) < 5:
        raise ValueError(f"explorer: caption must describe the figure, got {caption!r}")
    for choice in (*layers, *sentences):
        for option, options in zip(choice, controls.values(), strict=True):
            if option is not None and option not in options:
                raise ValueError(f"explorer: {option!r} of {choice} is not among {list(options)}")
    for state in itertools.product(*controls.values()):
        count = sum(_applies(choice, state) for choice in sentences)
        if count != 1:
            raise ValueError(f"explorer: {state} needs one sentence, has {count}")
    name = f"explorer-{hashlib.sha256(caption.encode()).hexdigest()[:8]}"
    rules = [f"#{name} .layer{{display:none}}"]
    for number, choice in enumerate((*layers, *sentences)):
        rules.append(f"#{name}{_chosen(name, controls, choice)} .layer-{number}{{display:block}}")
    for number, artists in enumerate(layers.values()):
        for artist in artists:
            artist.set_gid(f"layer-{number}")
    said = "".join(
        f'<p class="layer layer-{number}">{html.escape(sentence)}</p>'
        for number, sentence in enumerate(sentences.values(), len(layers))
    )
    choices = "".join(
        f"<fieldset><legend>{control}</legend>"
        + "".join(
            f'<label><input type="radio" name="{name}-{i}" value="{j}"'
            f"{' checked' if j == 0 else ''}>{option}</label>"
            for j, option in enumerate(options)
        )
        + "</fieldset>"
        for i, (control, options) in enumerate(controls.items())
    )
    alt = re.sub("<[^>]*>", "", caption)
    page = (
        f'<figure class="paper-figure explorer" id="{name}"><style>{"".join(rules)}</style>'
        f'<div class="choices">{choices}</div><div class="says" aria-live="polite">{said}</div>'
        f"{_drawn(figure, alt)}<figcaption>{caption}</figcaption></figure>"
    )
    return ExplorerOutput(page, caption)


def _applies(choice: Choice, state: Choice) -> bool:
    return all(a is None or a == b for a, b in zip(choice, state, strict=True))


def _chosen(name: str, controls: Mapping[str, Sequence[str]], choice: Choice) -> str:
    """The style rule's condition that these options are chosen."""
    return "".join(
        f':has([name="{name}-{i}"][value="{options.index(option)}"]:checked)'
        for i, (option, options) in enumerate(zip(choice, controls.values(), strict=True))
        if option is not None
    )


def _drawn(figure: Figure, alt: str) -> str:
    """The figure as inline SVG; closes it."""
    svg = io.StringIO()
    # The salt makes element ids the same in every run and different between figures.
    with mpl.rc_context({"svg.hashsalt": alt}):
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return _themed(svg.getvalue(), alt)


def _themed(svg: str, alt: str) -> str:
    """Inline SVG without prologue, labelled, in the page's own text and background colors."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = _compact(svg)
    svg = svg.replace(INK, "currentColor")
    svg = svg.replace(PAPER, "var(--pst-color-background, var(--jp-layout-color0, #fff))")
    label = f'<svg role="img" aria-label="{html.escape(alt, quote=True)}" '
    return svg.replace("<svg ", label, 1).strip()


def _compact(svg: str) -> str:
    """The same drawing in about half the characters, and without ids that nothing refers to.

    Groups lose their ids, which would be the same in every figure of a page; those of an explorer's
    layers become classes. Lengths keep two decimals: a hundredth of a point is finer than any
    screen.
    """
    svg = re.sub(r'<g id="(layer-\d+)"', r'<g class="layer \1"', svg)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(?<= (?:d|x|y)=")[^"]*|(?<=translate\()[^)]*', _two_decimals, svg)
    svg = re.sub(r"(?<=[;:]) (?=[^<>]*>)", "", svg)
    return re.sub(r"\s+", " ", svg).replace("> <", "><")


def _two_decimals(lengths: re.Match[str]) -> str:
    text = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", lengths[0])
    return re.sub(r"\s*([A-Zz])\s*", r"\1", text)
