"""The built pages as files: links, headers, downloads, and agreement with the record."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import address
from PIL import Image

from bookbinder.catalogue import Catalogue, Paper
from paperlab.claims import MIME_TYPE, text_to_html

Records = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def soups(site: Path, pages: list[str]) -> dict[str, BeautifulSoup]:
    """Every page, parsed."""
    return {page: BeautifulSoup((site / page).read_text("utf-8"), "html.parser") for page in pages}


def targets(soup: BeautifulSoup) -> Iterator[str]:
    """All that a page links to or loads."""
    for tag, attribute in (("a", "href"), ("link", "href"), ("img", "src"), ("script", "src")):
        yield from (element[attribute] for element in soup.find_all(tag, {attribute: True}))
    yield from (form["action"] for form in soup.find_all("form", action=True) if form["action"])


def test_internal_links_and_anchors_resolve(site: Path, soups: dict[str, BeautifulSoup]) -> None:
    anchors = {
        page: {element["id"] for element in soup.find_all(id=True)} for page, soup in soups.items()
    }
    broken = []
    for page, soup in soups.items():
        for target in set(targets(soup)):
            link = urlsplit(target)
            if link.scheme:
                continue
            path = (site / page).parent / unquote(link.path) if link.path else site / page
            path = path.resolve()
            if not path.is_relative_to(site.resolve()) or not path.is_file():
                broken.append(f"{page}: {target}")
            elif path.suffix == ".html" and link.fragment:
                name = str(path.relative_to(site.resolve()))
                if unquote(link.fragment) not in anchors[name]:
                    broken.append(f"{page}: {target} has no such anchor")
    assert broken == []


def test_no_page_loads_anything_from_elsewhere(site: Path, soups: dict[str, BeautifulSoup]) -> None:
    found = [
        f"{page}: {element}"
        for page, soup in soups.items()
        for element in soup.find_all(["script", "img", "iframe", "source", "link"])
        if urlsplit(element.get("src") or element.get("href") or "").scheme in ("http", "https")
    ]
    found += [
        f"{style}: {address}"
        for style in site.rglob("*.css")
        for address in re.findall(
            r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')]+)", style.read_text()
        )
    ]
    assert found == []


def test_anchors_are_unique(soups: dict[str, BeautifulSoup]) -> None:
    repeated = []
    for page, soup in soups.items():
        for svg in soup.find_all("svg"):
            svg.attrs.pop("id", None)
        ids = [e["id"] for e in soup.find_all(id=True) if e.find_parent("svg") is None]
        repeated += [f"{page}: {name}" for name in set(ids) if ids.count(name) > 1]
    assert repeated == []


def test_every_paper_has_its_header(
    papers: list[Paper], soups: dict[str, BeautifulSoup], records: Records
) -> None:
    for paper in papers:
        soup = soups[address(paper)]
        header = soup.select_one("h1 + .paper-header, h1 ~ .paper-header")
        assert header is not None, paper.slug
        text = " ".join(header.get_text(" ").split())
        title = soup.h1.get_text() + text
        assert paper.title in title, paper.slug
        assert ", ".join(paper.authors) in text, paper.slug
        assert paper.venue in text, paper.slug
        assert header.find("time", datetime=str(paper.published)), paper.slug
        assert header.select_one(".scope").get_text() == paper.scope
        assert re.search(r"\d+ (s|min) on one core, [\d.]+ (MB|GB)", text), paper.slug
        links = [a["href"] for a in header.find_all("a")]
        assert (f"https://arxiv.org/abs/{paper.arxiv}" in links) == (paper.arxiv is not None)
        assert paper.code is None or paper.code in links
        strip = [
            [a.b.get_text(), a.select_one(".verdict").get_text()]
            for a in header.select(".verdicts a")
        ]
        assert strip == [[c["id"], c["verdict"]] for c in records[paper.slug]], paper.slug
        assert html.unescape(text_to_html(paper.read)) in text, paper.slug
        assert "sealed draws" in text, paper.slug
        assert re.search(r"Reads in \d+ min", text), paper.slug
        assert header.select_one(".finding"), paper.slug


def test_verdict_strip_says_the_claims_and_leads_to_them(
    papers: list[Paper], soups: dict[str, BeautifulSoup], records: Records
) -> None:
    for paper in papers:
        soup = soups[address(paper)]
        section = next(
            s for s in soup.find_all("section") if s.h2 and s.h2.get_text().startswith("Claims")
        )
        pills = soup.select(".paper-header #verdicts a")
        for link, claim in zip(pills, records[paper.slug], strict=True):
            said = link.select_one(".statement").get_text()
            assert said == html.unescape(text_to_html(claim["statement"])), paper.slug
            target = section.find(id=link["href"].removeprefix("#"))
            assert target is not None, f"{paper.slug}: {link['href']}"
            assert link.b.get_text() in target.get_text()
        assert section.find("a", href="#verdicts") is not None, paper.slug


def test_claims_and_their_measurements_have_addresses(
    papers: list[Paper], soups: dict[str, BeautifulSoup]
) -> None:
    for paper in papers:
        for row in soups[address(paper)].select("table.claims tr:is(.claim, .check)"):
            own = row.parent["id"] if "claim" in row["class"] else row["id"]
            assert row.select_one("a.headerlink")["href"] == f"#{own}", paper.slug


def test_every_paper_offers_its_executed_notebook(
    site: Path, papers: list[Paper], soups: dict[str, BeautifulSoup]
) -> None:
    for paper in papers:
        link = soups[address(paper)].select_one(".paper-header a[download]")
        notebook = nbformat.read(site / paper.part / link["href"], as_version=4)
        nbformat.validate(notebook)
        check, *code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert check.id == "library-check" and not check.outputs
        outputs = [output for cell in code for output in cell.outputs]
        assert all(cell.execution_count for cell in code), paper.slug
        assert sum(MIME_TYPE in output.get("data", {}) for output in outputs) == 1, paper.slug
        written = nbformat.read(paper.notebook(), as_version=4)
        stored = [cell.source for cell in written.cells if cell.cell_type == "code"]
        assert [cell.source for cell in code] == stored, paper.slug
        # JupyterLab drops inline SVG from a notebook that it does not trust yet.
        assert not any("<svg" in output.get("data", {}).get("text/html", "") for output in outputs)


def test_every_paper_has_a_small_thumbnail(
    site: Path, papers: list[Paper], soups: dict[str, BeautifulSoup]
) -> None:
    images = {img["src"]: img for img in soups["index.html"].select(".gallery img")}
    assert len(images) == len(papers)
    for paper in papers:
        source = f"_static/thumbnails/{paper.slug}.webp"
        assert images[source]["loading"] == "lazy"
        assert Image.open(site / source).width <= 384
        assert (site / source).stat().st_size < 30_000, paper.slug


def test_scoreboard_shows_the_record(
    site: Path, papers: list[Paper], records: Records, soups: dict[str, BeautifulSoup]
) -> None:
    offered = json.loads((site / "claims.json").read_text("utf-8"))
    assert {slug: own["claims"] for slug, own in offered.items()} == records
    shown = [
        (row.a["href"], row.select_one(".verdict").get_text())
        for row in soups["scoreboard.html"].select("#claims-table tbody tr:not(.group)")
    ]
    assert shown == [
        (f"{address(paper)}#claim-{claim['id']}", claim["verdict"])
        for paper in papers
        for claim in records[paper.slug]
    ]
    notebooks = soups["scoreboard.html"].select("#notebooks-table tbody tr")
    assert [row.a["href"] for row in notebooks] == [address(paper) for paper in papers]


def test_what_running_each_paper_showed_is_listed(
    papers: list[Paper], soups: dict[str, BeautifulSoup]
) -> None:
    links = [a["href"] for a in soups["findings.html"].select(".findings .foot a")]
    assert links == [address(paper) for paper in papers]
    first = [a["href"] for a in soups["index.html"].select(".findings .foot a")]
    assert first == [address(next(q for q in papers if q.part == part)) for part in parts(papers)]


def parts(papers: list[Paper]) -> list[str]:
    return list(dict.fromkeys(paper.part for paper in papers))


def test_the_ledger_shows_a_strip_for_each_row_and_the_draws(
    papers: list[Paper], soups: dict[str, BeautifulSoup], records: Records
) -> None:
    for paper in papers:
        table = soups[address(paper)].select_one("table.claims")
        rows = table.select("tr.check, tr.control")
        assert all(row.select_one("svg.forest[aria-hidden=true]") for row in rows), paper.slug
        checks = [check for claim in records[paper.slug] for check in claim["checks"]]
        assert len(table.select("tr.check")) == len(checks), paper.slug
        assert len(table.select('svg path[d$="v14"]')) == sum(len(c["draws"]) for c in checks)


def test_planned_papers_are_on_the_scoreboard_and_nowhere_else(
    book: Catalogue, papers: list[Paper], soups: dict[str, BeautifulSoup]
) -> None:
    written = {paper.slug for paper in papers}
    planned = [paper for paper in book.papers if paper.slug not in written]
    rows = soups["scoreboard.html"].select("#planned-table tbody tr th")
    assert [row.get_text() for row in rows] == [paper.title for paper in planned]
    parts = {paper.part for paper in papers}
    for page, soup in soups.items():
        links = " ".join(a["href"] for a in soup.find_all("a", href=True))
        assert not [p.slug for p in planned if f"{p.slug}.html" in links], page
        assert not [p.slug for p in book.parts if p.slug not in parts and f"{p.slug}/" in links]
    generated = ["index.html", *(f"{part}/index.html" for part in parts)]
    for page in generated:
        text = soups[page].get_text()
        assert not [paper.title for paper in planned if paper.title in text], page


def test_every_figure_has_caption_and_alternative_text(
    papers: list[Paper], soups: dict[str, BeautifulSoup]
) -> None:
    for paper in papers:
        figures = soups[address(paper)].select("figure.paper-figure")
        assert figures, paper.slug
        for figure in figures:
            assert len(figure.figcaption.get_text().split()) >= 5, paper.slug
            assert len(figure.svg["aria-label"].split()) >= 5, paper.slug


def test_figures_refer_to_their_own_definitions(
    papers: list[Paper], soups: dict[str, BeautifulSoup]
) -> None:
    for paper in papers:
        for figure in soups[address(paper)].select("figure.paper-figure"):
            text = str(figure.svg)
            used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", text))
            ids = [element["id"] for element in figure.svg.find_all(id=True)]
            assert {a or b for a, b in used} <= set(ids), paper.slug
            assert len(ids) == len(set(ids)), paper.slug


def test_launch_buttons_need_a_repository(papers: list[Paper]) -> None:
    from bookbinder.pages.paper import launch_links

    services = {
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "jupyterhub_url": "https://hub.example.org",
    }
    paper = papers[0]
    path = f"notebooks/{paper.part}/{paper.slug}.ipynb"
    assert launch_links(paper, {"repository": {"url": ""}, "launch_buttons": services}) == []
    links = dict(
        launch_links(
            paper,
            {"repository": {"url": "https://github.com/a/b"}, "launch_buttons": services},
        )
    )
    assert list(links) == ["Colab", "Binder", "JupyterHub"]
    assert links["Colab"] == f"{services['colab_url']}/github/a/b/blob/main/{path}"
    assert links["Binder"].startswith("https://mybinder.org/v2/gh/a/b/main?urlpath=lab%2Ftree%2F")
    assert links["JupyterHub"].startswith("https://hub.example.org/hub/user-redirect/git-pull?")


def test_katex_style_and_script_are_of_one_version(site: Path) -> None:
    style = (site / "_static/katex/katex.min.css").read_text("utf-8")
    script = (site / "_static/katex.min.js").read_text("utf-8")
    version = re.search(r'\.katex-version:after\{content:"([\d.]+)"', style)
    assert version is not None
    assert f'version:"{version[1]}"' in script
