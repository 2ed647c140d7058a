"""The generated pieces of pages: what they say of a run, and that text stays text."""

import dataclasses
import io
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import jinja2
import pytest
from bs4 import BeautifulSoup, Tag
from PIL import Image
from pybtex.database import parse_string

from bookbinder import catalogue, pages, record, stage
from bookbinder.pages import templates
from paperlab.claims import Verdict

BOOK = catalogue.load()
ODD = 'Less < more & "quotes"'


def a_run(paper: catalogue.Paper) -> pages.Run:
    """A run that reads as the paper's record."""
    accepted = record.read(paper.slug)
    assert accepted is not None
    return pages.Run(
        paper, paper.title, accepted["claims"], accepted, False, 100.0, 10**9, 7, "3.11.2"
    )


RUNS = [a_run(paper) for paper in BOOK.written() if record.read(paper.slug)]


def soup(html: str) -> Tag:
    return BeautifulSoup(html, "html.parser")


def words(html: str) -> str:
    return " ".join(soup(html).get_text().split())


def test_a_header_words_the_facts_of_its_run():
    run = dataclasses.replace(RUNS[0], title="A shorter title")
    header = pages.paper.header(run, [("Colab", "https://example.org/?a=1&b=2")], "paperlab.whl")
    told = words(header)
    assert run.paper.title in told
    assert "1.7 min on one core, 1.0 GB of memory at most" in told
    assert "7 min, code in view included" in told
    assert soup(header).find("a", href="https://example.org/?a=1&b=2").get_text() == "Open in Colab"
    strip = soup(header).select(".verdicts a")
    assert [a.b.get_text() for a in strip] == [claim["id"] for claim in run.record]
    assert all(re.fullmatch(r"\d+/10", a.small.get_text()) for a in strip if a.small)


def test_facts_that_a_paper_lacks_leave_no_trace():
    lacking = {"read": None, "finding": None, "arxiv": None, "code": None, "prerequisites": []}
    run = dataclasses.replace(RUNS[0], paper=RUNS[0].paper.model_copy(update=lacking))
    header = soup(pages.paper.header(run, [], "paperlab.whl"))
    assert [dt.get_text() for dt in header.find_all("dt")] == [
        "Scope",
        "Reads in",
        "Runs in",
        "Evidence",
    ]
    assert [a.get_text() for a in header.select(".links a")] == [
        "Download the notebook",
        "The library it needs",
    ]
    assert header.select_one(".finding") is None


def test_evidence_says_what_the_verdicts_rest_on():
    run = RUNS[0]
    assert pages.paper.evidence(run).startswith("10 sealed draws, pooled; accepted")
    alone = dataclasses.replace(run, accepted=None)
    assert pages.paper.evidence(alone) == "One run; not accepted over sealed draws yet."
    first, *rest = run.measured
    differs = dataclasses.replace(run, measured=[dict(first) | {"verdict": "partly"}, *rest])
    assert f"reads otherwise: {first['id']} partly." in pages.paper.evidence(differs)
    assert "older code" in pages.paper.evidence(dataclasses.replace(run, older=True))


def test_text_stays_text():
    run = dataclasses.replace(RUNS[0], title=ODD)
    pieces = [
        pages.landing.gallery(BOOK, [run]),
        pages.findings.by_part(BOOK, [run]),
        pages.part.reading_order([run]),
        pages.part.concept_map([run]),
        pages.part.source(run),
        pages.scoreboard.claims([run]),
        pages.scoreboard.notebooks(BOOK, [run]),
        pages.files.modules({"transport": ODD}),
    ]
    for piece in pieces:
        assert ODD in words(piece)
        assert "Less < more" not in piece


def test_formulas_are_left_to_the_page():
    claim = next(c for run in RUNS for c in run.record if "$" in c["statement"])
    (run,) = (run for run in RUNS if claim in run.record)
    row = soup(pages.scoreboard.claims([run])).find("a", string=claim["id"]).parent
    assert r"\(" in row.get_text() and "$" not in row.get_text()


def test_every_run_is_in_the_gallery_with_what_the_filters_need():
    cards = soup(pages.landing.gallery(BOOK, RUNS)).select("li.card")
    assert [card.h4.get_text() for card in cards] == [run.title for run in RUNS]
    for card, run in zip(cards, RUNS, strict=True):
        assert card["data-tag"].split("|") == run.paper.tags
        assert set(card["data-verdict"].split("|")) == {c["verdict"] for c in run.record}
        assert card["data-words"] == " ".join(run.paper.keywords)
        part = card.find_parent("section").h3.a
        assert part["href"] == f"{run.paper.part}/index.html"


def numbers(table: Tag) -> dict[tuple[str, str, str], int]:
    """The counts of a summary's table by group, verdict and column."""
    columns = [th.get_text() for th in table.select("thead th")]
    return {
        (body.select_one(".group").get_text(), row.th.get_text(), column): int(cell.get_text())
        for body in table.find_all("tbody")
        for row in body.find_all("tr")[1:]
        for column, cell in zip(columns, row.find_all("td"), strict=True)
    }


def test_the_summary_counts_claims_by_scope_and_measurements_by_kind():
    groups = {"paper": "Claims of the papers", "ours": "Questions of our own"}
    scopes: Counter[tuple[str, str, str]] = Counter()
    kinds: Counter[tuple[str, str, str]] = Counter()
    for run in RUNS:
        for claim in run.record:
            scopes[groups[claim["whose"]], claim["verdict"], run.paper.scope] += 1
            for check in claim["checks"]:
                kinds[groups[claim["whose"]], check["verdict"], check["kind"]] += 1
    tables = soup(pages.landing.summary(RUNS, 3)).find_all("table")
    for table, expected in zip(tables, (scopes, kinds), strict=True):
        shown = numbers(table)
        assert len(shown) == 2 * 5 * 3
        assert {place: n for place, n in shown.items() if n} == dict(expected)


def test_the_summary_is_never_one_number():
    told = soup(pages.landing.summary(RUNS, 3))
    total = sum(len(run.record) for run in RUNS)
    assert str(total) not in told.get_text()
    assert f"{len(RUNS)} papers are rebuilt, 3 more are planned." in " ".join(
        told.get_text().split()
    )


def test_the_scoreboard_says_what_each_verdict_rests_on():
    table = soup(pages.scoreboard.claims(RUNS))
    columns = [th.get_text() for th in table.select("thead th")]
    claims = [claim for run in RUNS for claim in run.record]
    heads = [row.a.get_text() for row in table.select("tbody tr.group")]
    assert heads == [run.title for run in RUNS]
    rows = table.select("tbody tr:not(.group)")
    offered = dict(json.loads(table.table["data-choices"]))
    for row, claim in zip(rows, claims, strict=True):
        cells = dict(zip(columns, row.find_all(["th", "td"]), strict=True))
        checks = claim["checks"]
        late = {"after seeing results"} if any(c["after_results"] for c in checks) else set()
        values = {
            "kind": {check["kind"] for check in checks},
            "bar": {check["bar"] for check in checks} | late,
            "whose": {claim["whose"]},
            "verdict": {claim["verdict"]},
        }
        for name, expected in values.items():
            carried = set(filter(None, row[f"data-{name}"].split("|")))
            assert carried == expected and carried <= set(offered[name]), claim["id"]
        told = cells["Evidence"].get_text()
        assert ("after seeing results" in told) == bool(late)
        assert told.startswith("the paper’s claim" if claim["whose"] == "paper" else "our question")
        for value in values["kind"] | values["bar"]:
            assert value in told
    assert any("after seeing results" in row.get_text() for row in rows)
    assert offered["verdict"] == [str(v) for v in Verdict if any(run.counts[v] for run in RUNS)]


def test_costs_are_those_of_the_runs():
    runs = [
        dataclasses.replace(RUNS[0], seconds=s, reading_minutes=m)
        for s, m in ((10.0, 7), (20.0, 9), (100.0, 30))
    ]
    told = " ".join(soup(pages.landing.costs(runs)).get_text().split())
    assert "read in 9 minutes or less" in told and "run in 20 s or less" in told
    assert "the longest take 30 minutes and 1.7 min" in told


def test_a_missing_value_raises(tmp_path: Path):
    folder = tmp_path / templates.FOLDER
    folder.mkdir(parents=True)
    (folder / "greeting.html").write_text("<p>{{ name }} of {{ age }}</p>\n")
    assert templates.render("greeting", tmp_path, name="<Ann>", age=3) == "<p>&lt;Ann&gt; of 3</p>"
    with pytest.raises(jinja2.UndefinedError, match="age"):
        templates.render("greeting", tmp_path, name="Ann")


def test_templates_are_those_of_the_root(tmp_path: Path):
    shutil.copytree(templates.FOLDER, tmp_path / templates.FOLDER)
    (tmp_path / templates.FOLDER / "source.html").write_text("another: {{ slug }}")
    assert pages.part.source(RUNS[0], tmp_path) == f"another: {RUNS[0].paper.slug}"
    assert "another" not in pages.part.source(RUNS[0])


def test_templates_are_no_files_of_the_site():
    taken = stage._static_files(Path("book"))
    assert "_theme/paperlab/layout.html" in taken
    assert not [name for name in taken if "pieces" in name]


def test_markup_is_in_templates():
    for path in Path("src/bookbinder/pages").glob("*.py"):
        assert not re.findall(r"</?[a-z]+[ >]", path.read_text("utf-8")), path


def test_bibliography_names_every_paper_once():
    papers = [run.paper for run in RUNS]
    entries = parse_string(pages.files.bibliography(papers), "bibtex").entries
    assert list(entries) == [paper.slug for paper in papers]
    for paper in papers:
        entry = entries[paper.slug]
        assert entry.fields["title"] == f"{{{paper.title}}}".replace("&", r"\&")
        assert entry.fields["year"] == str(paper.published.year)
        assert entry.fields.get("eprint") == paper.arxiv
        assert len(entry.persons["author"]) == len(paper.authors)


def test_authors_are_named_as_bibtex_reads_them():
    authors = ["DeepSeek-AI", "Han Bao", "et al."]
    paper = RUNS[0].paper.model_copy(update={"authors": authors, "title": "Loss & Link"})
    (entry,) = parse_string(pages.files.bibliography([paper]), "bibtex").entries.values()
    assert list(map(str, entry.persons["author"])) == ["{DeepSeek-AI}", "Bao, Han", "others"]
    assert entry.fields["title"] == r"{Loss \& Link}"


def test_a_thumbnail_keeps_the_proportions_of_its_figure():
    png = io.BytesIO()
    Image.new("RGB", (600, 600), "black").save(png, "PNG")
    small = Image.open(io.BytesIO(stage._scaled(png.getvalue())))
    assert small.size == stage.THUMBNAIL
    width, height = small.size
    assert (
        small.getpixel((width // 2, 5))[0] < 20 and small.getpixel((width // 2, height - 5))[0] < 20
    )
    assert (
        small.getpixel((5, height // 2))[0] > 235
        and small.getpixel((width - 5, height // 2))[0] > 235
    )
