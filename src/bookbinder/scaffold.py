"""Starts a paper's notebook: every section in order, and a first claim in the catalogue.

python -m bookbinder.scaffold SLUG
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

from bookbinder import catalogue

# (kind, tags, text); `{slug}` and `{title}` are filled in.
SKELETON: list[tuple[str, list[str], str]] = [
    ("markdown", [], "# {title}"),
    (
        "markdown",
        [],
        "## In one minute\n\nProblem and idea in plain words, and one picture that makes it click.",
    ),
    ("markdown", [], "## Setup"),
    (
        "code",
        [],
        "import jax\nimport jax.numpy as jnp\nimport matplotlib.pyplot as plt\n\n"
        "from paperlab import claims, figures\n\nfigures.use_style()",
    ),
    ("code", ["parameters"], "SEED = 0"),
    (
        "markdown",
        [],
        "## The method\n\nEquation by equation, mathematics beside code, named as in the paper.",
    ),
    (
        "markdown",
        [],
        "## The experiment\n\nThe paper's, beside its baselines and the strongest simple one.",
    ),
    (
        "markdown",
        [],
        "## Figures\n\nThe paper's figure recreated, and one that a teacher would want.",
    ),
    ("markdown", [], "## Claims"),
    (
        "code",
        [],
        'ledger = claims.Ledger("{slug}")\nledger.record("C1", ...)\nledger.report()',
    ),
    ("markdown", [], "## What this does not show"),
    ("markdown", [], "## Exercises"),
    *(
        cell
        for number in (1, 2, 3)
        for cell in (
            (
                "markdown",
                [],
                f"```{{{{exercise}}}} Title\n:label: {{slug}}-{number}\n\nQuestion.\n```",
            ),
            (
                "markdown",
                [],
                f"````{{{{solution-start}}}} {{slug}}-{number}\n:class: dropdown\n````",
            ),
            ("code", [], "assert False, 'the solution, executed like everything else'"),
            ("markdown", [], "````{{solution-end}}\n````"),
        )
    ),
]

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
    for number, (kind, tags, text) in enumerate(SKELETON):
        make = getattr(nbformat.v4, f"new_{kind}_cell")
        cell = make(text.format(slug=slug, title=paper.title), id=f"cell-{number:02d}")
        if tags:
            cell.metadata["tags"] = tags
        notebook.cells.append(cell)
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    if not paper.claims:
        entry = rf"(- slug: {re.escape(slug)}\n(?:    .*\n)*?    )claims: \[\]\n"
        text = path.read_text("utf-8")
        path.write_text(re.sub(entry, lambda m: m[1] + CLAIM, text), "utf-8")
    return target


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
