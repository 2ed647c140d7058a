"""The landing page's summary and its gallery."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bookbinder.catalogue import Catalogue
from bookbinder.pages.run import KINDS, SCOPES, WHOSE, Run, facts
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
    """Every paper as a card, with filters that work without a server."""
    titles = {part.slug: part.title for part in catalogue.parts}
    used = {run.paper.part for run in runs}
    tags = sorted({tag for run in runs for tag in run.paper.tags}, key=str.lower)
    filters = {
        "part": [(slug, title) for slug, title in titles.items() if slug in used],
        "scope": [(s, s) for s in SCOPES if any(run.paper.scope == s for run in runs)],
        "verdict": [(str(v), str(v)) for v in Verdict if any(run.counts[v] for run in runs)],
        "tag": [(tag, tag) for tag in tags],
    }
    cards = [_card(run, titles[run.paper.part]) for run in runs]
    return render("gallery", root, filters=filters, cards=cards)


def _card(run: Run, part: str) -> dict[str, Any]:
    """A paper, and by which choices of the filters it stays."""
    shown = facts(run)
    return shown | {
        "part": part,
        "filters": {
            "part": run.paper.part,
            "scope": run.paper.scope,
            "verdict": "|".join(shown["tally"]),
            "tag": "|".join(run.paper.tags),
        },
    }


def library(wheel: str, root: Path = Path()) -> str:
    """How to install the library that the notebooks need.

    Args:
        wheel: its file name at the site's root.
        root: the repository.
    """
    return render("library", root, wheel=wheel)
