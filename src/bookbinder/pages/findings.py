"""What running the papers showed, each with its picture."""

from collections.abc import Sequence
from pathlib import Path

from bookbinder.catalogue import Catalogue
from bookbinder.pages.run import Run, facts
from bookbinder.pages.templates import render


def by_part(catalogue: Catalogue, runs: Sequence[Run], root: Path = Path()) -> str:
    """Every finding, part by part."""
    parts = [
        {
            "page": f"{part.slug}/index.html",
            "title": part.title,
            "papers": [facts(run) for run in runs if run.paper.part == part.slug],
        }
        for part in catalogue.parts
    ]
    return render("findings", root, parts=[part for part in parts if part["papers"]])


def first(catalogue: Catalogue, runs: Sequence[Run], root: Path = Path()) -> str:
    """One finding of each part, its first paper's, for the landing page."""
    firsts = (
        next((run for run in runs if run.paper.part == part.slug), None) for part in catalogue.parts
    )
    return render("first-findings", root, papers=[facts(run) for run in firsts if run])
