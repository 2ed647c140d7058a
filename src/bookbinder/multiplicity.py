"""How many of the book's decided measurements survive a correction for their number.

No correction decides a verdict; this stands beside. The level of a measurement is the smallest at
which its pooled interval, scaled from the one shown, still decides the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from paperlab.claims import CONFIDENCE, Entry, Estimate, Rule, Verdict

LEVEL = 1 - CONFIDENCE
DECIDED = (Verdict.REPRODUCED, Verdict.PARTLY, Verdict.NOT_REPRODUCED)

Levels = Float[np.ndarray, " checks"]


class Survivors(NamedTuple):
    """Measured checks of one verdict, and how many keep it under a correction.

    Attributes:
        verdict: what the 95% interval of each alone says.
        alone: how many there are.
        benjamini_hochberg: how many keep it when one in twenty of all that do may be wrong.
        holm: how many keep it when the chance that any is wrong is one in twenty.
    """

    verdict: Verdict
    alone: int
    benjamini_hochberg: int
    holm: int


def survivors(records: Iterable[tuple[Entry, Mapping[str, Any]]]) -> list[Survivors]:
    """What is left of each verdict, over all measured checks of the papers' records."""
    checks = [pair for entry, record in records for pair in _measured(entry, record)]
    verdicts = [Verdict(check["verdict"]) for _, check in checks]
    # What is undecided was asked as well, and counts among the questions.
    levels = np.array(
        [
            level(rule, Estimate.from_json(check["estimate"])) if verdict in DECIDED else 1.0
            for (rule, check), verdict in zip(checks, verdicts, strict=True)
        ]
    )
    if not checks:
        return []
    discovered = scipy.stats.false_discovery_control(levels) <= LEVEL
    certain = holm(levels) <= LEVEL
    chosen = {name: np.array([v == name for v in verdicts]) for name in DECIDED}
    return [
        Survivors(name, int(own.sum()), int(discovered[own].sum()), int(certain[own].sum()))
        for name, own in chosen.items()
        if own.any()
    ]


def _measured(entry: Entry, record: Mapping[str, Any]) -> Iterable[tuple[Rule, Mapping[str, Any]]]:
    rules = {(claim.id, check.name): check.rule for claim in entry.claims for check in claim.checks}
    for claim in record["claims"]:
        for check in claim["checks"]:
            if check["kind"] == "measured":
                yield rules[claim["id"], check["name"]], check


def level(rule: Rule, estimate: Estimate) -> float:
    """The smallest two-sided level at which an estimate over draws decides as its interval does.

    Raises:
        ValueError: if the interval decides nothing.
    """
    verdict = rule.decide(estimate)
    if verdict not in DECIDED:
        raise ValueError(f"level: estimate: {estimate} against {rule.text} is {verdict}")
    low, high = rule.region if verdict is Verdict.REPRODUCED else rule.direction
    edges = [(edge - estimate.value) for edge in (low, high) if np.isfinite(edge)]
    gap = min(edges, key=abs)
    # The half of the interval that points to the edge; the other may be cut to the range.
    half = estimate.high - estimate.value if gap > 0 else estimate.value - estimate.low
    if half == 0:
        return 0.0
    law = scipy.stats.norm if "Wilson" in estimate.method else scipy.stats.t(_draws(estimate) - 1)
    return float(2 * law.sf(abs(gap) / half * law.ppf(0.5 + CONFIDENCE / 2)))


def _draws(estimate: Estimate) -> int:
    """How many draws were pooled, as the method says."""
    before, _, _ = estimate.method.partition(" draws")
    return int(before.rpartition(" ")[2])


def holm(levels: Levels) -> Levels:
    """Levels adjusted by Holm's procedure (1979): each at most 0.05 holds with all others."""
    order = np.argsort(levels)
    steps = levels[order] * np.arange(len(levels), 0, -1)
    adjusted = np.empty_like(levels)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
