"""The site with all the papers that are planned: it stays light, short and quick to narrow.

Papers without a notebook yet stand in with the content of one that has, under their own titles.
"""

import fcntl
import http.server
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import DESKTOP, EXECUTED, PHONE, Quiet

from bookbinder import catalogue
from bookbinder.catalogue import Catalogue, Paper

Open = Callable[..., Any]
ROOT = Path(__file__).parents[2]
MB = 1_000_000
TAKEN = ("src", "pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT", "requirements.txt")
TAKEN += ("CONTRIBUTING.md", "notebooks")
LENT = ("read", "finding", "prerequisites", "waived", "claims")  # what a stand-in's entry takes


def lend(root: Path, paper: Paper, model: Paper) -> None:
    """Gives a paper without a notebook the content of one that has."""
    entries, records = root / "book/papers", root / "book/record"
    own, lent = (
        yaml.load((entries / f"{slug}.yml").read_text("utf-8"), catalogue.LOADER)
        for slug in (paper.slug, model.slug)
    )
    entry = own | {name: lent[name] for name in LENT if name in lent}
    (entries / f"{paper.slug}.yml").write_text(yaml.safe_dump(entry), "utf-8")
    record, target = records / f"{model.slug}.json", records / f"{paper.slug}.json"
    target.write_text(record.read_text("utf-8").replace(model.slug, paper.slug), "utf-8")
    executed = (EXECUTED / f"{model.slug}.ipynb").read_text("utf-8")
    executed = executed.replace(model.slug, paper.slug)
    executed = re.sub(
        r"\]\((?=[a-z0-9-]+\.ipynb)", f"](../{model.part}/", executed
    )  # its neighbors
    executed = re.sub(r'"# [^"]+"', json.dumps(f"# {paper.title}"), executed, count=1)
    (root / f"build/executed/{paper.slug}.ipynb").write_text(executed, "utf-8")
    paper.notebook(root).parent.mkdir(exist_ok=True)
    shutil.copy(model.notebook(root), paper.notebook(root))


def build(root: Path) -> None:
    """The whole site below `root`, in `build/site.next`."""
    root.mkdir()
    for name in TAKEN:
        (root / name).symlink_to(ROOT / name)
    (root / "notebooks").unlink()
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    shutil.copytree(ROOT / "book", root / "book")
    shutil.copytree(EXECUTED, root / "build/executed")
    book = catalogue.load(ROOT)
    written = book.written(ROOT)
    planned = [paper for paper in book.papers if paper not in written]
    for paper, model in zip(planned, itertools.cycle(written), strict=False):
        lend(root, paper, model)
    command = [sys.executable, "-m", "bookbinder.site"]
    subprocess.run(
        command, cwd=root, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}
    )


@pytest.fixture(scope="session")
def large_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the first worker that asks for it."""
    shared = tmp_path_factory.getbasetemp().parent
    with (shared / "large-site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = shared / "large-site/build/site.next"
        if not built.exists():
            shutil.rmtree(shared / "large-site", ignore_errors=True)
            build(shared / "large-site")
    return built


@pytest.fixture(scope="session")
def large_server(large_site: Path) -> Iterator[str]:
    """Address of a server for it."""

    def handler(*arguments: Any) -> Any:
        return Quiet(*arguments, directory=str(large_site))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


@pytest.fixture(scope="session")
def everything() -> Catalogue:
    return catalogue.load(ROOT)


def weight(page: Any, address: str, site: Path) -> int:
    """Bytes of all that a page loads to its end."""
    loaded: set[str] = set()
    page.on("response", lambda response: loaded.add(response.url))
    page.goto(address)
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    origin = "/".join(address.split("/")[:3]) + "/"
    files = {url.removeprefix(origin).split("?")[0] for url in loaded}
    return sum((site / name).stat().st_size for name in files)


def screens(page: Any) -> float:
    """How many screens high a page is."""
    return float(page.evaluate("document.documentElement.scrollHeight / innerHeight"))


@pytest.mark.parametrize(
    ("name", "limit"),
    [("index.html", MB), ("scoreboard.html", 1.5 * MB), ("findings.html", 1.5 * MB)],
)
def test_pages_that_list_all_papers_are_light(
    large_site: Path, large_server: str, open_page: Open, name: str, limit: float
) -> None:
    page = open_page("about:blank")
    assert weight(page, large_server + name, large_site) < limit


def test_the_index_of_the_search_is_small(large_site: Path) -> None:
    assert (large_site / "searchindex.js").stat().st_size < 400_000


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_landing_page_lists_every_paper_on_few_screens(
    large_server: str, open_page: Open, everything: Catalogue, size: tuple[int, int]
) -> None:
    page = open_page(large_server + "index.html", size)
    assert page.locator("#gallery .card").count() == len(everything.papers)
    assert page.locator("#gallery h3").count() == len(everything.parts)
    gallery = page.locator("#gallery").bounding_box()
    assert gallery["height"] / size[1] < 16
    options = page.locator("select[name=tag] option").count() - 1
    cards = page.locator("#gallery .card").evaluate_all("all => all.map((c) => c.dataset.tag)")
    assert options <= 25
    used = [tag for card in cards for tag in card.split("|")]
    assert min(used.count(tag) for tag in set(used)) >= 2, "a tag that finds one paper"


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_the_scoreboard_folds_and_sorts(
    large_server: str, open_page: Open, everything: Catalogue, size: tuple[int, int]
) -> None:
    """Folded rows are not laid out, whichever way they are sorted."""
    page = open_page(large_server + "scoreboard.html", size)
    rows = page.locator("#claims-table tbody tr:not(.group)")
    assert rows.count() > 800
    assert page.locator("#claims-table .fold:visible").count() == len(everything.papers)
    table = page.locator("#claims-table").bounding_box()
    assert table["height"] / size[1] < (14 if size == PHONE else 8)
    for head in page.locator("#claims-table thead button").all():
        head.evaluate("button => button.click()")
        assert page.locator("#claims-table tbody tr:not(.group):visible").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth - screen.width") <= 0


def test_a_verdict_is_matched_exactly(large_server: str, open_page: Open) -> None:
    page = open_page(large_server + "scoreboard.html?verdict=partly")
    kept = page.locator("#claims-table tbody tr:not(.group):visible")
    verdicts = kept.evaluate_all("all => all.map((r) => r.querySelector('.verdict').textContent)")
    assert verdicts and set(verdicts) == {"partly"}


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_part_has_its_page(
    large_site: Path,
    large_server: str,
    open_page: Open,
    everything: Catalogue,
    size: tuple[int, int],
) -> None:
    page = open_page("about:blank", size)
    for part in everything.parts:
        page.goto(f"{large_server}{part.slug}/index.html")
        assert page.locator(".reading-order > li").count() == len(part.papers)
        assert page.evaluate("document.documentElement.scrollWidth - screen.width") <= 0


def test_search_finds_each_paper_by_its_title_and_keywords(
    large_server: str, open_page: Open, everything: Catalogue
) -> None:
    """Names that hold digits too: W4A4, E4M3, 3D."""
    page = open_page(large_server + "search.html")
    page.wait_for_function("Search.hasIndex()")
    asked = [
        [f"{paper.part}/{paper.slug}", query]
        for paper in everything.papers
        for query in (paper.title, *paper.keywords)
    ]
    assert page.evaluate(MISSED, asked) == []


MISSED = """(asked) => asked.filter(([page, query]) => {
  const results = Search._performSearch(...Search._parseQuery(query));
  return !results.some(([found]) => found === page);
})"""
