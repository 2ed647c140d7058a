"""What a reader does with the site in a real browser."""

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import DESKTOP, PHONE, address

from bookbinder import catalogue
from bookbinder.catalogue import Paper

Open = Callable[..., Any]
Records = dict[str, list[dict[str, Any]]]


def background(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system_toggles_and_stays(
    root: str, open_page: Open, papers: list[Paper], scheme: str
) -> None:
    page = open_page(root + "index.html", scheme=scheme)
    before = background(page)
    toggle = page.locator("#theme-toggle")
    assert toggle.get_attribute("aria-pressed") == str(scheme == "dark").lower()
    toggle.focus()
    page.keyboard.press("Enter")
    after = background(page)
    assert after != before
    assert toggle.get_attribute("aria-pressed") == str(scheme != "dark").lower()
    page.goto(root + address(papers[0]))
    assert background(page) == after


def test_search_from_a_page_leads_to_a_page(
    root: str, open_page: Open, papers: list[Paper]
) -> None:
    page = open_page(root + address(papers[0]))
    prose = page.locator("article section p").all_inner_texts()
    word = longest_word(" ".join(prose[:6]))
    field = page.locator("header input[name=q]")
    field.fill(word)
    field.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    page.wait_for_function(SEARCHED)
    links = page.locator("#search-results a").evaluate_all("all => all.map(a => a.href)")
    assert any(address(papers[0]) in link for link in links), word
    page.locator("#search-results li a").first.click()
    assert "search.html" not in page.url


def test_search_finds_each_paper_by_a_word_of_its_text(
    server: str, open_page: Open, papers: list[Paper]
) -> None:
    """One visit for all papers: the search page reads them and answers one query after another."""
    page = open_page(server + "search.html")
    page.wait_for_function("Search.hasIndex()")
    for paper in papers:
        word = longest_word(page.evaluate(PROSE, server + address(paper)))
        page.evaluate(SEARCH, word)
        page.wait_for_function(SEARCHED)
        links = page.locator("#search-results a").evaluate_all("all => all.map(a => a.href)")
        assert any(address(paper) in link for link in links), f"{word} does not find {paper.slug}"


def longest_word(text: str) -> str:
    return max(re.findall(r"\b[a-z]{7,}\b", text), key=len)


PROSE = """async (address) => {
  const source = await (await fetch(address)).text();
  const page = new DOMParser().parseFromString(source, "text/html");
  for (const math of page.querySelectorAll(".math")) math.remove();
  const paragraphs = [...page.querySelectorAll("article section p")].slice(0, 6);
  return paragraphs.map((p) => p.textContent).join(" ");
}"""

SEARCH = """(word) => {
  document.getElementById("search-results").replaceChildren();
  Search.performSearch(word);
}"""

SEARCHED = "document.querySelector('#search-results .search-summary')?.textContent"


def test_gallery_filters(root: str, open_page: Open, papers: list[Paper], records: Records) -> None:
    page = open_page(root + "index.html")
    values: dict[str, Callable[[Paper], set[str]]] = {
        "part": lambda p: {p.part},
        "scope": lambda p: {p.scope},
        "tag": lambda p: set(p.tags),
        "verdict": lambda p: {claim["verdict"] for claim in records[p.slug]},
    }
    shown = """[...document.querySelectorAll("#gallery > li")]
        .filter((card) => card.checkVisibility())
        .map((card) => card.querySelector("a").getAttribute("href"))"""
    for name, of in values.items():
        options = sorted(set().union(*map(of, papers)))
        select = page.locator(f"select[name={name}]")
        offered = select.locator("option").evaluate_all("all => all.map(o => o.value)")
        assert sorted(offered) == ["", *options]
        for option in options:
            select.select_option(option)
            expected = [address(paper) for paper in papers if option in of(paper)]
            assert page.evaluate(shown) == expected, f"{name} = {option}"
        page.get_by_role("button", name="Show all").click()
        page.wait_for_function(f"({shown}).length == {len(papers)}")


def test_figures_with_choices_work_by_keyboard_on_a_phone(
    server: str, open_page: Open, pages: list[str]
) -> None:
    """On the part's page: every combination shows its own sentence and drawing, without scripts."""
    found = 0
    for name in (page for page in pages if page.endswith("/index.html")):
        page = open_page(server + name, size=PHONE)
        for k in range(page.locator("figure.explorer").count()):
            figure = page.locator("figure.explorer").nth(k)
            assert figure.locator("script").count() == 0
            seen = set()
            radios = [fieldset.locator("input") for fieldset in figure.locator("fieldset").all()]
            *outer, inner = radios  # one set of choices, or two
            for choice in outer[0].all() if outer else [inner.first]:
                for start in (choice, inner.first):
                    start.focus()
                    page.keyboard.press("Space")
                for _ in range(inner.count()):
                    shown = figure.evaluate(SEEN)
                    assert len(shown["sentences"]) == 1 and shown["layers"] > 0
                    seen.add(shown["sentences"][0])
                    page.keyboard.press("ArrowRight")
            assert len(seen) == math.prod(options.count() for options in radios)
            found += 1
    assert found > 0


SEEN = """(figure) => {
  const seen = (query) => [...figure.querySelectorAll(query)].filter((e) => e.checkVisibility());
  return {sentences: seen(".says p").map((p) => p.textContent), layers: seen("g.layer").length};
}"""


def test_tags_of_a_paper_lead_to_the_filtered_gallery(
    root: str, open_page: Open, papers: list[Paper]
) -> None:
    paper = papers[-1]
    page = open_page(root + address(paper))
    page.locator(".tags a").first.click()
    page.wait_for_url("**/index.html?tag=*")
    cards = page.locator("#gallery > li:visible a").evaluate_all("all => all.map(a => a.href)")
    expected = [address(p) for p in papers if paper.tags[0] in p.tags]
    assert [card.removeprefix(root) for card in cards] == expected


def test_scoreboard_sorts_and_filters(server: str, open_page: Open) -> None:
    page = open_page(server + "scoreboard.html")
    for table in ("claims-table", "notebooks-table", "planned-table"):
        rows = page.locator(f"#{table} tbody tr")
        heads = page.locator(f"#{table} thead th")
        for column in range(heads.count()):
            head = heads.nth(column)
            numeric = head.get_attribute("data-numeric") is not None
            for direction in ("ascending", "descending"):
                head.get_by_role("button").press("Enter")
                assert head.get_attribute("aria-sort") == direction
                keys = rows.evaluate_all(f"all => all.map(r => r.cells[{column}].dataset.key)")
                full = [key for key in keys if key]
                assert keys[: len(full)] == full, "empty cells come last"
                if numeric:
                    numbers = [float(key) for key in full]
                    assert numbers == sorted(numbers, reverse=direction == "descending")
                else:
                    collated = page.evaluate(
                        "keys => keys.sort((a, b) => a.localeCompare(b))", full
                    )
                    assert full == (collated if direction == "ascending" else collated[::-1])
    word = page.locator("#planned-table tbody tr th").first.inner_text()
    page.locator("label.filter:has(+ output + #planned-table) input").fill(word)
    assert page.locator("#planned-table tbody tr:visible").count() == 1


def test_scoreboard_narrows_by_what_a_verdict_rests_on(
    server: str, open_page: Open, papers: list[Paper], records: Records
) -> None:
    page = open_page(server + "scoreboard.html")
    claims = [claim for paper in papers for claim in records[paper.slug]]
    bars = [{check["bar"] for check in claim["checks"]} for claim in claims]
    kinds = [{check["kind"] for check in claim["checks"]} for claim in claims]
    rows = page.locator("#claims-table tbody tr:visible")

    def choose(name: str, value: str) -> None:
        page.locator(f"select[name={name}]").select_option(value)

    choose("Kind", "bound")
    assert rows.count() == sum("bound" in kind for kind in kinds)
    choose("Bar", "theory")
    both = ["bound" in kind and "theory" in bar for kind, bar in zip(kinds, bars, strict=True)]
    assert rows.count() == sum(both)
    choose("Whose", "ours")
    ours = [claim["whose"] == "ours" for claim in claims]
    assert rows.count() == sum(a and b for a, b in zip(both, ours, strict=True))
    for name in ("Kind", "Bar", "Whose"):
        choose(name, "")
    assert rows.count() == len(claims)


@pytest.mark.parametrize("name", ["index.html", "scoreboard.html", "a paper"])
def test_pages_print_light_and_whole(
    server: str, open_page: Open, papers: list[Paper], name: str
) -> None:
    page = open_page(server + (address(papers[0]) if name == "a paper" else name), scheme="dark")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    for width in (680, 1010):  # A4 upright and on its side
        page.set_viewport_size({"width": width, "height": 1000})
        assert background(page) == "rgb(255, 255, 255)"
        ink = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
        assert max(map(int, re.findall(r"\d+", ink))) < 64, ink
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        for hidden in ("header.top", ".book-nav", "article details:not([open])", ".filters"):
            assert page.locator(f"{hidden}:visible").count() == 0, hidden
        strips = page.locator("table.claims svg.forest")
        assert strips.count() == page.locator("table.claims svg.forest:visible").count()


def test_folded_code_unfolds_by_mouse(server: str, open_page: Open, papers: list[Paper]) -> None:
    page = open_page(server + address(papers[0]))
    details = page.locator("details.hide").first
    assert not details.locator("pre").first.is_visible()
    details.locator("summary").click()
    assert details.locator("pre").first.is_visible()


def test_menu_opens_on_a_phone_by_keyboard(root: str, open_page: Open) -> None:
    page = open_page(root + "index.html", PHONE)
    nav, toggle = page.locator("#book-nav"), page.locator("#menu-toggle")
    assert not nav.is_visible()
    toggle.focus()
    page.keyboard.press("Enter")
    assert nav.is_visible()
    assert toggle.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not nav.is_visible()


def test_pages_can_be_read_without_scripts(server: str, browser: Any, papers: list[Paper]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server + "index.html")
    text = BeautifulSoup(page.content(), "html.parser").get_text()
    assert all(page.locator(f'a[href="{address(p)}"]').first.is_visible() for p in papers), text
    context.close()


# --- Accessibility --------------------------------------------------------------------------

PAPER = catalogue.load().written()[0]
KINDS = ["index.html", "scoreboard.html", "search.html?q=loss", "how-to-read.html"]
KINDS += [address(PAPER), f"{PAPER.part}/index.html", "api/claims.html"]

# What repeats hundreds of times on a page is the same to axe each time, and takes most of its time.
SHORTEN = """() => {
  for (const row of document.querySelectorAll("tr:nth-child(n+201)")) row.remove();
  const formulas = [...document.querySelectorAll(".katex")];
  for (const formula of formulas.slice(50)) formula.replaceWith("x");
}"""


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(
    server: str, open_page: Open, scheme: str, size: tuple[int, int], name: str
) -> None:
    page = open_page(server + name, size, scheme)
    page.evaluate("document.fonts.ready.then(() => null)")
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate(SHORTEN)
    # Without "resultTypes" axe would also describe everything that is in order.
    answer = Axe().run(page, options={"resultTypes": ["violations"]}).response
    serious = [v for v in answer["violations"] if v["impact"] in ("serious", "critical")]
    assert [f"{v['id']}: {[n['target'] for n in v['nodes']][:4]}" for v in serious] == []
