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
finding: What running it showed.
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


def scaffold(slug: str, root: Path = Path()) -> Path:
    """Writes the skeleton notebook and a first claim into the catalogue's entry.

    Raises:
        ValueError: if the catalogue has no such paper, or its notebook exists.
    """
    path = root / catalogue.PAPERS / f"{slug}.yml"
    try:
        paper = catalogue.load(root)[slug]
    except KeyError:
        raise ValueError(
            f"{slug}: no entry {path}; write it, and list it in {catalogue.PARTS}"
        ) from None
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
    try:
        target = scaffold(parser.parse_args().slug)
    except ValueError as error:
        sys.exit(str(error))
    print(f"Wrote {target} and a first claim in its entry; CONTRIBUTING.md says what follows.")


if __name__ == "__main__":
    main()
