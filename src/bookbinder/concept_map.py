"""A part's concept map: its papers as linked boxes, and numbered arrows explained below.

Pure functions of the catalogue; the drawing is SVG in the page's own colors and fonts.
"""

import textwrap

from bookbinder.catalogue import Concept, ConceptMap
from paperlab.claims import text_to_html

# In the units of the drawing, which is as wide as a phone; a larger screen scales it up.
WIDTH, BOX, HEIGHT, GAP, MARGIN = 420, 158, 80, 44, 28
LINE = 27  # characters of a question that fit in a box


def draw(concepts: ConceptMap, pages: dict[str, str]) -> str:
    """The map as HTML: the drawing, and the ideas as a numbered list.

    Args:
        concepts: the map.
        pages: addresses of the papers that have a page, by slug; others are left out, with their
            arrows.
    """
    rows = [[c for c in row if c.paper in pages] for row in concepts.rows]
    rows = [row for row in rows if row]
    places = {
        concept.paper: (
            WIDTH / 2 if len(row) == 1 else MARGIN + BOX / 2 + k * (WIDTH - 2 * MARGIN - BOX),
            i * (HEIGHT + GAP),
        )
        for i, row in enumerate(rows)
        for k, concept in enumerate(row)
    }
    links = [a for a in concepts.links if a.source in places and a.target in places]
    names = {c.paper: c.name for row in rows for c in row}
    arrows = "".join(
        _arrow(places[link.source], places[link.target], number)
        for number, link in enumerate(links, 1)
    )
    boxes = "".join(_box(c, places[c.paper], pages[c.paper]) for row in rows for c in row)
    height = len(rows) * (HEIGHT + GAP) - GAP
    ideas = "".join(
        f"<li><b>{names[a.source]} → {names[a.target]}.</b> {text_to_html(a.idea)}</li>"
        for a in links
    )
    return (
        f'<div class="map"><svg viewBox="0 -2 {WIDTH} {height + 4}" role="group" '
        'aria-label="Concept map; its arrows are explained in the list below">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
        f"{arrows}{boxes}</svg><ol>{ideas}</ol></div>"
    )


def _box(concept: Concept, place: tuple[float, float], page: str) -> str:
    x, y = place
    lines = textwrap.wrap(concept.question, LINE)
    first = y + 34 - 7.5 * (len(lines) - 1)
    text = "".join(
        f'<text x="{x:g}" y="{first + 17 + 15 * n:g}">{text_to_html(line)}</text>'
        for n, line in enumerate(lines)
    )
    return (
        f'<a href="{page}"><rect x="{x - BOX / 2:g}" y="{y:g}" width="{BOX}" height="{HEIGHT}" '
        f'rx="9"/><text class="name" x="{x:g}" y="{first:g}">{text_to_html(concept.name)}</text>'
        f"{text}</a>"
    )


def _arrow(start: tuple[float, float], end: tuple[float, float], number: int) -> str:
    """From box to box: across within a row, down to the next, around the side beyond it."""
    (x, y), (u, v) = start, end
    rows = (v - y) / (HEIGHT + GAP)
    if rows == 0:
        side = BOX / 2 if u > x else -BOX / 2
        x, u, y, v = x + side, u - side, y + HEIGHT / 2, v + HEIGHT / 2
        path, middle = f"M{x:g} {y:g}H{u:g}", ((x + u) / 2, y)
    elif rows == 1 or x != u:
        # Arrows that share a box spread over its edge, towards where they lead.
        lean = BOX / 5 if u > x else -BOX / 5 if u < x else 0
        x, u, y = x + lean, u - lean, y + HEIGHT
        path = f"M{x:g} {y:g}C{x:g} {(y + v) / 2:g} {u:g} {(y + v) / 2:g} {u:g} {v:g}"
        middle = ((x + u) / 2, (y + v) / 2)
    else:
        side = -1 if x <= WIDTH / 2 else 1
        edge = x + side * BOX / 2
        bend = edge + side * (MARGIN - 11)
        y, v = y + HEIGHT * 0.6, v + HEIGHT * 0.4
        path = f"M{edge:g} {y:g}C{bend:g} {y:g} {bend:g} {y:g} {bend:g} {y + 20:g}"
        path += f"V{v - 20:g}C{bend:g} {v:g} {bend:g} {v:g} {edge:g} {v:g}"
        middle = (bend, (y + v) / 2)
    return (
        f'<path class="arrow" d="{path}" marker-end="url(#tip)"/>'
        f'<g class="number"><circle cx="{middle[0]:g}" cy="{middle[1]:g}" r="9"/>'
        f'<text x="{middle[0]:g}" y="{middle[1] + 4:g}">{number}</text></g>'
    )
