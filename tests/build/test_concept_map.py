"""A part's map shows the papers that have a page, and only arrows between those."""

import itertools
import re

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT

from bookbinder import catalogue, concept_map

BOOK = catalogue.load(ROOT)
MAPS = {part.slug: part.map for part in BOOK.parts if part.map}
MAP = next(iter(MAPS.values()))


def drawn(slugs, concepts=MAP):
    html = concept_map.draw(concepts, {slug: f"{slug}.html" for slug in slugs})
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize("part", MAPS)
def test_every_paper_with_a_page_is_on_the_map_of_its_part(part):
    written = {paper.slug for paper in BOOK.written(ROOT) if paper.part == part}
    assert written <= set(MAPS[part].papers)


def test_every_paper_is_a_link_and_every_link_an_arrow_with_its_idea():
    page = drawn(MAP.papers)
    assert [a["href"] for a in page.select("svg a")] == [f"{slug}.html" for slug in MAP.papers]
    assert len(page.select("path.arrow")) == len(page.select("ol li")) == len(MAP.links)
    numbers = [text.get_text() for text in page.select(".number text")]
    assert numbers == [str(n) for n in range(1, len(MAP.links) + 1)]
    for item, link in zip(page.select("ol li"), MAP.links, strict=True):
        assert item.get_text().endswith(link.idea)


@pytest.mark.parametrize("missing", MAP.papers)
def test_a_paper_without_a_page_is_left_out_with_its_arrows(missing):
    page = drawn([slug for slug in MAP.papers if slug != missing])
    kept = [link for link in MAP.links if missing not in (link.source, link.target)]
    assert len(page.select("svg a")) == len(MAP.papers) - 1
    assert len(page.select("path.arrow")) == len(page.select("ol li")) == len(kept)


@pytest.mark.parametrize("part", MAPS)
def test_text_fits_and_boxes_do_not_overlap(part):
    page = drawn(MAPS[part].papers, MAPS[part])
    boxes = [tuple(float(r[k]) for k in ("x", "y", "width", "height")) for r in page.select("rect")]
    for (x, y, w, h), (u, v, _, _) in itertools.combinations(boxes, 2):
        assert abs(x - u) >= w or abs(y - v) >= h
    for box in page.select("svg a"):
        lines = box.select("text:not(.name)")
        assert len(lines) <= 3 and all(len(t.get_text()) <= concept_map.LINE for t in lines)
    view = [float(v) for v in re.split(" ", page.svg["viewbox"])]
    assert all(x >= 0 and x + w <= view[2] and y + h <= view[3] for x, y, w, h in boxes)
