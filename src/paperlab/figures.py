"""One style for every figure of the book, and figures that follow the page's light and dark mode.

A figure is embedded as SVG whose ink takes the color of the surrounding text, so that the same
executed notebook reads well on white paper, on a dark page and in JupyterLab.
"""

from __future__ import annotations

import html
import io
import re
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
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
        svg, png = io.StringIO(), io.BytesIO()
        # The salt makes element ids the same in every run and different between figures.
        with mpl.rc_context({"svg.hashsalt": alt}):
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=100, facecolor="white", metadata={"Software": None})
        plt.close(figure)
        self._svg, self._png = _themed(svg.getvalue(), alt), png.getvalue()
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

    Groups lose their ids, which would be the same in every figure of a page. Lengths keep two
    decimals: a hundredth of a point is finer than any screen.
    """
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r'(?<= (?:d|x|y)=")[^"]*|(?<=translate\()[^)]*', _two_decimals, svg)
    svg = re.sub(r"(?<=[;:]) (?=[^<>]*>)", "", svg)
    return re.sub(r"\s+", " ", svg).replace("> <", "><")


def _two_decimals(lengths: re.Match[str]) -> str:
    text = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", lengths[0])
    return re.sub(r"\s*([A-Zz])\s*", r"\1", text)
