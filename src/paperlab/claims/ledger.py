"""The ledger: what a notebook measured, held to the rules of the paper's entry.

A notebook hands over an estimate for each name in the entry; it cannot bend a rule. `judge` turns
estimates into verdicts, for one run as for ten pooled draws.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from paperlab.claims import entry as entries
from paperlab.claims.display import Report
from paperlab.claims.entry import CheckEntry, ClaimEntry, ClaimError, Entry
from paperlab.claims.estimates import Estimate, difference_of, paired_difference
from paperlab.claims.rules import Rule, Verdict

REPLICATES = 8  # fewer need a reason

# Normal quantiles: half the width of a 95% interval, and that plus 80% power.
_HALF_WIDTH, _POWER = 1.959964, 0.841621


@dataclasses.dataclass(frozen=True)
class Check:
    """What was measured for one check of the entry.

    Attributes:
        name: the check's name in the entry.
        estimate: the measurement.
        controls: the same quantity for each control: the method with one thing changed.
        attainable: the same quantity where the claim is true by design, or the best attainable.
        sensitivity: the same quantity at other values of a setting that we had to guess.
    """

    name: str
    estimate: Estimate
    controls: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)
    attainable: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)
    sensitivity: Mapping[str, Estimate] = dataclasses.field(default_factory=dict)

    def estimates(self) -> Iterable[tuple[str, Estimate]]:
        """All estimates, each with what it is called in a message."""
        yield self.name, self.estimate
        for role in ("controls", "attainable", "sensitivity"):
            for name, estimate in getattr(self, role).items():
                yield f"{role.removesuffix('s')} “{name}” of “{self.name}”", estimate


def against(
    name: str,
    ours: ArrayLike,
    rival: ArrayLike,
    controls: Mapping[str, ArrayLike],
    **evidence: Mapping[str, Estimate],
) -> Check:
    """The commonest check: ours minus a rival over paired replicates; controls take our place.

    Args:
        name: the check's name in the entry.
        ours: one number per replicate.
        rival: likewise, on the same replicates.
        controls: likewise, by name.
        **evidence: `attainable` and `sensitivity` of the `Check`.
    """
    broken = {control: paired_difference(x, rival) for control, x in controls.items()}
    return Check(name, paired_difference(ours, rival), broken, **evidence)


class Ledger:
    """The record of one paper's claims in one run.

    Args:
        paper: slug of the paper.

    Raises:
        ClaimError: if the catalogue has no entry for it, or no claims.
    """

    def __init__(self, paper: str) -> None:
        self._entry = entries.read(paper)
        self._claims = {claim.id: claim for claim in self._entry.claims}
        self._measured: dict[str, dict[str, Check]] = {}

    def record(self, claim: str, *checks: Check) -> None:
        """Records all that was measured of a claim.

        Raises:
            ClaimError: if the claim is unknown, recorded already or out of reach; a check, control
                or other name is missing or not in the entry; no check has a control; or an
                estimate is empty or not finite.
        """
        if claim not in self._claims:
            raise self._error(claim, f"not in the entry, which has {', '.join(self._claims)}")
        if claim in self._measured:
            raise self._error(claim, "recorded twice")
        if self._claims[claim].out_of_reach:
            raise self._error(claim, "declared out of reach in the entry, and recorded")
        expected = {check.name: check for check in self._claims[claim].checks}
        given = {check.name: check for check in checks}
        if len(given) < len(checks):
            raise self._error(claim, "a check is handed over twice")
        self._require_names(claim, "checks", expected, given)
        if not any(check.controls for check in checks):
            raise self._error(claim, "none of its checks has a control that could fail")
        for check in checks:
            rule = expected[check.name]
            for role in ("controls", "attainable", "sensitivity"):
                where = f"{role} of “{check.name}”"
                self._require_names(claim, where, getattr(rule, role), getattr(check, role))
            for what, estimate in check.estimates():
                self._require_sound(claim, what, estimate)
        self._measured[claim] = given

    def report(self) -> Report:
        """The complete record, to be shown as the last value of a cell.

        Raises:
            ClaimError: if a claim of the entry is neither recorded nor declared out of reach.
        """
        for claim in self._entry.claims:
            if claim.id not in self._measured and not claim.out_of_reach:
                raise self._error(claim.id, "neither recorded nor declared out of reach")
        return Report({"paper": self._entry.paper, "claims": judge(self._entry, self._measured)})

    def _error(self, claim: str, reason: str) -> ClaimError:
        return ClaimError(f"{self._entry.paper}, claim {claim}: {reason}")

    def _require_names(
        self, claim: str, what: str, expected: Iterable[str], given: Iterable[str]
    ) -> None:
        expected, given = list(expected), list(given)
        missing = [name for name in expected if name not in given]
        unknown = [name for name in given if name not in expected]
        if missing or unknown:
            told = [f"missing “{name}”" for name in missing]
            told += [f"“{name}” is not in the entry" for name in unknown]
            raise self._error(claim, f"{what}: {'; '.join(told)}")

    def _require_sound(self, claim: str, what: str, estimate: Estimate) -> None:
        if estimate.n == 0:
            raise self._error(claim, f"{what}: the sample is empty")
        if estimate.n == 1 and estimate.sampled:
            raise self._error(claim, f"{what}: one replicate has no interval")
        ends = (estimate.low, estimate.value, estimate.high)
        if not all(map(math.isfinite, ends)):
            raise self._error(claim, f"{what}: not finite (low, value, high = {ends})")


# --- Verdicts -------------------------------------------------------------------------------


def judge(entry: Entry, measured: Mapping[str, Mapping[str, Check]]) -> list[dict[str, Any]]:
    """Every claim of an entry with its checks, verdicts and weaknesses, as plain JSON values.

    Args:
        entry: the paper's entry.
        measured: by claim and by name of the check; claims out of reach have none.
    """
    record = [_judge_claim(entry, claim, measured.get(claim.id, {})) for claim in entry.claims]
    for claim, text in _repeated_samples(entry, measured):
        next(row for row in record if row["id"] == claim)["weaknesses"].append(
            {"of": "same sample", "text": text}
        )
    return record


def _repeated_samples(
    entry: Entry, measured: Mapping[str, Mapping[str, Check]]
) -> Iterable[tuple[str, str]]:
    """Claims with a check that rests on another's very sample; a measurement counts once.

    Samples of one or two values may agree by chance and are passed over. One run may agree by
    chance of tuning, too; over ten pooled draws only the code can be the reason.
    """
    seen: dict[bytes, str] = {}
    for claim in entry.claims:
        for check in measured.get(claim.id, {}).values():
            samples = check.estimate.samples
            if samples is None or np.unique(samples).size < 3:
                continue
            place = f"“{check.name}” of {claim.id}"
            earlier = seen.setdefault(samples.tobytes(), place)
            if earlier != place:
                yield claim.id, f"{place} is the same sample as {earlier}"


def _judge_claim(entry: Entry, claim: ClaimEntry, measured: Mapping[str, Check]) -> dict[str, Any]:
    head = {"id": claim.id, "statement": claim.statement, "paper": claim.paper}
    head |= {"where": claim.where, "whose": "ours" if claim.ours else "paper"}
    if claim.out_of_reach:
        verdict = Verdict.OUT_OF_REACH
        return head | {
            "verdict": verdict,
            "reason": claim.out_of_reach,
            "weaknesses": [],
            "checks": [],
        }
    rows = [_judge_check(check, measured[check.name]) for check in claim.checks]
    verdict = max((row["verdict"] for row in rows), key=lambda v: v.severity)
    good = verdict in (Verdict.REPRODUCED, Verdict.PARTLY)
    weaknesses = [w for w in _weaknesses(claim, rows, good) if w["of"] not in entry.waived]
    if {"controls", "could pass"} & {w["of"] for w in weaknesses}:
        verdict = Verdict.UNDECIDED
    return head | {"verdict": verdict, "weaknesses": weaknesses, "checks": rows}


def _judge_check(entry: CheckEntry, check: Check) -> dict[str, Any]:
    rule, estimate = entry.rule, check.estimate
    verdict = rule.decide(estimate)
    row: dict[str, Any] = {
        "name": entry.name,
        "kind": "bound" if entry.bound else "measured" if estimate.sampled else "computed",
        "rule": rule.text,
        "bar": entry.bar,
        "because": entry.because,
        "after_results": entry.after_results,
        "few": entry.few,
        "refuted": entry.refuted,
        "paper_value": entry.value,
        "estimate": estimate.to_json(),
        "verdict": verdict,
        "controls": [
            {
                "name": name,
                "kind": kind,
                "estimate": check.controls[name].to_json(),
                "rejected": rejects(rule, check.controls[name], estimate),
            }
            for name, kind in entry.controls.items()
        ],
    }
    for role in ("attainable", "sensitivity"):
        row[role] = [
            {
                "name": name,
                "estimate": getattr(check, role)[name].to_json(),
                "verdict": rule.decide(getattr(check, role)[name]),
            }
            for name in getattr(entry, role)
        ]
    if verdict == Verdict.UNDECIDED and estimate.sampled:
        half = (estimate.high - estimate.low) / 2
        row["detectable"] = half * (_HALF_WIDTH + _POWER) / _HALF_WIDTH
    if entry.bound and verdict == Verdict.REPRODUCED:
        row["slack"] = rule.slack(estimate.value)
    return row


def rejects(rule: Rule, control: Estimate, method: Estimate) -> bool:
    """Whether a rule tells a control from the method.

    It does when the control's whole interval misses the region, or when the control is not inside
    and is significantly worse than the method in the rule's direction.
    """
    if rule.misses(control):
        return True
    return rule.decide(control) != Verdict.REPRODUCED and _is_worse(rule, control, method)


def _is_worse(rule: Rule, control: Estimate, method: Estimate) -> bool:
    """Paired over replicates where both have them, else by intervals that do not meet."""
    bad_control, bad_method = _as_badness(rule, control), _as_badness(rule, method)
    difference = difference_of(bad_control, bad_method)
    if difference is not None:
        return difference.low > 0
    return bad_control.low > bad_method.high


def _as_badness(rule: Rule, estimate: Estimate) -> Estimate:
    """An estimate on the scale on which more is worse."""
    ends = sorted((rule.badness(estimate.low), rule.badness(estimate.high)))
    samples = estimate.samples
    return dataclasses.replace(
        estimate,
        value=rule.badness(estimate.value),
        low=ends[0],
        high=ends[1],
        samples=None if samples is None else np.array([rule.badness(float(x)) for x in samples]),
    )


def _weaknesses(
    claim: ClaimEntry, rows: list[dict[str, Any]], good: bool
) -> Iterable[dict[str, str]]:
    """What a claim's evidence lacks: what it concerns, and a sentence.

    What passes needs a control that does not; what does not pass needs evidence that it could.
    """
    controls = [control for row in rows for control in row["controls"]]
    if good and not any(control["rejected"] for control in controls):
        yield {"of": "controls", "text": "no control is rejected"}
    if not any(control["kind"] == "near" for control in controls):
        yield {"of": "near controls", "text": "no control is a near one"}
    for row in rows:
        estimate = row["estimate"]
        if estimate["sampled"] and estimate["n"] < REPLICATES and not row["few"]:
            text = f"“{row['name']}” rests on {estimate['n']} replicates"
            yield {"of": "replicates", "text": text}
        unmet = row["verdict"] in (Verdict.UNDECIDED, Verdict.NOT_REPRODUCED)
        could = any(x["verdict"] == Verdict.REPRODUCED for x in row["attainable"])
        if unmet and not could and not row["refuted"]:
            text = f"nothing shows that “{row['name']}” could pass"
            yield {"of": "could pass", "text": text}
