"""Several draws of one notebook, pooled: the estimates on which the book's verdicts rest."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from paperlab.claims.entry import CheckEntry, Entry
from paperlab.claims.estimates import CONFIDENCE, Estimate, Samples, mean, wilson
from paperlab.claims.ledger import Check, judge


def pooled_record(
    entry: Entry, draws: Sequence[Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """The claims as all draws together decide them, with the agreement of the draws.

    Args:
        entry: the paper's entry.
        draws: for each draw the claims that its ledger recorded, as plain JSON values.

    Returns:
        What `judge` returns, and beside each verdict `agreement`: how many draws alone say the
        same.
    """
    rows = [{claim["id"]: claim for claim in draw} for draw in draws]
    measured = {
        claim.id: {
            check.name: _pooled_check(check, [_row(draw[claim.id], check.name) for draw in rows])
            for check in claim.checks
        }
        for claim in entry.claims
    }
    record = judge(entry, measured)
    for claim in record:
        alone = [draw[claim["id"]] for draw in rows]
        claim["agreement"] = sum(own["verdict"] == claim["verdict"] for own in alone)
        for check in claim["checks"]:
            own_checks = [_row(own, check["name"]) for own in alone]
            check["agreement"] = sum(own["verdict"] == check["verdict"] for own in own_checks)
    return record


def _row(claim: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next(check for check in claim["checks"] if check["name"] == name)


def _pooled_check(entry: CheckEntry, rows: Sequence[Mapping[str, Any]]) -> Check:
    badness = entry.rule.badness

    def pooled(role: str, pick: Callable[..., Estimate]) -> dict[str, Estimate]:
        return {
            name: pool(
                [_named(row[role], name) for row in rows], lambda e: pick(e, key=_value(badness))
            )
            for name in getattr(entry, role)
        }

    estimates = [Estimate.from_json(row["estimate"]) for row in rows]

    def worst(draws: Sequence[Estimate]) -> Estimate:
        return max(draws, key=_value(badness))

    return Check(
        entry.name,
        worst(estimates) if entry.bound else pool(estimates, worst),
        controls=pooled("controls", min),  # the draw that comes nearest to passing
        attainable=pooled("attainable", max),
        sensitivity=pooled("sensitivity", max),
    )


def _value(badness: Callable[[float], float]) -> Callable[[Estimate], float]:
    return lambda estimate: badness(estimate.value)


def _named(rows: Sequence[Mapping[str, Any]], name: str) -> Estimate:
    return Estimate.from_json(next(row["estimate"] for row in rows if row["name"] == name))


def pool(draws: Sequence[Estimate], worst: Callable[[Sequence[Estimate]], Estimate]) -> Estimate:
    """One estimate from several draws.

    Sampled quantities: Student's t over the draws' values, cut to the quantity's range; shares of
    trials: Wilson's interval on all trials together. Computed quantities: the worst draw.

    Draws of one notebook may share data that no seed changes, such as a bundled corpus. Then they
    scatter less than their own intervals say, and the shared part of the error does not average
    out: it is added to the pooled interval.

    Args:
        draws: one estimate per draw, at least two.
        worst: picks a draw among computed ones.
    """
    if not any(draw.sampled for draw in draws):
        return worst(draws)
    n, values = min(draw.n for draw in draws), np.array([draw.value for draw in draws])
    if all(draw.method == "Wilson" for draw in draws):
        successes = sum(round(draw.value * draw.n) for draw in draws)
        together = wilson(successes, sum(draw.n for draw in draws))
    else:
        within = min(d.within[0] for d in draws), max(d.within[1] for d in draws)
        together = mean(values, within)
    method = f"{together.method} over {len(draws)} draws"
    if shared := _shared_half_width(draws, values):
        together = _widened(together, shared)
        method += SHARED
    return dataclasses.replace(together, n=n, method=method, sampled=True, samples=values)


SHARED = ", which share data"
_LEVEL = 0.01  # at which draws count as scattering less than their own intervals say


def _shared_half_width(draws: Sequence[Estimate], values: Samples) -> float:
    """Half the width that the draws' intervals have in common; 0 where they look independent."""
    quantiles = np.array([_quantile(draw) for draw in draws])
    errors = np.array([(draw.high - draw.low) / 2 for draw in draws]) / quantiles
    own, scatter = float(np.mean(errors**2)), float(np.var(values, ddof=1))
    freedom = len(draws) - 1
    if own == 0 or freedom * scatter / own >= scipy.stats.chi2.ppf(_LEVEL, freedom):
        return 0.0
    return float(np.mean(quantiles)) * math.sqrt(own - scatter)


def _quantile(draw: Estimate) -> float:
    """Half the width of a draw's own interval in standard errors."""
    if "Student t" in draw.method and draw.n > 1:
        return float(scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, draw.n - 1))
    return float(scipy.stats.norm.ppf(0.5 + CONFIDENCE / 2))


def _widened(estimate: Estimate, shared: float) -> Estimate:
    half = math.hypot((estimate.high - estimate.low) / 2, shared)
    low = max(estimate.value - half, estimate.within[0])
    high = min(estimate.value + half, estimate.within[1])
    return dataclasses.replace(estimate, low=low, high=high)
