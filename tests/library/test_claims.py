"""The ledger: intervals cover, rules are monotone, and every unsound record is refused by name."""

import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from paperlab import claims
from paperlab.claims import Check, ClaimError, Estimate, Verdict

FINITE = st.floats(-1e6, 1e6)
RANK = {Verdict.NOT_REPRODUCED: 0, Verdict.PARTLY: 1, Verdict.REPRODUCED: 2}


# --- Estimates: coverage on simulated data, within Monte Carlo error ------------------------

TRIALS = 2000


def assert_covers(intervals: list[Estimate], truth: float, level: float = 0.95) -> None:
    """The share of intervals that hold the truth is `level` up to four standard errors."""
    share = np.mean([e.low <= truth <= e.high for e in intervals])
    assert abs(share - level) < 4 * math.sqrt(level * (1 - level) / len(intervals))


def test_mean_covers():
    rng = np.random.default_rng(1)
    assert_covers([claims.mean(rng.normal(3, 2, 6)) for _ in range(TRIALS)], 3)


def test_paired_difference_covers():
    rng = np.random.default_rng(2)
    estimates = []
    for _ in range(TRIALS):
        shared = rng.normal(0, 5, 8)
        a, b = shared + rng.normal(1, 1, 8), shared + rng.normal(0, 1, 8)
        estimates.append(claims.paired_difference(a, b))
    assert_covers(estimates, 1)


def test_proportion_covers_on_average_over_the_unknown_share():
    # Wilson's interval covers at the level on average over p, not at each p.
    rng = np.random.default_rng(3)
    hits = 0
    for p in rng.uniform(0, 1, TRIALS):
        e = claims.proportion(rng.random(40) < p)
        hits += e.low <= p <= e.high
    assert abs(hits / TRIALS - 0.95) < 4 * math.sqrt(0.95 * 0.05 / TRIALS)


def test_slope_of_one_curve_covers():
    rng, x = np.random.default_rng(4), np.geomspace(1, 100, 12)
    noise = rng.normal(0, 0.3, (TRIALS, 12))
    assert_covers([claims.slope(x, 2 * x**-0.5 * np.exp(row)) for row in noise], -0.5)


def test_slope_over_replicates_covers():
    rng, x = np.random.default_rng(5), np.geomspace(1, 100, 5)
    noise = rng.normal(0, 0.3, (TRIALS, 6, 5))
    assert_covers([claims.slope(x, x**1.5 * np.exp(rows)) for rows in noise], 1.5)


def test_bootstrap_of_the_mean_covers():
    # For the mean of n normal values the percentile interval is z/t of Student's, up to resampling.
    rng, n = np.random.default_rng(6), 40
    z = scipy.stats.norm.ppf(0.975) * math.sqrt((n - 1) / n)
    level = 1 - 2 * scipy.stats.t.sf(z, n - 1)
    estimates = [claims.bootstrap(rng.normal(0, 1, n), np.mean, seed=i) for i in range(400)]
    assert_covers(estimates, 0, level)


# --- Estimates: against scipy, and their edges ----------------------------------------------


@given(st.lists(FINITE, min_size=2, max_size=30))
def test_mean_agrees_with_scipy(sample):
    assume(np.std(sample) > 1e-6)
    expected = scipy.stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    e = claims.mean(sample)
    np.testing.assert_allclose([e.low, e.high], expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(FINITE, min_size=2, max_size=12))
def test_bootstrap_stays_within_the_sample(sample):
    e = claims.bootstrap(sample, np.median, seed=0)
    assert min(sample) <= e.low <= e.high <= max(sample)


def test_a_constant_sample_has_an_interval_of_no_width():
    for e in (claims.mean([2, 2, 2]), claims.bootstrap([2, 2, 2], np.median, seed=0)):
        assert (e.low, e.value, e.high) == (2, 2, 2)


def test_residual_is_the_largest_magnitude():
    assert claims.residual([[1e-9, -3e-9], [0, 2e-9]]).value == 3e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: claims.paired_difference([1, 2], [1, 2, 3]), "treatment has 2.*baseline 3"),
        (lambda: claims.proportion([0.5]), "outcomes must be booleans"),
        (lambda: claims.slope([1, 2], [1, 2]), "at least 3 points"),
        (lambda: claims.slope([1, 2, 3], [1, 2]), r"got \(3,\) and \(2,\)"),
        (lambda: claims.slope([1, 2, 3], [1, 0, 2]), "must be positive"),
        (lambda: claims.greater_than(0, direction=1), "direction 1 exceeds"),
        (lambda: claims.less_than(0, direction=-1), "direction -1 is below"),
        (lambda: claims.between(1, 0), "needs"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- Rules ----------------------------------------------------------------------------------


def interval(low: float, value: float, high: float) -> Estimate:
    return Estimate(value, low, high, 5, "test")


@given(st.tuples(FINITE, FINITE, FINITE).map(sorted), FINITE, st.floats(0, 1e6), st.floats(0, 10))
def test_rules_are_monotone(ends, threshold, shift, slack):
    low, value, high = ends
    up = interval(low + shift, value + shift, high + shift)
    here = interval(low, value, high)
    above = claims.greater_than(threshold, direction=threshold - slack)
    below = claims.less_than(threshold, direction=threshold + slack)
    assert RANK[above.decide(up)] >= RANK[above.decide(here)]
    assert RANK[below.decide(up)] <= RANK[below.decide(here)]


@given(st.tuples(FINITE, FINITE, FINITE).map(sorted), FINITE, FINITE, st.floats(0, 5))
def test_a_wider_interval_never_fares_better(ends, a, b, more):
    low, value, high = ends
    wider = interval(low - more, value, high + more)
    rules = (claims.greater_than(a), claims.less_than(a), claims.between(min(a, b), max(a, b)))
    for rule in rules:
        assert RANK[rule.decide(wider)] <= RANK[rule.decide(interval(low, value, high))]


@pytest.mark.parametrize(
    ("rule", "ends", "verdict"),
    [
        (claims.greater_than(0), (0.1, 1, 2), Verdict.REPRODUCED),
        (claims.greater_than(0), (-0.1, 1, 2), Verdict.PARTLY),
        (claims.greater_than(0), (-2, -1, 2), Verdict.NOT_REPRODUCED),
        (claims.greater_than(0), (0, 0, 0), Verdict.NOT_REPRODUCED),
        (claims.greater_than(5, direction=0), (1, 2, 3), Verdict.PARTLY),
        (claims.greater_than(5, direction=0), (-1, 2, 3), Verdict.NOT_REPRODUCED),
        (claims.less_than(0), (-2, -1, -0.1), Verdict.REPRODUCED),
        (claims.less_than(0), (0, 0, 0), Verdict.NOT_REPRODUCED),
        (claims.less_than(1, direction=2), (1.2, 1.5, 1.8), Verdict.PARTLY),
        (claims.between(1, 2), (1, 1.5, 2), Verdict.REPRODUCED),
        (claims.between(1, 2), (0.5, 1.5, 2), Verdict.PARTLY),
        (claims.between(1, 2), (2.1, 2.2, 2.3), Verdict.NOT_REPRODUCED),
        (claims.between(1, 2, direction=(0, 3)), (2.1, 2.2, 2.3), Verdict.PARTLY),
        (claims.between(0, 0), (0, 0, 0), Verdict.REPRODUCED),
    ],
)
def test_rules_decide_on_the_interval(rule, ends, verdict):
    assert rule.decide(interval(*ends)) == verdict


# --- The ledger -----------------------------------------------------------------------------

CLAIMS = [
    {"id": "C1", "statement": "Up with $x$ & <y>.", "paper": "0.9", "where": "Table 1"},
    {"id": "C2", "statement": "Down.", "paper": None, "where": "Figure 2"},
]


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.setattr(claims, "_catalogue_claims", lambda paper: CLAIMS)
    return claims.Ledger("some-paper")


def check(value=1.0, control=-1.0, rule=None, label="size") -> Check:
    controls = {} if control is None else {"sign flipped": claims.exact(control)}
    return Check(label, claims.exact(value), rule or claims.greater_than(0), controls)


def test_a_complete_ledger_reports_computed_verdicts(ledger):
    ledger.record("C1", check(), check(value=-1.0, control=-2.0, label="other"))
    ledger.out_of_reach("C2", "needs a planet")
    report = ledger.report()
    first, second = report.record["claims"]
    assert [c["verdict"] for c in first["checks"]] == ["reproduced", "not reproduced"]
    assert first["verdict"] == "not reproduced", "a claim is as good as its weakest check"
    assert second["verdict"] == "out of reach"


def test_the_output_carries_the_same_record_as_table_and_as_json(ledger):
    ledger.record("C1", check(value=0.123456789))
    ledger.record("C2", check())
    bundle = ledger.report()._repr_mimebundle_()
    record = json.loads(json.dumps(bundle[claims.MIME_TYPE]))
    assert record["claims"][0]["checks"][0]["estimate"]["value"] == 0.123456789
    table = bundle["text/html"]
    for text in ("<caption>", 'scope="col"', 'scope="rowgroup"', "0.123", r"\(x\) &amp; &lt;y&gt;"):
        assert text in table
    assert "C1" in bundle["text/plain"]


def estimate(**changes: object) -> Estimate:
    return dataclasses.replace(interval(0.5, 1, 1.5), **changes)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda led: led.record("C9", check()), "claim C9: not in the catalogue, which has C1, C2"),
        (lambda led: led.record("C1"), "claim C1: recorded without a check"),
        (
            lambda led: led.record("C1", check(control=None)),
            "claim C1: none of its checks has a cont",
        ),
        (
            lambda led: led.record("C1", check(control=2.0)),
            "claim C1: control “sign flipped” of “size",
        ),
        (lambda led: [led.record("C1", check()) for _ in "ab"], "claim C1: recorded twice"),
        (lambda led: [led.out_of_reach("C1", "why") for _ in "ab"], "claim C1: recorded twice"),
        (
            lambda led: led.out_of_reach("C2", " "),
            "claim C2: declared out of reach without a reason",
        ),
        (lambda led: led.record("C1", check(value=math.nan)), "claim C1: size: not finite"),
        (lambda led: led.record("C1", check(control=math.nan)), "claim C1: control .* not finite"),
        (
            lambda led: led.record("C1", Check("none", claims.mean([]), claims.greater_than(0))),
            "claim C1: none of its checks",
        ),
        (
            lambda led: led.record("C1", dataclasses.replace(check(), estimate=claims.mean([]))),
            "claim C1: size: the sample is empty",
        ),
        (
            lambda led: led.record("C1", dataclasses.replace(check(), estimate=claims.mean([1.0]))),
            "claim C1: size: one replicate has no interval",
        ),
        (
            lambda led: led.record(
                "C1", dataclasses.replace(check(), estimate=claims.proportion([]))
            ),
            "claim C1: size: the sample is empty",
        ),
        (
            lambda led: led.record(
                "C1", dataclasses.replace(check(), estimate=estimate(high=np.inf))
            ),
            "claim C1: size: not finite",
        ),
        (
            lambda led: [led.record("C1", check()), led.report()],
            "claim C2: neither recorded nor decl",
        ),
    ],
)
def test_unsound_records_are_refused_by_paper_and_claim(ledger, act, message):
    with pytest.raises(ClaimError, match="^some-paper, " + message):
        act(ledger)


def test_unknown_and_planned_papers_are_refused():
    with pytest.raises(ClaimError, match="no-such-paper: not in the catalogue"):
        claims.Ledger("no-such-paper")
