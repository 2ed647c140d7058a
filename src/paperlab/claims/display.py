"""How a ledger is shown: an accessible table, lines of plain text, and JSON carried along."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from paperlab.claims import entry, forest
from paperlab.claims.estimates import CONFIDENCE, Estimate
from paperlab.claims.rules import Verdict

MIME_TYPE = "application/vnd.paperlab.claims+json"

_LEFT = ' style="text-align:left"'  # Jupyter's tables are set to the right
_COLUMNS = ("Measured", "Picture", "Value", "Verdict")
_BARS = {"paper": "the paper’s bar", "theory": "from theory", "ours": "our bar"}


class Report:
    """A complete ledger, shown as an accessible table and carried along as JSON.

    Attributes:
        record: the paper's slug and its claims, each with verdict and checks; plain JSON values.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/html": table(entry.read(self.record["paper"]), self.record["claims"]),
            "text/plain": "\n".join(summary(claim) for claim in self.record["claims"]),
            MIME_TYPE: self.record,
        }


def summary(claim: Mapping[str, Any]) -> str:
    """One line of plain text for a recorded claim: id, verdict, and the first measurement."""
    line = f"{claim['id']:<4} {claim['verdict']:<15}"
    if not claim["checks"]:
        return f"{line} {claim['reason']}"
    check = claim["checks"][0]
    more = len(claim["checks"]) - 1
    tail = f" (+{more} more)" if more else ""
    return f"{line} {check['name']}: {_estimate(check)} {check['rule']}{tail}"


def table(
    rules: entry.Entry,
    claims: Iterable[Mapping[str, Any]],
    accepted: Iterable[Mapping[str, Any]] = (),
) -> str:
    """The claims of a run as an HTML table: the paper's first, then our own questions.

    Args:
        rules: the paper's entry.
        claims: what the run recorded.
        accepted: the claims of the paper's record, whose draws are shown and whose verdicts count.
    """
    ordered = sorted(claims, key=lambda claim: claim["whose"] == "ours")
    pictures = _pictures(rules, ordered, accepted)
    book = {claim["id"]: claim for claim in accepted}
    heads = "".join(f'<th scope="col"{_LEFT}>{name}</th>' for name in _COLUMNS)
    return (
        '<table class="claims"><caption>Claims and what was measured here. Brackets hold '
        f"{CONFIDENCE:.0%} intervals; a value without them is computed, not sampled. In pictures "
        "the rule’s region is shaded, the filled point is this run, ticks are the sealed draws, "
        "hollow points the controls, an arrow what lies far away, a diamond the paper’s own number."
        f"</caption><thead><tr>{heads}</tr></thead>"
        + "".join(_claim_rows(claim, book.get(claim["id"]), pictures) for claim in ordered)
        + "</table>"
    )


Pictures = Mapping[tuple[str, str], forest.Strips]


def _pictures(
    rules: entry.Entry,
    claims: Iterable[Mapping[str, Any]],
    accepted: Iterable[Mapping[str, Any]],
) -> Pictures:
    """The forest plot of each check, by claim and name."""
    held = {(claim.id, check.name): check.rule for claim in rules.claims for check in claim.checks}
    draws = {
        (claim["id"], check["name"]): check["draws"]
        for claim in accepted
        for check in claim["checks"]
    }
    return {
        (place := (claim["id"], check["name"])): forest.strips(
            check, held[place], draws.get(place, ())
        )
        for claim in claims
        for check in claim["checks"]
    }


def text_to_html(text: str) -> str:
    r"""Escapes catalogue text for HTML; `$...$` becomes `\(...\)`, which the page typesets."""
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", html.escape(text, quote=False))


def _typeset(numbers: object) -> str:
    """Numbers, as text, with proper minus signs."""
    return re.sub(r"-(?=[\d.])", "−", str(numbers))


def _estimate(row: Mapping[str, Any]) -> Estimate:
    return Estimate.from_json(row["estimate"])


def _badge(verdict: str) -> str:
    return f'<span class="verdict verdict-{verdict.replace(" ", "-")}">{verdict}</span>'


def _claim_rows(
    claim: Mapping[str, Any], book: Mapping[str, Any] | None, pictures: Pictures
) -> str:
    paper = f"{claim['paper']} ({claim['where']})" if claim["paper"] else claim["where"]
    place = f"claim-{claim['id']}"
    whose = "Our question, not the paper’s claim" if claim["whose"] == "ours" else "The paper"
    head = (
        f'<tbody id="{place}"><tr class="claim">'
        f'<th scope="rowgroup" colspan="3"{_LEFT}>'
        f"<b>{claim['id']}</b> {text_to_html(claim['statement'])} {_permalink(place)} "
        f'<span class="paper-says">{whose}: {text_to_html(paper)}</span></th>'
        f"<td{_LEFT}>{_verdict(claim, book)}</td></tr>"
    )
    if not claim["checks"]:
        return f'{head}<tr><td colspan="4"{_LEFT}>{text_to_html(claim["reason"])}</td></tr></tbody>'
    told = "; ".join(weakness["text"] for weakness in claim["weaknesses"])
    weak = (
        f'<tr><td colspan="4"{_LEFT}><small>{text_to_html(told)}.</small></td></tr>' if told else ""
    )
    rows = (
        _check_rows(check, pictures[claim["id"], check["name"]], f"{place}-{number}")
        for number, check in enumerate(claim["checks"], 1)
    )
    return head + "".join(rows) + weak + "</tbody>"


def _verdict(claim: Mapping[str, Any], book: Mapping[str, Any] | None) -> str:
    """The book's verdict with its agreement, and this run's where it reads otherwise."""
    if book is None or not claim["checks"]:
        return _badge(claim["verdict"])
    told = f"{_badge(book['verdict'])}<br><small>{book['agreement']} of {_draws(book)} draws alone"
    if claim["verdict"] != book["verdict"]:
        told += f"; this run: {claim['verdict']}"
    return told + "</small>"


def _draws(book: Mapping[str, Any]) -> int:
    return len(book["checks"][0]["draws"])


def _permalink(place: str) -> str:
    return f'<a class="headerlink" href="#{place}" aria-label="Link to this row">#</a>'


def _check_rows(check: Mapping[str, Any], picture: forest.Strips, place: str) -> str:
    """The measurement, and below it a row for each control and for what else stands beside it."""
    bar = _BARS[check["bar"]] + (", set after seeing results" if check["after_results"] else "")
    because = f": {text_to_html(check['because'])}" if check["because"] else ""
    rule = f"rule {html.escape(_typeset(check['rule']))}, {bar}{because}"
    first = _row(
        "check",
        f"{text_to_html(check['name'])} {_permalink(place)}<br><small>{rule}</small>",
        picture.main,
        f"{_typeset(_estimate(check))}<br><small>{_evidence(check)}</small>",
        _badge(check["verdict"]) + _precision(check),
        place=place,
    )
    return first + "".join(
        _row("control", text_to_html(name), strip, _typeset(estimate), fate)
        for (name, estimate, fate), strip in zip(_beside(check), picture.others, strict=True)
    )


def _row(kind: str, *cells: str, place: str = "") -> str:
    name = f' id="{place}"' if place else ""
    labelled = zip(_COLUMNS, cells, strict=True)
    columns = "".join(f'<td data-label="{label}"{_LEFT}>{cell}</td>' for label, cell in labelled)
    return f'<tr class="{kind}"{name}>{columns}</tr>'


def _evidence(check: Mapping[str, Any]) -> str:
    estimate = _estimate(check)
    told = f"{check['kind']}: {estimate.method}, n = {estimate.n}"
    if check["paper_value"] is not None:
        told += f"; the paper: {check['paper_value']:.3g}"
    return told


def _beside(check: Mapping[str, Any]) -> Iterable[tuple[str, Estimate, str]]:
    """Name, estimate and fate of controls, attainable values and other settings."""
    for control in check["controls"]:
        fate = "rejected" if control["rejected"] else "not rejected"
        yield f"{control['kind']} control: {control['name']}", _estimate(control), fate
    for role, told in (("attainable", "could pass"), ("sensitivity", "other setting")):
        for row in check[role]:
            yield f"{told}: {row['name']}", _estimate(row), row["verdict"]


def _precision(check: Mapping[str, Any]) -> str:
    if check.get("slack"):
        return f"<br><small>holds, {check['slack']:.2g} times loose</small>"
    if check["verdict"] == Verdict.UNDECIDED and "detectable" in check:
        seen = f"80% power needs {check['detectable']:.2g} beyond the bar"
        return f"<br><small>{seen}</small>"
    return ""
