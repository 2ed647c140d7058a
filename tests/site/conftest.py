"""The built site, its catalogue, a server for it, and a browser."""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bookbinder import catalogue, record

SITE = Path("build/site").resolve()
EXECUTED = Path("build/executed").resolve()
PHONE, DESKTOP = (375, 800), (1440, 900)
FOLD_OUT = "for (const details of document.querySelectorAll('details')) details.open = true"


def device(size: tuple[int, int]) -> dict[str, Any]:
    """Settings of a profile: at the width of a phone everything else is a phone's, too."""
    viewport = {"width": size[0], "height": size[1]}
    if size != PHONE:
        return {"viewport": viewport}
    return {"viewport": viewport, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and does not speak of it."""

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


def list_pages() -> list[str]:
    """Every page that was built, as an address below the site's root."""
    return sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*.html"))


def address(paper: catalogue.Paper) -> str:
    """A paper's page, below the site's root."""
    return f"{paper.part}/{paper.slug}.html"


@pytest.fixture(scope="session")
def site() -> Path:
    """The published site."""
    if not (SITE / "index.html").exists():
        pytest.fail(f"{SITE} holds no site; run `make book` first")
    return SITE


@pytest.fixture(scope="session")
def pages(site: Path) -> list[str]:
    """Every page, as an address below the site's root."""
    return list_pages()


@pytest.fixture(scope="session")
def book() -> catalogue.Catalogue:
    """The catalogue."""
    return catalogue.load()


@pytest.fixture(scope="session")
def papers(book: catalogue.Catalogue) -> list[catalogue.Paper]:
    """The papers that have a page."""
    return book.written()


@pytest.fixture(scope="session")
def records(papers: list[catalogue.Paper]) -> dict[str, list[dict[str, Any]]]:
    """The book's claims: accepted over sealed draws, or this run's where none were accepted."""
    measured = record.collect([paper.slug for paper in papers], EXECUTED)
    accepted = {slug: record.read(slug) for slug in measured}
    return {slug: own["claims"] if (own := accepted[slug]) else measured[slug] for slug in measured}


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[str]:
    """Address of a server for the site."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


@pytest.fixture(scope="session")
def roots(site: Path, server: str) -> dict[str, str]:
    """Addresses of the site's root, over HTTP and from disk."""
    return {"served": server, "from disk": f"{site.as_uri()}/"}


@pytest.fixture(params=["served", "from disk"])
def root(request: pytest.FixtureRequest, roots: dict[str, str]) -> str:
    """Address of the site's root, once over HTTP and once from disk."""
    return roots[request.param]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; without it the tests are skipped, except in CI, where they fail."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("no Chromium found: the browser tests need Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a fresh profile of a given size and color scheme."""
    contexts = []

    def open_(address: str, size: tuple[int, int] = DESKTOP, scheme: str = "light") -> Any:
        contexts.append(browser.new_context(**device(size), color_scheme=scheme))
        page = contexts[-1].new_page()
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
