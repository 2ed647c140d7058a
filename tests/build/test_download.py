"""The notebook to download: plain Markdown that any Jupyter shows, and what it cites."""

import re
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT
from markdown_it import MarkdownIt

from bookbinder import catalogue, download, pages

BIBLIOGRAPHY = """
@article{sole, author = {Noether, Emmy}, title = {Invariants}, journal = {A}, year = {1918}}
@article{two, author = {Hardy, G. H. and Littlewood, J. E.}, title = {Sums}, journal = {A},
  year = {1914}}
@article{many, author = {van der Waerden, B. L. and Artin, Emil and Noether, Emmy},
  title = {Algebra}, journal = {A}, year = {1930}}
@misc{group, author = {{The Group} and others}, title = {Report}, year = {2024}}
"""
PAPERS = catalogue.load(ROOT).written(ROOT)


@pytest.fixture
def cited():
    return download.Citations(download.bibliography([BIBLIOGRAPHY]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("As {cite:t}`sole` shows.", "As Noether (1918) shows."),
        ("It holds {cite}`two`.", "It holds (Hardy and Littlewood, 1914)."),
        (
            "It holds {cite:p}`many,sole`.",
            "It holds (van der Waerden et al., 1930; Noether, 1918).",
        ),
        ("It holds {cite:p}`group`.", "It holds (The Group et al., 2024)."),
        ("An {term}`order <entropy order>` and {term}`plan`.", "An order and plan."),
        ("See [its page](../part/some-paper.ipynb#claims).", "See its page (`some-paper.ipynb`)."),
        ("A [link](https://example.org/x).", "A [link](https://example.org/x)."),
        ("$$x$$ (label)", "$$x$$"),
        ("(target)=\n## Heading", "## Heading"),
        ("`{cite}` is a role; $a_{ij}$ is not", "`{cite}` is a role; $a_{ij}$ is not"),
        ("```{math}\na = b\n```", "$$\na = b\n$$"),
        ("```python\nx = 1\n```", "```python\nx = 1\n```"),
    ],
)
def test_roles_and_small_directives(cited, text, expected):
    assert download.plain(text, cited, {}) == expected


def test_exercises_are_numbered_headings(cited):
    numbers = {}
    text = "```{exercise} Two, or three?\n:label: a-1\n\nShow it. {cite}`sole`\n```"
    assert download.plain(text, cited, numbers) == (
        "### Exercise 1: Two, or three?\n\nShow it. (Noether, 1918)"
    )
    assert numbers == {"a-1": 1}


def test_nested_blocks_keep_their_order_and_fold(cited):
    text = (
        "before\n\n````{dropdown} Why < how\nFirst.\n\n```{note}\nMind.\n\nTwice.\n```\n\nLast.\n"
        "````\n\nafter"
    )
    html = MarkdownIt().render(download.plain(text, cited, {}))
    assert "<details><summary>Why &lt; how</summary>" in html
    assert re.search(
        r"(?s)before.*<details>.*First.*<blockquote>.*Mind.*Twice.*Last.*</details>", html
    )
    assert html.index("</details>") < html.index("after")


def test_what_was_cited_is_listed_once_by_author(cited):
    download.plain("{cite}`two` {cite}`sole` {cite}`two`", cited, {})
    listed = cited.listed().splitlines()
    assert [re.search("Hardy|Noether", line)[0] for line in listed] == ["Hardy", "Noether"]


def test_without_the_books_library_a_notebook_says_what_to_install(tmp_path):
    """Also where another package has taken the name."""
    (tmp_path / "paperlab").mkdir()
    (tmp_path / "paperlab/__init__.py").touch()
    command = [sys.executable, "-c", download._library_check("the.whl").source]
    run = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, check=False
    )
    assert "pip install the.whl" in run.stderr.splitlines()[-1]


def test_an_unknown_work_is_an_error(cited):
    with pytest.raises(KeyError, match="nobody"):
        download.plain("{cite}`nobody`", cited, {})


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_no_markup_of_the_book_is_left(paper):
    """Every notebook as it is stored; its code is untouched, its solutions fold."""
    stored = nbformat.read(paper.notebook(ROOT), as_version=4)
    files = [(ROOT / "book/references.bib").read_text("utf-8"), pages.files.bibliography(PAPERS)]
    run = pages.Run(paper, paper.title, [], None, False, 1.0, 1, 1, "3.11")
    made = download.notebook(stored, run, download.bibliography(files), "paperlab-1.whl")
    nbformat.validate(made)
    check, *code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert "pip install paperlab-1.whl" in check and "somebody else" in check
    assert code == [cell.source for cell in stored.cells if cell.cell_type == "code"]
    text = "\n\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    outside_code = re.sub(r"(?s)```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$]*\$", "", text)
    assert not re.search(r"\{[a-z:-]+\}|^:::|^:[a-z]+:|\.ipynb\)", outside_code, re.MULTILINE)
    assert text.count("<details>") == text.count("</details>") >= 3
    assert len(re.findall(r"^### Exercise [123]: ", text, re.MULTILINE)) == 3
    assert "pip install paperlab-1.whl" in text and paper.authors[0] in text
