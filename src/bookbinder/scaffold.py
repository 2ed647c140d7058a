"""Starts a paper's notebook: every section in order, and a first claim in the catalogue.

python -m bookbinder.scaffold SLUG
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from bookbinder import catalogue

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
---code
ledger = claims.Ledger("{slug}")
ledger.record("C1", ...)
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

CLAIM = """claims:
      - id: C1
        statement: The first claim, in our words.
        paper: null
        where: Theorem 1
"""


def scaffold(slug: str, root: Path = Path()) -> Path:
    """Writes the skeleton notebook and a first claim into the catalogue's entry.

    Raises:
        ValueError: if the catalogue has no such paper, or its notebook exists.
    """
    path = root / catalogue.PATH
    try:
        paper = catalogue.load(path)[slug]
    except KeyError:
        raise ValueError(f"{slug}: not in {catalogue.PATH}; add its entry first") from None
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
        entry = rf"(- slug: {re.escape(slug)}\n(?:    .*\n)*?    )claims: \[\]\n"
        text = path.read_text("utf-8")
        path.write_text(re.sub(entry, lambda m: m[1] + CLAIM, text), "utf-8")
    return target


def _cells(text: str) -> Iterator[Any]:
    """Cells of a text in which lines `---`, `---code` or `---code tag` separate them."""
    kinds_and_texts = ["", *re.split(r"(?m)^---(.*)\n", text)]
    pairs = zip(kinds_and_texts[::2], kinds_and_texts[1::2], strict=True)
    for number, (kind, source) in enumerate(pairs):
        code, _, tag = kind.partition(" ")
        make: Any = nbformat.v4.new_code_cell if code else nbformat.v4.new_markdown_cell
        yield make(source.strip(), id=f"cell-{number:02d}", metadata={"tags": [tag]} if tag else {})


def main() -> None:
    """Command line; exits with 1 and a sentence if there is nothing to start."""
    parser = argparse.ArgumentParser(description="Start a paper's notebook.")
    parser.add_argument("slug")
    try:
        target = scaffold(parser.parse_args().slug)
    except ValueError as error:
        sys.exit(str(error))
    print(
        f"Wrote {target} and a first claim in {catalogue.PATH}; CONTRIBUTING.md says what follows."
    )


if __name__ == "__main__":
    main()
