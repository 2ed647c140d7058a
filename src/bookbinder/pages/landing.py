"""The landing page's summary and its gallery."""

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bookbinder.catalogue import Catalogue
from bookbinder.pages.run import KINDS, SCOPES, WHOSE, Run, duration, facts
from bookbinder.pages.templates import render
from paperlab.claims import Verdict


def summary(runs: Sequence[Run], planned: int, root: Path = Path()) -> str:
    """Verdicts by scope and by kind of evidence, the papers' claims apart from our questions."""
    claims = [(run.paper.scope, claim) for run in runs for claim in run.record]
    by_scope = [(claim["whose"], scope, claim["verdict"]) for scope, claim in claims]
    by_kind = [
        (claim["whose"], check["kind"], check["verdict"])
        for _, claim in claims
        for check in claim["checks"]
    ]
    return render(
        "summary",
        root,
        papers=len(runs),
        planned=planned,
        scopes=list(SCOPES),
        by_scope=_groups(by_scope, list(SCOPES)),
        kinds=KINDS,
        by_kind=_groups(by_kind, KINDS),
    )


def _groups(
    verdicts: Sequence[tuple[str, str, str]], columns: Sequence[str]
) -> dict[str, dict[str, list[int]]]:
    """For each group a row per verdict, counted by column, from (whose, column, verdict)."""
    counts = Counter(verdicts)
    return {
        group: {str(v): [counts[whose, column, v] for column in columns] for v in Verdict}
        for whose, group in WHOSE.items()
    }


def gallery(catalogue: Catalogue, runs: Sequence[Run], root: Path = Path()) -> str:
    """Every paper as a card, part by part, with filters that work without a server."""
    parts = [
        {"title": part.title, "page": f"{part.slug}/index.html", "slug": part.slug, "cards": cards}
        for part in catalogue.parts
        if (cards := [_card(run) for run in runs if run.paper.part == part.slug])
    ]
    tags = sorted({tag for run in runs for tag in run.paper.tags}, key=str.lower)
    filters = {
        "part": [(part["slug"], part["title"]) for part in parts],
        "scope": [(s, s) for s in SCOPES if any(run.paper.scope == s for run in runs)],
        "verdict": [(str(v), str(v)) for v in Verdict if any(run.counts[v] for run in runs)],
        "tag": [(tag, tag) for tag in tags],
    }
    return render("gallery", root, filters=filters, parts=parts)


def _card(run: Run) -> dict[str, Any]:
    """A paper, by which choices of the filters it stays, and by which words."""
    shown = facts(run)
    return shown | {
        "words": " ".join(run.paper.keywords),
        "filters": {
            "part": run.paper.part,
            "scope": run.paper.scope,
            "verdict": "|".join(shown["tally"]),
            "tag": "|".join(run.paper.tags),
        },
    }


def costs(runs: Sequence[Run], root: Path = Path()) -> str:
    """What a page takes to read and to run: the median, and the most."""
    minutes, seconds = [run.reading_minutes for run in runs], [run.seconds for run in runs]
    return render(
        "costs",
        root,
        minutes=statistics.median_high(minutes),
        time=duration(statistics.median_high(seconds)),
        longest_minutes=max(minutes),
        longest_time=duration(max(seconds)),
    )


def library(wheel: str, root: Path = Path()) -> str:
    """How to install the library that the notebooks need.

    Args:
        wheel: its file name at the site's root.
        root: the repository.
    """
    return render("library", root, wheel=wheel)
