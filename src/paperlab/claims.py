"""The ledger: a paper's claims, measured, judged by rules that can fail, and recorded.

A notebook makes an `Estimate` for what it measured, states a `Rule` that decides on the
estimate's interval, and measures the method broken on purpose as a control, which the same
rule must reject. The `Ledger` computes the verdicts and refuses to report an incomplete or
unsound record.
"""

from __future__ import annotations

import dataclasses
import html
import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib import resources
from typing import Any

import numpy as np
import scipy.stats
import yaml
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
MIME_TYPE = "application/vnd.paperlab.claims+json"


class ClaimError(ValueError):
    """A record that cannot be trusted; the message names the paper, the claim and the reason."""


class Verdict(StrEnum):
    """What a measurement says of a claim, from best to worst."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    NOT_REPRODUCED = "not reproduced"
    OUT_OF_REACH = "out of reach"


_SEVERITY = {Verdict.REPRODUCED: 0, Verdict.PARTLY: 1, Verdict.NOT_REPRODUCED: 2}


# --- Estimates ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A measured number with its confidence interval.

    Attributes:
        value: the point estimate.
        low: lower end of the interval at level `CONFIDENCE`; equals `value` when the quantity is
            computed rather than sampled.
        high: upper end; likewise.
        n: how many replicates (or, for a computed quantity, values) it rests on.
        method: name of the interval's method.
    """

    value: float
    low: float
    high: float
    n: int
    method: str

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def _sample(values: ArrayLike) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(values, dtype=np.float64).ravel()


def _undefined(n: int, method: str) -> Estimate:
    """What a maker returns for a sample it cannot use; `Ledger.record` refuses it by name."""
    return Estimate(math.nan, math.nan, math.nan, n, method)


def exact(value: float, n: int = 1) -> Estimate:
    """A computed number: no sampling, hence an interval of zero width."""
    return Estimate(float(value), float(value), float(value), n, "exact")


def residual(values: ArrayLike) -> Estimate:
    """The largest absolute entry of `values`, for identities that hold up to rounding."""
    values = _sample(values)
    if values.size == 0:
        return _undefined(0, "exact")
    return exact(float(np.max(np.abs(values))), values.size)


def mean(samples: ArrayLike) -> Estimate:
    """Mean over replicates with Student's t interval.

    Args:
        samples: one number per independent replicate, at least two.
    """
    samples = _sample(samples)
    if samples.size < 2:
        return _undefined(samples.size, "Student t")
    value, error = float(np.mean(samples)), float(scipy.stats.sem(samples))
    half = error * float(scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, samples.size - 1))
    return Estimate(value, value - half, value + half, samples.size, "Student t")


def paired_difference(treatment: ArrayLike, baseline: ArrayLike) -> Estimate:
    """Mean of `treatment - baseline` over paired replicates, Student's t interval.

    Raises:
        ValueError: if the two samples differ in length.
    """
    a, b = _sample(treatment), _sample(baseline)
    if a.size != b.size:
        raise ValueError(
            f"paired_difference: treatment has {a.size} replicates and baseline {b.size}; "
            "pairs need as many of each"
        )
    return dataclasses.replace(mean(a - b), method="paired Student t")


def proportion(outcomes: ArrayLike) -> Estimate:
    """Share of true outcomes with Wilson's score interval.

    Args:
        outcomes: one boolean per independent trial.

    Raises:
        ValueError: if an outcome is neither 0 nor 1.
    """
    outcomes = _sample(outcomes)
    if outcomes.size == 0:
        return _undefined(0, "Wilson")
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise ValueError("proportion: outcomes must be booleans (0 or 1)")
    k, n = int(outcomes.sum()), outcomes.size
    interval = scipy.stats.binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(k / n, float(interval.low), float(interval.high), n, "Wilson")


def slope(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Slope of log y against log x by least squares.

    With one curve, `y` of shape (points,), the interval is the regression's own. With replicated
    curves, `y` of shape (replicates, points), one slope is fitted per replicate and the interval
    is Student's t over replicates.

    Raises:
        ValueError: if shapes disagree, fewer than three points are given, or an entry is not
            positive.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or y.ndim not in (1, 2) or y.shape[-1] != x.size or x.size < 3:
        raise ValueError(
            "slope: needs x of shape (points,) with at least 3 points and y of shape (points,) "
            f"or (replicates, points); got {x.shape} and {y.shape}"
        )
    if not ((x > 0).all() and (y > 0).all()):
        raise ValueError("slope: x and y must be positive; their logarithms are fitted")
    if y.ndim == 2:
        slopes = [np.polyfit(np.log(x), np.log(row), 1)[0] for row in y]
        return dataclasses.replace(mean(slopes), method="log-log slopes, Student t")
    fit = scipy.stats.linregress(np.log(x), np.log(y))
    half = float(fit.stderr * scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, x.size - 2))
    value = float(fit.slope)
    return Estimate(value, value - half, value + half, x.size, "log-log regression")


def bootstrap(samples: ArrayLike, statistic: Callable[..., Any], seed: int) -> Estimate:
    """Any statistic of independent replicates with the percentile bootstrap.

    Args:
        samples: one number per replicate, at least two.
        statistic: a function of an array and `axis`, for instance `numpy.median`.
        seed: of the resampling; pass the notebook's `SEED`.
    """
    samples = _sample(samples)
    if samples.size < 2:
        return _undefined(samples.size, "percentile bootstrap")
    result = scipy.stats.bootstrap(
        (samples,),
        statistic,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    value, interval = float(statistic(samples, axis=0)), result.confidence_interval
    return Estimate(
        value, float(interval.low), float(interval.high), samples.size, "percentile bootstrap"
    )


# --- Rules ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Rule:
    """A region that the whole interval must lie in, inside a wider one that only shows direction.

    Decides `reproduced` when the interval lies in the region; `partly` when the direction holds
    but not the size (the interval lies in the wider region) or not the certainty (the value lies
    in the region and the interval sticks out); `not reproduced` otherwise.
    """

    text: str
    low: float
    high: float
    direction_low: float
    direction_high: float

    def decide(self, estimate: Estimate) -> Verdict:
        """The verdict on one estimate."""
        if self.low <= estimate.low and estimate.high <= self.high:
            return Verdict.REPRODUCED
        in_direction = self.direction_low <= estimate.low and estimate.high <= self.direction_high
        if in_direction or self.low <= estimate.value <= self.high:
            return Verdict.PARTLY
        return Verdict.NOT_REPRODUCED


def greater_than(threshold: float, direction: float | None = None) -> Rule:
    """The lower end exceeds `threshold`; only `direction` (at most `threshold`) for `partly`."""
    direction = threshold if direction is None else direction
    if direction > threshold:
        raise ValueError(f"greater_than: direction {direction} exceeds threshold {threshold}")
    text = f"> {threshold:g}" + (f" (direction: > {direction:g})" if direction < threshold else "")
    return Rule(
        text,
        math.nextafter(threshold, math.inf),
        math.inf,
        math.nextafter(direction, math.inf),
        math.inf,
    )


def less_than(threshold: float, direction: float | None = None) -> Rule:
    """The upper end is below `threshold`; only `direction` (at least `threshold`) for `partly`."""
    direction = threshold if direction is None else direction
    if direction < threshold:
        raise ValueError(f"less_than: direction {direction} is below threshold {threshold}")
    text = f"< {threshold:g}" + (f" (direction: < {direction:g})" if direction > threshold else "")
    return Rule(
        text,
        -math.inf,
        math.nextafter(threshold, -math.inf),
        -math.inf,
        math.nextafter(direction, -math.inf),
    )


def between(low: float, high: float, direction: tuple[float, float] | None = None) -> Rule:
    """The interval lies within [low, high]; only within the wider `direction` for `partly`."""
    wide_low, wide_high = (low, high) if direction is None else direction
    if not wide_low <= low <= high <= wide_high:
        raise ValueError(
            f"between: needs direction[0] <= low <= high <= direction[1], got "
            f"{wide_low}, {low}, {high}, {wide_high}"
        )
    text = f"= {low:g}" if low == high else f"within [{low:g}, {high:g}]"
    if direction is not None:
        text += f" (direction: [{wide_low:g}, {wide_high:g}])"
    return Rule(text, low, high, wide_low, wide_high)


# --- The ledger -----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Check:
    """One measurement of a claim.

    Attributes:
        measured: what was measured, in words.
        estimate: the measurement.
        rule: decides on it.
        controls: the same quantity with the method broken on purpose, keyed by what was broken;
            the rule must reject each.
    """

    measured: str
    estimate: Estimate
    rule: Rule
    controls: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)


class Ledger:
    """The record of one paper's claims.

    Args:
        paper: slug of the paper in the catalogue.

    Raises:
        ClaimError: if the catalogue has no such paper, or no claims for it.
    """

    def __init__(self, paper: str) -> None:
        self.paper = paper
        self._claims = {claim["id"]: claim for claim in _catalogue_claims(paper)}
        self._records: dict[str, dict[str, Any]] = {}

    def record(self, claim: str, *checks: Check) -> None:
        """Records what was measured of a claim; its verdict is that of its weakest check.

        Raises:
            ClaimError: if the claim is unknown or already recorded; no check is given; none of
                the checks has a control; an estimate is empty or not finite; a control passes.
        """
        self._open(claim)
        if not checks:
            raise self._error(claim, "recorded without a check")
        if not any(check.controls for check in checks):
            raise self._error(claim, "none of its checks has a control that could fail")
        rows = [self._judge(claim, check) for check in checks]
        verdict = max((row["verdict"] for row in rows), key=lambda v: _SEVERITY[v])
        self._records[claim] = {"verdict": verdict, "checks": rows}

    def out_of_reach(self, claim: str, reason: str) -> None:
        """Declares that a claim cannot be checked here, and why.

        Raises:
            ClaimError: if the claim is unknown or already recorded, or the reason is empty.
        """
        self._open(claim)
        if not reason.strip():
            raise self._error(claim, "declared out of reach without a reason")
        self._records[claim] = {"verdict": Verdict.OUT_OF_REACH, "reason": reason, "checks": []}

    def report(self) -> Report:
        """The complete record, to be shown as the last value of a cell.

        Raises:
            ClaimError: if a claim of the catalogue is neither recorded nor declared out of reach.
        """
        for claim in self._claims:
            if claim not in self._records:
                raise self._error(claim, "neither recorded nor declared out of reach")
        claims = [claim | self._records[name] for name, claim in self._claims.items()]
        return Report({"paper": self.paper, "claims": claims})

    def _error(self, claim: str, reason: str) -> ClaimError:
        return ClaimError(f"{self.paper}, claim {claim}: {reason}")

    def _open(self, claim: str) -> None:
        if claim not in self._claims:
            known = ", ".join(self._claims)
            raise self._error(claim, f"not in the catalogue, which has {known}")
        if claim in self._records:
            raise self._error(claim, "recorded twice")

    def _judge(self, claim: str, check: Check) -> dict[str, Any]:
        self._require_sound(claim, check.measured, check.estimate)
        controls = []
        for broken, estimate in check.controls.items():
            where = f"control “{broken}” of “{check.measured}”"
            self._require_sound(claim, where, estimate)
            verdict = check.rule.decide(estimate)
            if verdict == Verdict.REPRODUCED:
                raise self._error(
                    claim, f"{where} passes its rule: {estimate} is {check.rule.text}"
                )
            controls.append(
                {"broken": broken, "estimate": dataclasses.asdict(estimate), "verdict": verdict}
            )
        return {
            "measured": check.measured,
            "estimate": dataclasses.asdict(check.estimate),
            "rule": check.rule.text,
            "verdict": check.rule.decide(check.estimate),
            "controls": controls,
        }

    def _require_sound(self, claim: str, what: str, estimate: Estimate) -> None:
        if estimate.n == 0:
            raise self._error(claim, f"{what}: the sample is empty")
        if estimate.n == 1 and estimate.method != "exact":
            raise self._error(claim, f"{what}: one replicate has no interval")
        ends = (estimate.low, estimate.value, estimate.high)
        if not all(map(math.isfinite, ends)):
            raise self._error(claim, f"{what}: not finite (low, value, high = {ends})")


class Report:
    """A complete ledger, shown as an accessible table and carried along as JSON.

    Attributes:
        record: the paper's slug and its claims, each with verdict and checks; plain JSON values.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/html": self._html(),
            "text/plain": "\n".join(summary(claim) for claim in self.record["claims"]),
            MIME_TYPE: self.record,
        }

    def _html(self) -> str:
        bodies = "".join(_claim_rows(claim) for claim in self.record["claims"])
        return (
            '<table class="claims"><caption>Claims of the paper and what was measured here. '
            f"Brackets hold {CONFIDENCE:.0%} intervals; a value without them is computed, not "
            "sampled.</caption><thead><tr>"
            + "".join(
                f'<th scope="col">{name}</th>'
                for name in ("Measured", "Value", "Rule", "Control (must fail)", "Verdict")
            )
            + f"</tr></thead>{bodies}</table>"
        )


def summary(claim: Mapping[str, Any]) -> str:
    """One line of plain text for a recorded claim: id, verdict, and the first measurement."""
    line = f"{claim['id']:<4} {claim['verdict']:<15}"
    if not claim["checks"]:
        return f"{line} {claim['reason']}"
    check = claim["checks"][0]
    more = len(claim["checks"]) - 1
    tail = f" (+{more} more)" if more else ""
    return f"{line} {check['measured']}: {Estimate(**check['estimate'])} {check['rule']}{tail}"


def text_to_html(text: str) -> str:
    r"""Escapes catalogue text for HTML; `$...$` becomes `\(...\)`, which the page typesets."""
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", html.escape(text, quote=False))


def _typeset(numbers: object) -> str:
    """Numbers, as text, with proper minus signs."""
    return re.sub(r"-(?=[\d.])", "−", str(numbers))


def _badge(verdict: str) -> str:
    return f'<span class="verdict verdict-{verdict.replace(" ", "-")}">{verdict}</span>'


def _claim_rows(claim: Mapping[str, Any]) -> str:
    paper = f"{claim['paper']} ({claim['where']})" if claim["paper"] else claim["where"]
    head = (
        f'<tbody id="claim-{claim["id"]}"><tr class="claim"><th scope="rowgroup" colspan="4">'
        f"<b>{claim['id']}</b> {text_to_html(claim['statement'])} "
        f'<span class="paper-says">The paper: {text_to_html(paper)}</span></th>'
        f"<td>{_badge(claim['verdict'])}</td></tr>"
    )
    if not claim["checks"]:
        return f'{head}<tr><td colspan="5">{text_to_html(claim["reason"])}</td></tr></tbody>'
    return head + "".join(map(_check_row, claim["checks"])) + "</tbody>"


def _check_row(check: Mapping[str, Any]) -> str:
    estimate = Estimate(**check["estimate"])
    controls = "<br>".join(
        f"{text_to_html(c['broken'])}: {_typeset(Estimate(**c['estimate']))}, rejected"
        for c in check["controls"]
    )
    cells = (
        ("Measured", text_to_html(check["measured"])),
        ("Value", f"{_typeset(estimate)}<br><small>{estimate.method}, n = {estimate.n}</small>"),
        ("Rule", html.escape(_typeset(check["rule"]))),
        ("Control", controls or "–"),
        ("Verdict", _badge(check["verdict"])),
    )
    return "<tr>" + "".join(f'<td data-label="{k}">{v}</td>' for k, v in cells) + "</tr>"


def _catalogue_claims(paper: str) -> list[dict[str, Any]]:
    catalogue = yaml.safe_load(
        resources.files(__package__).joinpath("papers.yml").read_text("utf-8")
    )
    for entry in catalogue["papers"]:
        if entry["slug"] == paper:
            if not entry.get("claims"):
                raise ClaimError(f"{paper}: the catalogue has no claims for this paper yet")
            return list(entry["claims"])
    raise ClaimError(f"{paper}: not in the catalogue")
