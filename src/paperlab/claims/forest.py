"""A check as a small forest plot: the rule's region, the run's interval, draws, and controls."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paperlab.claims.estimates import Estimate
from paperlab.claims.rules import Rule

WIDTH, HEIGHT, MARGIN = 240.0, 26.0, 10.0
FAR = 2.5  # a control farther away than this many spans is an arrow at the border

# Colors of the page where there is one, and readable ones elsewhere.
_INK, _GOOD = "var(--ink, currentColor)", "var(--good, #2e8b57)"
_ACCENT, _MUTED = "var(--accent, #5566cc)", "var(--muted, #80868f)"


@dataclasses.dataclass(frozen=True)
class Strips:
    """The strips of a check's plot, one under the other on a common scale, as SVG images.

    They are hidden from screen readers: the same numbers stand beside them as text.

    Attributes:
        main: the measurement with the draws and the paper's own value.
        others: one for each control, attainable value and other setting, in their order.
    """

    main: str
    others: list[str]


def strips(check: Mapping[str, Any], rule: Rule, draws: Sequence[Sequence[float]] = ()) -> Strips:
    """Draws a check.

    Args:
        check: a row of the ledger, as plain JSON values.
        rule: what it is held to.
        draws: (value, low, high) of each sealed draw; shown as ticks.
    """
    main = Estimate.from_json(check["estimate"])
    rows = [*check["controls"], *check["attainable"], *check["sensitivity"]]
    others = [Estimate.from_json(row["estimate"]) for row in rows]
    scale = _Scale([main.low, main.high, *(d[0] for d in draws), *_marks(check, rule)], others)
    regions = "".join(_regions(rule, scale))
    parts = [_tick(scale(value)) for value, *_ in draws]
    parts += [_interval(main, scale, filled=True), *_labels(rule, scale)]
    if check["paper_value"] is not None:
        parts.append(_diamond(scale(check["paper_value"])))
    return Strips(
        _svg(regions + "".join(parts)),
        [_svg(regions + _interval(other, scale, filled=False)) for other in others],
    )


def _svg(content: str) -> str:
    return (
        f'<svg class="forest" aria-hidden="true" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'style="width:100%;max-width:{WIDTH * 1.25:g}px;display:block">{content}</svg>'
    )


class _Scale:
    """From a quantity to a place between the margins; what lies outside goes to the border."""

    def __init__(self, shown: Sequence[float], controls: Iterable[Estimate]) -> None:
        low, high = min(shown), max(shown)
        span = (high - low) or abs(high) or 1.0
        near = [
            end
            for control in controls
            for end in (control.low, control.high)
            if low - FAR * span <= end <= high + FAR * span
        ]
        low, high = min([low, *near]), max([high, *near])
        span = (high - low) or span
        self.low, self.high = low - 0.08 * span, high + 0.08 * span

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return MARGIN + (WIDTH - 2 * MARGIN) * min(max(share, 0.0), 1.0)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def _marks(check: Mapping[str, Any], rule: Rule) -> list[float]:
    """What must be in the picture beside the measurement: edges of the rule, the paper's value."""
    edges = [edge for edge in (*rule.region, *rule.direction) if math.isfinite(edge)]
    return edges if check["paper_value"] is None else [*edges, check["paper_value"]]


def _regions(rule: Rule, scale: _Scale) -> Iterable[str]:
    for (low, high), opacity in ((rule.direction, 0.09), (rule.region, 0.17)):
        left = scale(low) if math.isfinite(low) else 0.0
        right = scale(high) if math.isfinite(high) else WIDTH
        width = max(right - left, 1.5)
        yield (
            f'<rect x="{left:.1f}" y="0" width="{width:.1f}" height="{HEIGHT:g}" '
            f'style="fill:{_GOOD};opacity:{opacity}"/>'
        )


def _labels(rule: Rule, scale: _Scale) -> Iterable[str]:
    """The finite edges of the region, written at its foot."""
    edges = sorted({edge for edge in rule.region if math.isfinite(edge)})
    close = len(edges) == 2 and abs(scale(edges[1]) - scale(edges[0])) < 44
    for edge in edges[:1] if close else edges:
        x = min(max(scale(edge), 14), WIDTH - 14)
        number = 0.0 if abs(edge) < 1e-300 else edge  # an open end at zero is its neighbor
        text = f"{number:.3g}".replace("-", "−")
        yield (
            f'<text x="{x:.1f}" y="{HEIGHT - 1:g}" text-anchor="middle" '
            f'style="font:9.5px sans-serif;fill:{_MUTED}">{text}</text>'
        )


def _interval(estimate: Estimate, scale: _Scale, filled: bool) -> str:
    color, width, y = (_INK, 2.2, 9.0) if filled else (_MUTED, 1.4, HEIGHT / 2)
    if not scale.holds(estimate.value):
        right = estimate.value > scale.high
        x, step = (WIDTH - 2, -7) if right else (2, 7)
        path = f"M{x:g} {y:g}l{step} -4v8z"
        return f'<path d="{path}" style="fill:none;stroke:{color};stroke-width:1.4"/>'
    x, low, high = scale(estimate.value), scale(estimate.low), scale(estimate.high)
    fill = color if filled else "var(--paper, none)"
    return (
        f'<path d="M{low:.1f} {y:g}H{high:.1f}" style="stroke:{color};stroke-width:{width}"/>'
        f'<circle cx="{x:.1f}" cy="{y:g}" r="3.6" '
        f'style="fill:{fill};stroke:{color};stroke-width:1.4"/>'
    )


def _tick(x: float) -> str:
    return f'<path d="M{x:.1f} 2v14" style="stroke:{_ACCENT};stroke-width:1.2;opacity:.6"/>'


def _diamond(x: float) -> str:
    path = f"M{x:.1f} 4l4 5l-4 5l-4 -5z"
    return f'<path d="{path}" style="fill:none;stroke:{_ACCENT};stroke-width:1.6"/>'
