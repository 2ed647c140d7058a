"""Starts a paper: its notebook with every section in order, and a first claim in its entry.

    python -m bookbinder.scaffold SLUG [--part PART]

The part is for a paper that is not planned yet: its entry is written and listed there.
"""

import argparse
import datetime
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from bookbinder import catalogue

FILL_IN = "FILL IN"  # marks what a new entry leaves open; `make check` refuses it

SECTIONS = """\
# {title}
---
## In one minute

Problem and idea in plain words, and one picture that makes it click.
---
## Setup
---code
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt

from paperlab import claims, figures

figures.use_style()
---code parameters
SEED = 0
---
## The method

Equation by equation, mathematics beside code, named as in the paper.
---
## The experiment

The paper's, beside its baselines and the strongest simple one.
---
## Figures

The paper's figure recreated, and one that a teacher would want.
---
## Claims
---code hide-input
ledger = claims.Ledger("{slug}")
ledger.record(
    "C1",
    claims.against("what is measured, in words", ours, rival, {{"one thing changed": changed}}),
)
ledger.report()
---
## What this does not show
---
## Exercises
"""

EXERCISE = """\
```{{exercise}} Title
:label: {slug}-{number}

Question.
```
---
````{{solution-start}} {slug}-{number}
:class: dropdown
````
---code
assert False, "the solution, executed like everything else"
---
````{{solution-end}}
````
"""

CLAIMS = """\
read: abstract  # full text, parts, abstract, code: what of the paper you had
finding: FILL IN what running it showed.
claims:
  - id: C1
    whose: paper
    statement: The first claim, in our words.
    paper: null
    where: Theorem 1
    checks:
      - name: what is measured, in words
        rule: {above: 0}
        bar: theory
        controls: {the method with one thing changed: near}
"""


ENTRY = f"""\
title: {{title}}  # {FILL_IN}
authors: [Family Name]  # {FILL_IN}
arxiv: null  # {FILL_IN}, or null
published: {{today}}  # {FILL_IN}: the day of its first version
venue: where it appeared  # {FILL_IN}
code: null  # {FILL_IN}: the authors' repository, or null
scope: mechanism  # {FILL_IN}: exact, scaled or mechanism
tags: [{catalogue.TAGS[0]}]  # {FILL_IN}: one to four of the book's
keywords: [words of the paper's own]  # {FILL_IN}
"""


def scaffold(slug: str, part: str | None = None, root: Path = Path()) -> Path:
    """Writes the skeleton notebook and a first claim into the catalogue's entry.

    Args:
        slug: the paper's name in addresses.
        part: where a paper that is not planned yet belongs; its entry is written too.
        root: the repository.

    Raises:
        ValueError: if the paper is unknown and no part is named, if the part is unknown or is not
            the planned one, or if the notebook exists.
    """
    path = root / catalogue.PAPERS / f"{slug}.yml"
    book = catalogue.load(root)
    planned = next((paper for paper in book.papers if paper.slug == slug), None)
    if planned is None:
        _list(slug, part, book, root)
        title = slug.replace("-", " ").capitalize()
        path.write_text(ENTRY.format(title=title, today=datetime.date.today()), "utf-8")
    elif part not in (None, planned.part):
        raise ValueError(f"{slug}: planned in the part {planned.part}, got {part}")
    paper = planned or catalogue.load(root)[slug]
    target = paper.notebook(root)
    if target.exists():
        raise ValueError(f"{target} exists already")
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    text = SECTIONS.format(title=paper.title, slug=slug)
    for number in (1, 2, 3):
        text += "---\n" + EXERCISE.format(slug=slug, number=number)
    notebook.cells = list(_cells(text))
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    if not paper.claims:
        path.write_text(
            path.read_text("utf-8").replace("claims: []\n", "").rstrip() + "\n" + CLAIMS
        )
    return target


def _list(slug: str, part: str | None, book: catalogue.Catalogue, root: Path) -> None:
    """Adds a paper to the end of its part's list."""
    known = [known.slug for known in book.parts]
    if part not in known:
        raise ValueError(
            f"{slug}: not planned yet; expected PART=<part>, one of {', '.join(known)}, got {part}"
        )
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise ValueError(f"{slug}: expected a slug of lower-case words with hyphens between them")
    path = root / catalogue.PARTS
    listed = rf"(?ms)(^- slug: {part}$.*?^  papers:\n(?:    - [^\n]+\n)+)"
    text, count = re.subn(listed, rf"\g<1>    - {slug}\n", path.read_text("utf-8"), count=1)
    if count != 1:
        raise ValueError(f"{path}: found no list of papers of {part} to add {slug} to")
    path.write_text(text, "utf-8")


def _cells(text: str) -> Iterator[Any]:
    """Cells of a text in which lines `---`, `---code` or `---code tag` separate them."""
    kinds_and_texts = ["", *re.split(r"(?m)^---(.*)\n", text)]
    pairs = zip(kinds_and_texts[::2], kinds_and_texts[1::2], strict=True)
    for number, (kind, source) in enumerate(pairs):
        code, _, tag = kind.partition(" ")
        make: Any = nbformat.v4.new_code_cell if code else nbformat.v4.new_markdown_cell
        metadata: dict[str, Any] = {"tags": [tag]} if tag else {}
        if tag == "hide-input":  # folded in JupyterLab, too
            metadata["jupyter"] = {"source_hidden": True}
        yield make(source.strip(), id=f"cell-{number:02d}", metadata=metadata)


def main() -> None:
    """Command line; exits with 1 and a sentence if there is nothing to start."""
    parser = argparse.ArgumentParser(description="Start a paper's notebook.")
    parser.add_argument("slug")
    parser.add_argument("--part", help="for a paper that is not planned yet")
    options = parser.parse_args()
    try:
        target = scaffold(options.slug, options.part)
    except (ValueError, catalogue.CatalogueError) as error:
        sys.exit(str(error))
    print(f"Wrote {target} and a first claim in its entry; CONTRIBUTING.md says what follows.")


if __name__ == "__main__":
    main()
