"""The pieces of a part's page."""

from collections.abc import Sequence
from pathlib import Path

from bookbinder.pages.run import Run, facts
from bookbinder.pages.templates import render


def reading_order(runs: Sequence[Run], root: Path = Path()) -> str:
    """A part's papers in the order to read them."""
    return render("reading-order", root, papers=[facts(run) for run in runs])


def source(run: Run, root: Path = Path()) -> str:
    """Where a figure on a part's page comes from."""
    return render("source", root, slug=run.paper.slug, title=run.title)


def concept_map(runs: Sequence[Run], root: Path = Path()) -> str:
    """What each paper asks for and what it gives, side by side, for a part without a drawn map."""
    papers = [
        {
            "slug": run.paper.slug,
            "title": run.title,
            "needs": run.paper.prerequisites,
            "gives": run.paper.keywords,
        }
        for run in runs
    ]
    return render("concept-map", root, papers=papers)
