"""The built site, its catalogue, a server for it, and a browser."""

import dataclasses
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


@dataclasses.dataclass
class Visit:
    """What happened while a page was opened and scrolled through.

    Attributes:
        page: address below the site's root.
        problems: console messages, script errors, and requests that failed or left the site.
        weight: bytes of everything loaded, keyed by address.
        facts: what a script found out on the page.
    """

    page: str
    problems: list[str]
    weight: dict[str, int]
    facts: dict[str, Any]


FACTS = r"""() => {
  const text = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const rawMath = [];
  while (text.nextNode()) {
    const inside = text.currentNode.parentElement.closest("pre, code, script, style, .katex");
    const data = text.currentNode.data.trim();
    if (!inside && /\\\(|\\\[|\$\$/.test(data)) rawMath.push(data);
  }
  const excess = document.documentElement.scrollWidth - innerWidth;
  const wide = excess <= 0 ? [] : [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .filter((e) => !e.closest("pre, .katex-display"))
    .map((e) => e.tagName + "." + e.className).slice(0, 5);
  return {
    rawMath, excess, wide,
    mathErrors: [...document.querySelectorAll(".katex-error")].map((e) => e.title),
    formulas: document.querySelectorAll(".katex").length,
    unrendered: [...document.querySelectorAll("span.math, div.math")]
      .filter((e) => !e.querySelector(".katex")).map((e) => e.textContent),
  };
}"""


@pytest.fixture(scope="session")
def site() -> Path:
    """The published site."""
    if not (SITE / "index.html").exists():
        pytest.fail(f"{SITE} holds no site; run `make book` first")
    return SITE


@pytest.fixture(scope="session")
def pages(site: Path) -> list[str]:
    """Every page, as an address below the site's root."""
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))


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
    """What the executed notebooks recorded of each paper's claims."""
    return record.collect([paper.slug for paper in papers], EXECUTED)


@pytest.fixture(scope="session")
def server(site: Path) -> Iterator[str]:
    """Address of a server for the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()


@pytest.fixture(scope="session", params=["served", "from disk"])
def root(request: pytest.FixtureRequest, site: Path) -> str:
    """Address of the site's root, once over HTTP and once from disk."""
    if request.param == "served":
        return str(request.getfixturevalue("server"))
    return f"{site.as_uri()}/"


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
        viewport = {"width": size[0], "height": size[1]}
        contexts.append(browser.new_context(viewport=viewport, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def visits(browser: Any, root: str, pages: list[str]) -> list[Visit]:
    """Every page, opened at a phone's width with everything unfolded and scrolled to its end."""
    context = browser.new_context(viewport={"width": PHONE[0], "height": PHONE[1]})
    found = [_visit(context, root, page) for page in pages]
    context.close()
    return found


def _visit(context: Any, root: str, address: str) -> Visit:
    page = context.new_page()
    visit = Visit(address, [], {}, {})

    def on_response(response: Any) -> None:
        if response.status >= 400:
            visit.problems.append(f"{response.status} {response.url}")
        else:
            visit.weight[response.url] = len(response.body())

    def on_request(request: Any) -> None:
        if not request.url.startswith((root, "data:")):
            visit.problems.append(f"leaves the site: {request.url}")

    page.on("console", lambda message: visit.problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: visit.problems.append(f"error: {error}"))
    page.on("requestfailed", lambda r: visit.problems.append(f"failed: {r.url} {r.failure}"))
    page.on("request", on_request)
    page.on("response", on_response)
    page.goto(root + address)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.evaluate("document.fonts.ready.then(() => null)")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    visit.facts = page.evaluate(FACTS)
    page.close()
    return visit
