"""The ledger: the weakest check decides, weaknesses are recorded, unsound records refused."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab import claims
from paperlab.claims import Check, ClaimError, Estimate, entry
from paperlab.claims.rules import parse

SIZE = {"name": "size", "rule": {"above": 0}, "bar": "theory", "controls": {"sign flipped": "near"}}
OTHER = {"name": "other", "rule": {"above": 0}, "bar": "paper"}
ENTRY = {
    "claims": [
        {"id": "C1", "statement": "Up with $x$ & <y>.", "paper": "0.9", "where": "Table 1",
         "checks": [SIZE, OTHER]},
        {"id": "C2", "statement": "Down.", "paper": None, "where": "Figure 2", "whose": "ours",
         "out_of_reach": "needs a planet"},
    ]
}  # fmt: skip

GOOD = np.linspace(1, 2, 8)
MINUS = claims.exact(-1)


def read(**changes: object) -> entry.Entry:
    """The entry with other fields in its first check, or of the page."""
    waived = changes.pop("waived", ())
    claim = ENTRY["claims"][0] | {"checks": [SIZE | changes, OTHER]}
    return entry.parse("some-paper", {"claims": [claim, ENTRY["claims"][1]], "waived": waived})


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.setattr(entry, "read", lambda paper: read())
    return claims.Ledger("some-paper")


def size(estimate=None, control=None, **evidence) -> Check:
    controls = {"sign flipped": control or claims.mean(-GOOD)}
    return Check("size", estimate or claims.mean(GOOD), controls, **evidence)


def other(value=1.0) -> Check:
    return Check("other", claims.exact(value))


def judged(size_check: Check, other_check: Check | None = None, **changes: object) -> dict:
    checks = {"size": size_check, "other": other_check or other()}
    return claims.judge(read(**changes), {"C1": checks})[0]


# --- Verdicts -------------------------------------------------------------------------------


def test_a_claim_is_as_good_as_its_weakest_check(ledger):
    ledger.record("C1", size(), other(-1.0))
    first, second = ledger.report().record["claims"]
    assert [check["verdict"] for check in first["checks"]] == ["reproduced", "not reproduced"]
    assert first["verdict"] == "undecided", "nothing shows that it could pass"
    assert second["verdict"] == "out of reach"
    assert second["reason"] == "needs a planet"


def test_kinds_of_evidence():
    row, computed = judged(size(), kind="bound")["checks"]
    assert (row["kind"], computed["kind"]) == ("bound", "computed")
    assert judged(size())["checks"][0]["kind"] == "measured"
    constant = judged(size(claims.mean([2.0, 2.0, 2.0])))["checks"][0]
    assert constant["kind"] == "computed"


def test_a_bound_tells_its_slack():
    check = size(claims.exact(0.25), claims.exact(3.0))
    row = judged(check, rule={"below": 1}, kind="bound")["checks"][0]
    assert row["slack"] == pytest.approx(4)


def test_undecided_tells_what_could_have_been_seen():
    row = judged(size(claims.mean(GOOD - 1.4)))["checks"][0]
    assert row["verdict"] == "undecided"
    half = (row["estimate"]["high"] - row["estimate"]["low"]) / 2
    assert row["detectable"] == pytest.approx(half * 2.8016 / 1.96, rel=1e-3)


# --- Weaknesses -----------------------------------------------------------------------------


def weak(claim: dict) -> set[str]:
    return {weakness["of"] for weakness in claim["weaknesses"]}


def test_sound_evidence_has_no_weakness():
    assert judged(size())["weaknesses"] == []
    assert judged(size())["verdict"] == "reproduced"


def test_a_control_that_passes_caps_the_verdict():
    claim = judged(size(control=claims.mean(GOOD + 1)))
    assert weak(claim) == {"controls"}
    assert claim["verdict"] == "undecided"


def test_a_control_that_overlaps_is_rejected_where_it_is_significantly_worse():
    noise = np.array([-3.0, 3, -3, 3, -3, 3, -3, 3])
    method, control = 5 + noise, 1 + noise
    wide = claims.mean(control)
    assert wide.low < 0 < wide.high
    assert claims.rejects(parse({"above": 0}), wide, claims.mean(method))
    assert not claims.rejects(parse({"above": 0}), wide, claims.mean(control - 0.1))
    unpaired = dataclasses.replace(claims.mean(method), samples=None)
    assert not claims.rejects(parse({"above": 0}), wide, unpaired)


@given(
    st.integers(0, 2**31 - 1), st.sampled_from([{"above": 0}, {"below": 0}, {"within": [-1, 1]}])
)
def test_what_lies_inside_is_never_rejected(seed, rule):
    a, b = np.random.default_rng(seed).normal(size=(2, 9)) * 2
    control = claims.mean(a)
    if parse(rule).decide(control) == "reproduced":
        assert not claims.rejects(parse(rule), control, claims.mean(b))
    if parse(rule).misses(control):
        assert claims.rejects(parse(rule), control, claims.mean(b))


def test_no_near_control_is_recorded_and_can_be_waived():
    wreck = {"controls": {"sign flipped": "wreck"}}
    claim = judged(size(), **wreck)
    assert weak(claim) == {"near controls"} and claim["verdict"] == "reproduced"
    assert weak(judged(size(), **wreck, waived=("near controls",))) == set()


def test_few_replicates_are_recorded_unless_there_is_a_reason():
    claim = judged(size(claims.mean(GOOD[:5])))
    assert weak(claim) == {"replicates"} and claim["verdict"] == "reproduced"
    assert judged(size(claims.mean(GOOD[:5])), few="each costs a minute")["weaknesses"] == []


def test_not_reproduced_needs_evidence_that_the_check_could_pass():
    bad, oracle = claims.mean(-GOOD), claims.mean(GOOD + 1)
    assert weak(judged(size(bad))) == {"could pass"}
    assert judged(size(bad))["verdict"] == "undecided"
    shown = judged(size(bad, attainable={"oracle": oracle}), attainable=["oracle"])
    assert (shown["verdict"], shown["weaknesses"]) == ("not reproduced", [])
    failing = judged(size(bad, attainable={"oracle": bad}), attainable=["oracle"])
    assert failing["verdict"] == "undecided"
    assert judged(size(bad), refuted="Theorem 2")["verdict"] == "not reproduced"
    assert judged(size(bad), waived=("could pass",))["verdict"] == "not reproduced"


def test_a_sample_counts_once():
    claim = judged(size(), Check("other", claims.mean(GOOD)))
    (weakness,) = claim["weaknesses"]
    assert weakness == {
        "of": "same sample",
        "text": "“other” of C1 is the same sample as “size” of C1",
    }
    assert judged(size(), Check("other", claims.mean(GOOD + 0.1)))["weaknesses"] == []
    two_valued = claims.proportion([0, 1, 1, 1, 1, 1, 1, 1])
    assert judged(size(two_valued), Check("other", two_valued))["weaknesses"] == []


def test_no_draw_stops_a_notebook(ledger):
    ledger.record("C1", size(claims.mean(-GOOD), claims.mean(GOOD)), other(-1.0))
    claim = ledger.report().record["claims"][0]
    assert weak(claim) == {"could pass"}, "a control says nothing where the method fails"


# --- Refusals -------------------------------------------------------------------------------


def estimate(**changes: object) -> Estimate:
    return dataclasses.replace(Estimate(1, 0.5, 1.5, 5, "test"), **changes)


REFUSALS = [
    (lambda led: led.record("C9", size()), "claim C9: not in the entry, which has C1, C2"),
    (lambda led: [led.record("C1", size(), other()) for _ in "ab"], "claim C1: recorded twice"),
    (lambda led: led.record("C2", size()), "claim C2: declared out of reach in the entry"),
    (lambda led: led.record("C1", size()), "claim C1: checks: missing “other”"),
    (lambda led: led.record("C1", size(), size(), other()), "claim C1: a check is handed"),
    (
        lambda led: led.record("C1", size(), other(), Check("third", claims.exact(1))),
        "claim C1: checks: “third” is not in the entry",
    ),
    (
        lambda led: led.record("C1", Check("size", claims.mean(GOOD)), other()),
        "claim C1: none of its checks has a control",
    ),
    (
        lambda led: led.record("C1", Check("size", claims.exact(1), {"x": MINUS}), other()),
        "claim C1: controls of “size”: missing “sign flipped”; “x” is not in the entry",
    ),
    (
        lambda led: led.record("C1", size(attainable={"oracle": claims.exact(1)}), other()),
        "claim C1: attainable of “size”: “oracle” is not in the entry",
    ),
    (
        lambda led: led.record("C1", size(sensitivity={"0.5": claims.exact(1)}), other()),
        "claim C1: sensitivity of “size”: “0.5” is not in the entry",
    ),
    (lambda led: led.record("C1", size(), other(math.nan)), "claim C1: other: not finite"),
    (
        lambda led: led.record("C1", size(control=claims.exact(math.nan)), other()),
        "claim C1: control “sign flipped” of “size”: not finite",
    ),
    (lambda led: led.record("C1", size(claims.mean([])), other()), "claim C1: size: the sample"),
    (lambda led: led.record("C1", size(claims.mean([1.0])), other()), "claim C1: size: one"),
    (
        lambda led: led.record("C1", size(claims.proportion([])), other()),
        "claim C1: size: the sample is empty",
    ),
    (
        lambda led: led.record("C1", size(estimate(high=np.inf)), other()),
        "claim C1: size: not finite",
    ),
    (lambda led: led.report(), "claim C1: neither recorded nor declared out of reach"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "message"), REFUSALS, ids=[text for _, text in REFUSALS])
def test_unsound_records_are_refused_by_paper_and_claim(ledger, act, message):
    with pytest.raises(ClaimError, match="^some-paper, " + message):
        act(ledger)


def test_unknown_and_planned_papers_are_refused():
    with pytest.raises(ClaimError, match=r"no-such-paper: no entry no-such-paper\.yml"):
        claims.Ledger("no-such-paper")
    with pytest.raises(ClaimError, match="some-paper: the catalogue has no claims"):
        entry.parse("some-paper", {"claims": []})


def test_a_malformed_rule_is_refused_by_claim_and_check():
    with pytest.raises(
        ClaimError, match=r"^some-paper, claim C1: size: rule: expected one of above"
    ):
        read(rule={"over": 1})


# --- Ours against a rival, and the display --------------------------------------------------


def test_against_pairs_ours_and_each_control_with_the_rival():
    rival, broken = np.arange(8.0), np.arange(8.0) - GOOD
    check = claims.against("gain", rival + GOOD, rival, {"broken": broken})
    assert check.estimate == claims.paired_difference(rival + GOOD, rival)
    assert check.controls == {"broken": claims.paired_difference(broken, rival)}


def test_the_output_carries_the_same_record_as_table_and_as_json(ledger):
    ledger.record("C1", size(), other(0.123456789))
    bundle = ledger.report()._repr_mimebundle_()
    record = json.loads(json.dumps(bundle[claims.MIME_TYPE]))
    assert record["claims"][0]["checks"][1]["estimate"]["value"] == 0.123456789
    table = bundle["text/html"]
    for text in ("<caption>", 'scope="col"', 'scope="rowgroup"', "0.123", r"\(x\) &amp; &lt;y&gt;"):
        assert text in table
    assert "Our question, not the paper’s claim" in table
    assert "C1" in bundle["text/plain"]


# --- Draws ----------------------------------------------------------------------------------


def run(values: np.ndarray, control: np.ndarray, computed: float) -> list[dict]:
    checks = {"size": size(claims.mean(values), claims.mean(control)), "other": other(computed)}
    return json.loads(json.dumps(claims.judge(read(), {"C1": checks})))


def draws(effect: float, seed: int = 0) -> list[list[dict]]:
    rng = np.random.default_rng(seed)
    return [
        run(rng.normal(effect, 1, 8), rng.normal(-effect, 1, 8), rng.uniform(1, 2))
        for _ in range(10)
    ]


def test_pooling_is_students_t_over_draws_and_counts_agreement():
    runs = draws(0.8)
    pooled = claims.pooled_record(read(), runs)[0]
    values = [own[0]["checks"][0]["estimate"]["value"] for own in runs]
    row = pooled["checks"][0]
    expected = claims.mean(values)
    assert (row["estimate"]["low"], row["estimate"]["high"]) == (expected.low, expected.high)
    assert row["verdict"] == "reproduced"
    alone = [own[0]["checks"][0]["verdict"] for own in runs]
    assert row["agreement"] == alone.count("reproduced") < 10


def test_of_computed_checks_the_worst_draw_counts():
    runs = draws(3.0)
    worst = min(own[0]["checks"][1]["estimate"]["value"] for own in runs)
    assert claims.pooled_record(read(), runs)[0]["checks"][1]["estimate"]["value"] == worst


def test_shares_of_trials_are_pooled_as_trials():
    outcomes = np.random.default_rng(0).random((10, 12)) < 0.9
    together = claims.pool([claims.proportion(row) for row in outcomes], max)
    everything = claims.proportion(outcomes.ravel())
    assert (together.low, together.high) == (everything.low, everything.high)
    assert together.n == 12


def test_pooled_intervals_stay_in_the_range():
    shares = [claims.mean(np.array([1.0] * k + [0.0]), within=(0, 1)) for k in range(4, 14)]
    assert claims.pool(shares, max).high <= 1


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_more_draws_decide_what_one_could_not(seed):
    runs = draws(0.6, seed)
    pooled = claims.pooled_record(read(), runs)[0]["checks"][0]
    if pooled["verdict"] == "reproduced":
        assert pooled["estimate"]["low"] > 0
    else:
        assert pooled["estimate"]["low"] <= 0


@pytest.mark.parametrize("share", [0.0, 0.9, 0.99, 1.0])
def test_pooled_intervals_cover_where_draws_share_data(share):
    """Each draw's mean of eight has an error of which a share is common to all draws."""
    rng, hits, trials = np.random.default_rng(2), 0, 600
    for _ in range(trials):
        common = math.sqrt(share) * rng.normal(0.7, 1, 8)
        own = [common + math.sqrt(1 - share) * rng.normal(0, 1, 8) for _ in range(10)]
        pooled = claims.pool([claims.mean(sample) for sample in own], max)
        hits += pooled.low <= math.sqrt(share) * 0.7 <= pooled.high
    # Ten draws tell only roughly how much is shared; ignoring it would cover half as often.
    level = 0.9 if share else 0.95
    assert hits / trials > level - 3 * math.sqrt(level * (1 - level) / trials)


def test_a_number_that_no_seed_changes_keeps_its_own_interval():
    one = claims.slope([1, 2, 4, 8], [1.0, 2.1, 3.9, 8.3])
    pooled = claims.pool([one] * 10, max)
    assert pooled.method.endswith("which share data")
    assert (pooled.low, pooled.high) == pytest.approx((one.low, one.high), rel=0.25)


def test_pooled_intervals_cover():
    rng = np.random.default_rng(1)
    hits = sum(
        pooled.low <= 0.7 <= pooled.high
        for pooled in (
            claims.pool([claims.mean(rng.normal(0.7, 1, 8)) for _ in range(10)], max)
            for _ in range(1000)
        )
    )
    assert abs(hits / 1000 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 1000)
