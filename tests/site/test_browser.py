"""What a reader does with the site in a real browser."""

import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import DESKTOP, FOLD_OUT, PHONE, SITE, address
from PIL import Image

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
    shown = """[...document.querySelectorAll("#gallery .card")]
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
    for word in (papers[-1].authors[0], papers[-1].keywords[-1].upper(), papers[-1].title):
        page.locator("input[name=text]").fill(word)
        assert address(papers[-1]) in page.evaluate(shown), word
    assert page.evaluate(shown) == [address(papers[-1])]
    heads = page.locator("#gallery h3:visible").all_inner_texts()
    assert len(heads) == 1
    page.reload()
    assert page.evaluate(shown) == [address(papers[-1])], "the choice stands in the address"


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
    cards = page.locator("#gallery .card:visible a").evaluate_all("all => all.map(a => a.href)")
    expected = [address(p) for p in papers if paper.tags[0] in p.tags]
    assert [card.removeprefix(root) for card in cards] == expected


def keys_of(page: Any, rows: str, column: int) -> list[str]:
    return list(
        page.locator(rows).evaluate_all(f"all => all.map(r => r.cells[{column}].dataset.key)")
    )


def test_tables_sort(server: str, open_page: Open) -> None:
    page = open_page(server + "scoreboard.html")
    for table in ("claims-table", "notebooks-table", "planned-table"):
        heads = page.locator(f"#{table} thead th")
        for column in range(heads.count()):
            head = heads.nth(column)
            numeric = head.get_attribute("data-numeric") is not None
            for direction in ("ascending", "descending"):
                head.get_by_role("button").press("Enter")
                assert head.get_attribute("aria-sort") == direction
                for body in range(1, page.locator(f"#{table} tbody").count() + 1):
                    rows = f"#{table} tbody:nth-of-type({body}) tr:not(.group)"
                    keys = keys_of(page, rows, column)
                    full = [key for key in keys if key]
                    assert keys[: len(full)] == full, "empty cells come last"
                    if numeric:
                        numbers = [float(key) for key in full]
                        assert numbers == sorted(numbers, reverse=direction == "descending")
                    else:
                        collated = page.evaluate(
                            "keys => keys.sort(new Intl.Collator('en').compare)", full
                        )
                        assert full == (collated if direction == "ascending" else collated[::-1])
    first = "#claims-table tbody tr:nth-child(2)"  # papers follow their first claim
    heads = page.locator("#claims-table thead th")
    for _ in range(2):
        heads.last.get_by_role("button").press("Enter")
    verdicts = list(map(int, keys_of(page, first, 5)))
    assert verdicts == sorted(verdicts, reverse=True) and len(set(verdicts)) > 1
    assert page.locator("#claims-table tbody tr.group").count() == len(verdicts)


def test_table_of_planned_papers_filters(server: str, open_page: Open) -> None:
    page = open_page(server + "scoreboard.html")
    word = page.locator("#planned-table tbody tr th").first.inner_text()
    page.locator("input[name=planned-text]").fill(word)
    assert page.locator("#planned-table tbody tr:visible").count() == 1


def test_scoreboard_folds_and_narrows_by_what_a_verdict_rests_on(
    server: str, open_page: Open, papers: list[Paper], records: Records
) -> None:
    page = open_page(server + "scoreboard.html")
    claims = [claim for paper in papers for claim in records[paper.slug]]
    rows = page.locator("#claims-table tbody tr:not(.group):visible")
    count = page.locator("form[aria-label='Filter the claims'] + output")
    assert rows.count() == 0
    fold = page.locator("#claims-table .fold").first
    fold.click()
    assert rows.count() == len(records[papers[0].slug])
    assert fold.get_attribute("aria-expanded") == "true"
    fold.click()
    assert rows.count() == 0

    def press(name: str, value: str) -> None:
        group = page.locator("form[aria-label='Filter the claims'] fieldset", has_text=name)
        group.locator(f"button[value='{value}']").click()

    def are(test: Callable[[dict[str, Any]], bool]) -> None:
        expected = sum(map(test, claims))
        assert count.inner_text() == f"{expected} of {len(claims)} rows"
        assert rows.count() == (expected if expected <= 120 else 0)

    def bounds(claim: dict[str, Any]) -> bool:
        return any(check["kind"] == "bound" for check in claim["checks"])

    press("Verdict", "not reproduced")
    are(lambda claim: claim["verdict"] == "not reproduced")
    press("Verdict", "partly")
    are(lambda claim: claim["verdict"] in ("not reproduced", "partly"))
    press("Whose", "ours")
    are(lambda c: c["verdict"] in ("not reproduced", "partly") and c["whose"] == "ours")
    assert page.url.endswith("?verdict=partly&verdict=not+reproduced&whose=ours")
    page.reload()
    are(lambda c: c["verdict"] in ("not reproduced", "partly") and c["whose"] == "ours")
    for name, value in (
        ("Verdict", "not reproduced"),
        ("Verdict", "partly"),
        ("Whose", "ours"),
        ("Kind", "bound"),
    ):
        press(name, value)
    are(bounds)
    press("Bar", "theory")
    are(lambda c: bounds(c) and any(check["bar"] == "theory" for check in c["checks"]))


def test_heads_of_the_scoreboard_stay_in_view(server: str, open_page: Open) -> None:
    page = open_page(server + "scoreboard.html?whose=ours")
    page.get_by_role("button", name="Unfold all").click()
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    page.locator("#claims-table tbody tr:not(.group):visible").nth(40).scroll_into_view_if_needed()
    page.mouse.wheel(0, 400)
    top = "document.querySelector('#claims-table thead th').getBoundingClientRect().top"
    page.wait_for_function(f"{top} === 0")


# --- Figures, code, search ------------------------------------------------------------------


def test_a_figure_enlarges_and_can_be_taken_along(
    root: str, open_page: Open, papers: list[Paper]
) -> None:
    """On a phone its smallest type, 9.5 points as drawn, is then at least 10 pixels high."""
    page = open_page(root + address(papers[0]), PHONE)
    figure = page.locator("figure.paper-figure").first
    dialog = figure.locator("dialog")
    assert not dialog.is_visible()
    figure.locator(".drawing").tap()
    assert dialog.is_visible()
    scale = figure.locator("svg").evaluate(
        "svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    )
    assert 9.5 * scale >= 10
    dialog.get_by_role("button", name="Close").tap()
    assert not dialog.is_visible() and figure.locator(".drawing svg").is_visible()
    figure.get_by_role("button", name="Enlarge").focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible()
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('dialog[open]')")
    assert figure.locator(".drawing svg").is_visible()
    with page.expect_download() as svg:
        figure.get_by_role("button", name="Save as SVG").tap()
    drawn = svg.value.path().read_text("utf-8")
    assert svg.value.suggested_filename == f"{papers[0].slug}-figure-1.svg"
    assert ElementTree.fromstring(drawn).get("viewBox")
    assert "currentColor" not in drawn and "var(" not in drawn
    with page.expect_download() as png:
        figure.get_by_role("button", name="as PNG").tap()
    image = Image.open(png.value.path())
    assert image.width >= 1500
    assert len(set(image.convert("RGB").resize((60, 40)).get_flattened_data())) > 5, "blank"


def test_a_page_shows_as_much_code_as_asked_for(
    root: str, open_page: Open, papers: list[Paper]
) -> None:
    page = open_page(root + address(papers[0]))
    outside = ".cell_input:not(details.solution *) pre"
    code, seen = page.locator(outside), page.locator(f"{outside}:visible")
    total, in_view = code.count(), seen.count()
    assert 0 < in_view < total
    page.get_by_label("all of it").check()
    assert seen.count() == total
    page.goto(root + address(papers[-1]))
    assert page.get_by_label("all of it").is_checked(), "remembered"
    assert seen.count() == code.count()
    page.get_by_label("none, only text").check()
    assert page.locator(".cell_input:visible, .cell_output pre:visible").count() == 0
    assert page.locator("details.hide:visible").count() == 0
    assert page.locator("figure.paper-figure svg:visible").count() >= 3
    assert page.locator("table.claims:visible").count() == 1
    page.get_by_label("the method’s").check()
    assert 0 < seen.count() < code.count()


def test_search_lists_papers_first_and_shows_the_words(root: str, open_page: Open) -> None:
    page = open_page(root + "search.html?q=loss", PHONE)
    page.wait_for_function(SEARCHED)
    pages = page.locator("ul.search > li").evaluate_all("all => all.map(li => li.dataset.page)")
    ranks = [
        0
        if "/" in name and not name.endswith("/index") and not name.startswith("api/")
        else 3
        if name.startswith("api/")
        else 2
        if name == "bibliography"
        else 1
        for name in pages
    ]
    assert ranks == sorted(ranks) and {0, 1, 3} <= set(ranks), pages
    snippet = page.locator("ul.search > li").first.locator(".snippet")
    snippet.wait_for()
    assert "loss" in snippet.locator("mark").inner_text().lower()
    assert len(snippet.inner_text()) > 60
    assert page.title() == "Search · Paperlab"


def test_contents_stand_beside_the_page_where_there_is_room(
    server: str, open_page: Open, papers: list[Paper]
) -> None:
    page = open_page(server + address(papers[0]), (1280, 800))
    assert page.locator(".toc-wide").is_visible() and not page.locator(".toc-narrow").is_visible()
    page.set_viewport_size({"width": 1100, "height": 800})
    assert page.locator(".toc-narrow").is_visible() and not page.locator(".toc-wide").is_visible()


# --- Print ----------------------------------------------------------------------------------


def sheets(page: Any) -> int:
    """How many A4 pages it prints on."""
    pdf = page.pdf(format="A4", print_background=True)
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_pages_print_on_few_sheets(server: str, open_page: Open, papers: list[Paper]) -> None:
    """Code and solutions are left out; the scoreboard prints as it is folded."""
    longest = max(
        (address(paper) for paper in papers), key=lambda name: (SITE / name).stat().st_size
    )
    page = open_page(server + longest)
    assert sheets(page) <= 30
    assert sheets(open_page(server + "scoreboard.html")) <= 20


def test_print_shows_code_when_asked_for(server: str, open_page: Open, papers: list[Paper]) -> None:
    page = open_page(server + address(papers[0]))
    page.emulate_media(media="print")
    assert page.locator(".cell_input:visible").count() == 0
    assert page.locator("details.solution:visible").count() == 0
    page.evaluate("document.documentElement.dataset.code = 'all'")
    assert page.locator(".cell_input:visible").count() > 0
    page.emulate_media(media="screen")


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
        for hidden in ("header.top", ".book-nav", "article details:not([open])", "form"):
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
    page.evaluate(FOLD_OUT)
    page.evaluate(SHORTEN)
    # Without "resultTypes" axe would also describe everything that is in order.
    answer = Axe().run(page, options={"resultTypes": ["violations"]}).response
    serious = [v for v in answer["violations"] if v["impact"] in ("serious", "critical")]
    assert [f"{v['id']}: {[n['target'] for n in v['nodes']][:4]}" for v in serious] == []
