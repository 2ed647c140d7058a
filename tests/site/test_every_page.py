"""Every page of the site, opened once: quiet, self-contained, light, readable on a phone."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from conftest import FOLD_OUT, PHONE, address, device, list_pages

from bookbinder import catalogue

MB = 1_000_000

PAPERS = {address(paper) for paper in catalogue.load().written()}
PAPER = min(PAPERS, default="index.html")

# Without a server only what can differ without one: one page of each kind.
FROM_DISK = ["index.html", PAPER, f"{Path(PAPER).parent}/index.html"]
FROM_DISK += ["scoreboard.html", "search.html"]

VISITS = [("served", page) for page in list_pages() or ["index.html"]]
VISITS += [("from disk", page) for page in FROM_DISK]


@dataclasses.dataclass
class Visit:
    """What happened while a page was opened, unfolded and scrolled through.

    Attributes:
        page: address below the site's root.
        problems: console messages, script errors, and requests that failed or left the site.
        weight: bytes of everything loaded, keyed by address below the site's root.
        solutions: for each solution whether it was visible at first, after Enter, after Space.
        facts: what a script found out on the page.
    """

    page: str
    problems: list[str] = dataclasses.field(default_factory=list)
    weight: dict[str, int] = dataclasses.field(default_factory=dict)
    solutions: list[list[bool]] = dataclasses.field(default_factory=list)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


FACTS = r"""() => {
  const text = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const rawMath = [];
  while (text.nextNode()) {
    const inside = text.currentNode.parentElement.closest("pre, code, script, style, .katex");
    const data = text.currentNode.data.trim();
    if (!inside && /\\\(|\\\[|\$\$/.test(data)) rawMath.push(data);
  }
  const excess = document.documentElement.scrollWidth - screen.width;
  const wide = excess <= 0 ? [] : [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > screen.width + 1)
    .filter((e) => !e.closest("pre, .katex-display"))
    .map((e) => e.tagName + "." + e.className).slice(0, 5);
  return {
    rawMath, excess, wide,
    mathErrors: [...document.querySelectorAll(".katex-error")].map((e) => e.title),
    layout: innerWidth - screen.width,
    title: document.title,
    formulas: document.querySelectorAll(".katex").length,
    tooWide: [...document.querySelectorAll(".katex-display")]
      .filter((e) => e.scrollWidth > e.clientWidth + 1)
      .map((e) => e.querySelector("annotation").textContent),
    unsigned: [...document.querySelectorAll(".katex-display, pre")]
      .filter((e) => e.scrollWidth > e.clientWidth + 1)
      .filter((e) => !e.matches(".more-right[tabindex='0']"))
      .map((e) => e.textContent.slice(0, 40)),
    unrendered: [...document.querySelectorAll("span.math, div.math")]
      .filter((e) => !e.querySelector(".katex")).map((e) => e.textContent),
  };
}"""


@pytest.fixture(scope="session")
def context(browser: Any) -> Iterator[Any]:
    """A profile with the screen of a phone."""
    context = browser.new_context(**device(PHONE))
    yield context
    context.close()


@pytest.fixture(scope="session", params=VISITS, ids=": ".join)
def visit(request: pytest.FixtureRequest, context: Any, site: Path, roots: dict[str, str]) -> Visit:
    """The visit of one page."""
    kind, name = request.param
    root, visit = roots[kind], Visit(name)
    page = context.new_page()
    _watch(page, root, site, visit)
    page.goto(root + name)
    visit.solutions = _unfold_by_keyboard(page)
    page.evaluate(FOLD_OUT)
    # A reader scrolls past all pictures; a jump to the end would leave some lazy ones unasked for.
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.evaluate("document.fonts.ready.then(() => null)")
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    visit.facts = page.evaluate(FACTS)
    page.close()
    return visit


def _watch(page: Any, root: str, site: Path, visit: Visit) -> None:
    def on_request(request: Any) -> None:
        if not request.url.startswith((root, "data:")):
            visit.problems.append(f"leaves the site: {request.url}")

    def on_response(response: Any) -> None:
        if response.status >= 400:
            visit.problems.append(f"{response.status} {response.url}")
        elif response.url.startswith(root):
            name = unquote(urlsplit(response.url.removeprefix(root)).path)
            visit.weight[name] = (site / name).stat().st_size

    page.on("console", lambda message: visit.problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: visit.problems.append(f"error: {error}"))
    page.on("requestfailed", lambda r: visit.problems.append(f"failed: {r.url} {r.failure}"))
    page.on("request", on_request)
    page.on("response", on_response)


def _unfold_by_keyboard(page: Any) -> list[list[bool]]:
    found = []
    for solution in page.locator("details.solution").all():
        inside = solution.locator(":scope > :not(summary)").first
        seen = [inside.is_visible()]
        solution.locator("summary").first.focus()
        for key in ("Enter", "Space"):
            page.keyboard.press(key)
            seen.append(inside.is_visible())
        found.append(seen)
    return found


def test_every_paper_has_a_page(pages: list[str]) -> None:
    assert set(pages) >= PAPERS


def test_console_is_clean_and_no_request_fails_or_leaves(visit: Visit) -> None:
    assert visit.problems == []


def test_mathematics_is_rendered(visit: Visit) -> None:
    assert visit.facts["formulas"] > 0 or visit.page not in PAPERS
    for fact in ("rawMath", "mathErrors", "unrendered"):
        assert visit.facts[fact] == [], fact


def test_page_does_not_scroll_sideways_on_a_phone(visit: Visit) -> None:
    assert visit.facts["excess"] <= 0, visit.facts["wide"]


def test_page_is_laid_out_for_the_phone_and_named(visit: Visit) -> None:
    """Without a viewport of its own a page is laid out at 980 pixels and cannot be read."""
    assert visit.facts["layout"] == 0
    assert re.fullmatch(r"(\S.* · )?Paperlab", visit.facts["title"]), visit.facts["title"]


def test_formulas_fit_a_phone(visit: Visit) -> None:
    """What is wider than the column was to be broken into lines where it is written."""
    assert visit.facts["tooWide"] == []


def test_what_goes_on_sideways_shows_it(visit: Visit) -> None:
    """Its edge fades, and a keyboard can scroll it."""
    assert visit.facts["unsigned"] == []


def test_page_is_light(visit: Visit) -> None:
    assert visit.page in visit.weight
    limit = MB if visit.page == "index.html" else 1.5 * MB  # to its end, with every thumbnail
    assert sum(visit.weight.values()) < limit


def test_scripts_that_the_page_does_not_use_are_not_loaded(visit: Visit) -> None:
    loaded = {name.rpartition("/")[2] for name in visit.weight}
    assert ("katex.min.js" in loaded) == (visit.facts["formulas"] > 0)
    assert ("searchindex.js" in loaded) == (visit.page == "search.html")
    assert ("gallery.js" in loaded) == (visit.page == "index.html")
    assert ("tables.js" in loaded) == (visit.page == "scoreboard.html")


def test_solutions_are_folded_and_unfold_by_keyboard(visit: Visit) -> None:
    assert len(visit.solutions) >= 3 or visit.page not in PAPERS
    assert all(seen == [False, True, False] for seen in visit.solutions), visit.solutions
