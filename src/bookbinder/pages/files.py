"""Generated files and blocks of Markdown: contents, bibliography, library pages, search."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pybtex.database import BibliographyData, Entry, Person

from bookbinder.catalogue import Paper, Part
from bookbinder.pages.run import Run, authors
from bookbinder.pages.templates import render


def raw(content: str) -> str:
    """A Markdown block that passes HTML through."""
    return f"```{{raw}} html\n{content}\n```"


def table_of_contents(parts: Sequence[tuple[Part, Sequence[Run]]], api: Sequence[str]) -> str:
    """The text of `_toc.yml`.

    Args:
        parts: the parts that have papers, with them.
        api: names of the library's modules.
    """
    lines = ["format: jb-book", "root: index", "parts:", "- caption: Papers", "  chapters:"]
    for part, runs in parts:
        lines += [f"  - file: {part.slug}/index", "    sections:"]
        lines += [f"    - file: {run.page}" for run in runs]
    lines += ["- caption: The book", "  chapters:"]
    lines += [
        f"  - file: {page}"
        for page in ("findings", "how-to-read", "scoreboard", "learning-paths", "add-a-paper")
    ]
    lines += ["- caption: Reference", "  chapters:"]
    lines += ["  - file: glossary", "  - file: bibliography"]
    lines += ["  - file: api/index", "    sections:"]
    lines += [f"    - file: api/{module}" for module in api]
    return "\n".join(lines) + "\n"


def bibliography(papers: Sequence[Paper]) -> str:
    """BibTeX entries of papers, keyed by slug."""
    entries = BibliographyData({paper.slug: _entry(paper) for paper in papers})
    return str(entries.to_string("bibtex"))


def _entry(paper: Paper) -> Entry:
    fields = {
        "title": f"{{{paper.title}}}",  # in its own capitals
        "year": str(paper.published.year),
        "note": paper.venue,
    }
    if paper.arxiv:
        fields |= {"eprint": paper.arxiv, "archiveprefix": "arXiv"}
    return Entry("misc", fields, {"author": [_person(author) for author in paper.authors]})


def _person(author: str) -> Person:
    """A name as the catalogue has it; one without spaces, or "et al.", stays whole."""
    if author == "et al.":
        return Person("others")
    return Person(author if " " in author else f"{{{author}}}")


def search_keywords(paper: Paper) -> str:
    """What the search finds a paper's page by although the page's own text does not contain it."""
    text = " ".join([paper.title, *paper.authors, *paper.tags, *paper.keywords, paper.venue])
    words = ", ".join(dict.fromkeys(re.findall(r"\w+", text)))  # Sphinx indexes each item whole
    return f"```{{eval-rst}}\n.. meta::\n   :keywords: {words}\n```"


def api_page(module: str) -> str:
    """A page that documents one module of the library from its docstrings."""
    return f"""# `paperlab.{module}`

```{{eval-rst}}
.. automodule:: paperlab.{module}
   :members:
```
"""


def modules(lines: Mapping[str, str], root: Path = Path()) -> str:
    """The library's modules, each with the first line of its docstring."""
    return render("modules", root, modules=lines)


def origin(paper: Paper) -> str:
    """Who wrote a paper and where it appeared, in one line."""
    return f"{authors(paper)} · {paper.venue}"


def summaries(lines: Mapping[str, str]) -> str:
    """The script that gives each search result its line."""
    return f"const PAGE_SUMMARIES = {json.dumps(lines, ensure_ascii=False, indent=1)};\n"
