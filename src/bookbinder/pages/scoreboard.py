"""The scoreboard: every claim, what the verdicts rest on, every notebook, what is planned."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bookbinder import multiplicity
from bookbinder.accept import DRAWS
from bookbinder.catalogue import Catalogue
from bookbinder.pages.run import KINDS, WHOSE, Run, anchor, authors, duration, facts, memory, tally
from bookbinder.pages.templates import render
from bookbinder.record import coverage
from paperlab.claims import Estimate, Verdict


def claims(runs: Sequence[Run], root: Path = Path()) -> str:
    """Every claim of every paper: what was measured first, and what the verdict rests on."""
    papers = [facts(run) | {"claims": [_claim(run, own) for own in run.record]} for run in runs]
    rows = [claim["choices"] for paper in papers for claim in paper["claims"]]
    found = {
        name: {value for row in rows for value in row[name]}
        for name in ("verdict", "whose", "kind", "bar")
    }
    choices = [(name, sorted(found[name], key=_place)) for name in found]
    return render("claims", root, papers=papers, choices=choices)


def _place(value: str) -> tuple[int, str]:
    """Verdicts and kinds in their own order, other values by name."""
    order = [*map(str, Verdict), *KINDS]
    return (order.index(value) if value in order else len(order), value)


def _claim(run: Run, claim: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the claims' table; keys are what its columns sort by."""
    measured = claim["checks"][0] if claim["checks"] else None
    kinds = _distinct(check["kind"] for check in claim["checks"])
    bars = _distinct(check["bar"] for check in claim["checks"])
    late = any(check["after_results"] for check in claim["checks"])
    return {
        "page": f"{run.page}.html",
        "anchor": anchor(claim),
        "id": claim["id"],
        "id_key": f"{run.paper.slug} {_padded(claim['id'])}",
        "statement": claim["statement"],
        "in_paper": claim["paper"] or "",
        "reason": "" if measured else claim["reason"],
        "measured": _measured(measured) if measured else None,
        "more": max(0, len(claim["checks"]) - 1),
        "kinds": kinds,
        "bars": bars,
        "after_results": late,
        "whose": claim["whose"],
        "agreement": claim.get("agreement", ""),
        "verdict": claim["verdict"],
        "verdict_key": [str(verdict) for verdict in Verdict].index(claim["verdict"]),
        "choices": {
            "verdict": [claim["verdict"]],
            "whose": [claim["whose"]],
            "kind": kinds,
            "bar": bars + (["after seeing results"] if late else []),
        },
    }


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _padded(claim: str) -> str:
    return re.sub(r"\d+", lambda m: m[0].zfill(3), claim)


def _measured(check: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": check["name"],
        "value": float(check["estimate"]["value"]),
        "estimate": str(Estimate.from_json(check["estimate"])),
        "rule": check["rule"],
    }


def audit(runs: Sequence[Run], root: Path = Path()) -> str:
    """Kinds of evidence, agreement and coverage of the whole book, told apart."""
    records = [run.accepted for run in runs if run.accepted is not None]
    own = [claim for run in runs for claim in run.record]
    checks = [check for claim in own for check in claim["checks"]]
    drawn = [c for r in records for c in r["claims"] if c["verdict"] != Verdict.OUT_OF_REACH]
    inside, total, shared = coverage(records)
    own_records = [(run.paper.rules(), run.accepted) for run in runs if run.accepted is not None]
    return render(
        "audit",
        root,
        kinds=[(kind, _verdicts(checks, "kind", kind)) for kind in KINDS],
        whose=[(name, _verdicts(own, "whose", whose)) for whose, name in WHOSE.items()],
        steady=sum(claim["agreement"] >= DRAWS - 1 for claim in drawn),
        drawn=len(drawn),
        inside=inside,
        total=total,
        shared=shared,
        survivors=[row._asdict() for row in multiplicity.survivors(own_records)],
    )


def _verdicts(rows: Sequence[Mapping[str, Any]], field: str, value: str) -> dict[str, int]:
    """The verdicts of the rows that have this value in a field."""
    return tally(Counter(row["verdict"] for row in rows if row[field] == value))


def waivers(runs: Sequence[Run], root: Path = Path()) -> str:
    """What the pages of the first edition are excused from; the list only shrinks."""
    papers = [facts(run) | {"waived": run.paper.waived} for run in runs if run.paper.waived]
    return render("waivers", root, papers=papers)


def notebooks(catalogue: Catalogue, runs: Sequence[Run], root: Path = Path()) -> str:
    """Running time and peak memory of every notebook."""
    titles = {part.slug: part.title for part in catalogue.parts}
    papers = [
        facts(run)
        | {
            "part": titles[run.paper.part],
            "reproduced": run.counts[Verdict.REPRODUCED] / max(1, len(run.record)),
            "seconds": run.seconds,
            "time": duration(run.seconds),
            "bytes": run.peak_bytes,
            "memory": memory(run.peak_bytes),
        }
        for run in runs
    ]
    return render("notebooks", root, papers=papers)


def planned(catalogue: Catalogue, runs: Sequence[Run], root: Path = Path()) -> str:
    """Papers that have no notebook yet."""
    titles = {part.slug: part.title for part in catalogue.parts}
    written = {run.paper.slug for run in runs}
    papers = [
        {
            "title": paper.title,
            "authors": authors(paper),
            "year": paper.published.year,
            "published": str(paper.published),
            "part": titles[paper.part],
            "scope": paper.scope,
        }
        for paper in catalogue.papers
        if paper.slug not in written
    ]
    return render("planned", root, papers=papers)
