"""An executed paper, and how its facts are worded on every kind of page."""

import dataclasses
import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bookbinder.catalogue import Paper
from paperlab.claims import Verdict

SCOPES = {
    "exact": "The paper's own experiment or theorem, at its own size.",
    "scaled": "The paper's algorithm on smaller data or a smaller model.",
    "mechanism": "The paper's central idea, isolated in a controlled system.",
}

KINDS = ("measured", "computed", "bound")
WHOSE = {"paper": "Claims of the papers", "ours": "Questions of our own"}


@dataclasses.dataclass(frozen=True)
class Run:
    """A paper whose notebook has been executed.

    Attributes:
        paper: its entry in the catalogue.
        title: the notebook's own heading.
        measured: the claims that this build's own run recorded.
        accepted: the paper's record over sealed draws, if there is one.
        older: whether the library has changed since the record was accepted.
        seconds: running time.
        peak_bytes: peak memory of the kernel.
        reading_minutes: what the words and the code in view take.
        python: version of Python that ran it.
    """

    paper: Paper
    title: str
    measured: Sequence[Mapping[str, Any]]
    accepted: Mapping[str, Any] | None
    older: bool
    seconds: float
    peak_bytes: int
    reading_minutes: int
    python: str

    @property
    def page(self) -> str:
        """Address of the page below the site's root, without suffix."""
        return f"{self.paper.part}/{self.paper.slug}"

    @property
    def record(self) -> Sequence[Mapping[str, Any]]:
        """The book's claims: over sealed draws, or this run's where none were accepted yet."""
        return self.measured if self.accepted is None else self.accepted["claims"]

    @property
    def counts(self) -> Counter[str]:
        """How many claims got each verdict."""
        return Counter(claim["verdict"] for claim in self.record)


def facts(run: Run) -> dict[str, Any]:
    """What lists of papers show of one, as plain values."""
    paper = run.paper
    return {
        "slug": paper.slug,
        "page": f"{run.page}.html",
        "title": run.title,
        "authors": authors(paper),
        "year": paper.published.year,
        "venue": paper.venue,
        "scope": paper.scope,
        "finding": paper.finding or "",
        "tally": tally(run.counts),
    }


def authors(paper: Paper) -> str:
    """The authors in one line."""
    return ", ".join(paper.authors)


def tally(counts: Mapping[str, int]) -> dict[str, int]:
    """The verdicts that occur, the best first, with how often."""
    return {str(verdict): counts[verdict] for verdict in Verdict if counts.get(verdict)}


def anchor(claim: Mapping[str, Any]) -> str:
    """Where a claim stands on its paper's page."""
    return f"claim-{claim['id']}"


def date_text(date: datetime.date) -> str:
    """A date as a reader writes it."""
    return f"{date.day} {date:%B %Y}"


def duration(seconds: float) -> str:
    """A running time, rounded to what matters."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min"


def memory(peak_bytes: int) -> str:
    """A memory size in decimal units."""
    if peak_bytes < 1e9:
        return f"{peak_bytes / 1e6:.0f} MB"
    return f"{peak_bytes / 1e9:.1f} GB"
