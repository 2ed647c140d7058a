"""Rules decide on intervals alone, monotonically, and malformed ones are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.claims import Estimate, Verdict
from paperlab.claims.rules import parse

FINITE = st.floats(-1e6, 1e6)
ENDS = st.tuples(FINITE, FINITE, FINITE).map(sorted)
BADNESS = {
    Verdict.REPRODUCED: 0,
    Verdict.PARTLY: 1,
    Verdict.UNDECIDED: 2,
    Verdict.NOT_REPRODUCED: 3,
}


def interval(low: float, value: float, high: float) -> Estimate:
    return Estimate(value, low, high, 5, "test")


CASES = [
    ({"above": 0}, (0.1, 1, 2), "reproduced"),
    ({"above": 0}, (-0.1, 1, 2), "undecided"),
    ({"above": 0}, (-2, -1, 0.1), "undecided"),
    ({"above": 0}, (-2, -1, 0), "not reproduced"),
    ({"above": 0}, (0, 0, 0), "not reproduced"),
    ({"above": 5, "direction": 0}, (1, 2, 3), "partly"),
    ({"above": 5, "direction": 0}, (4, 5, 6), "partly"),
    ({"above": 5, "direction": 0}, (-1, 2, 3), "undecided"),
    ({"above": 5, "direction": 0}, (-1, 2, 9), "undecided"),
    ({"above": 5, "direction": 0}, (-3, -2, -1), "not reproduced"),
    ({"below": 0}, (-2, -1, -0.1), "reproduced"),
    ({"below": 0}, (0, 0, 0), "not reproduced"),
    ({"below": 1, "direction": 2}, (1.2, 1.5, 1.8), "partly"),
    ({"below": 1, "direction": 2}, (1.2, 1.5, 2.1), "undecided"),
    ({"within": [1, 2]}, (1, 1.5, 2), "reproduced"),
    ({"within": [1, 2]}, (0.5, 1.5, 2), "undecided"),
    ({"within": [1, 2]}, (0, 1.5, 3), "undecided"),
    ({"within": [1, 2]}, (2.1, 2.2, 2.3), "not reproduced"),
    ({"within": [1, 2], "direction": [0, 3]}, (2.1, 2.2, 2.3), "partly"),
    ({"within": [1, 2], "direction": [0, 3]}, (2.1, 2.2, 3.3), "undecided"),
    ({"equals": 0}, (0, 0, 0), "reproduced"),
    ({"equals": 0}, (1, 1, 1), "not reproduced"),
]


@pytest.mark.parametrize(("rule", "ends", "verdict"), CASES)
def test_rules_decide_on_the_interval(rule, ends, verdict):
    assert parse(rule).decide(interval(*ends)) == verdict


RULES = st.one_of(
    st.builds(lambda a, w: {"above": a, "direction": a - w}, FINITE, st.floats(0, 10)),
    st.builds(lambda a, w: {"below": a, "direction": a + w}, FINITE, st.floats(0, 10)),
    st.builds(
        lambda a, b, w: {
            "within": [min(a, b), max(a, b)],
            "direction": [min(a, b) - w, max(a, b) + w],
        },
        FINITE,
        FINITE,
        st.floats(0, 10),
    ),
)


@given(RULES, ENDS, FINITE)
def test_where_the_point_falls_plays_no_part(rule, ends, value):
    low, middle, high = ends
    assert parse(rule).decide(interval(low, middle, high)) == parse(rule).decide(
        interval(low, value, high)
    )


@given(ENDS, FINITE, st.floats(0, 10), st.floats(0, 1e6))
def test_one_sided_rules_are_monotone(ends, bar, wider, shift):
    here, up = interval(*ends), interval(*(x + shift for x in ends))
    above, below = (
        parse({"above": bar, "direction": bar - wider}),
        parse({"below": bar, "direction": bar + wider}),
    )
    assert BADNESS[above.decide(up)] <= BADNESS[above.decide(here)]
    assert BADNESS[below.decide(up)] >= BADNESS[below.decide(here)]


@given(RULES, ENDS, st.floats(0, 5))
def test_a_wider_interval_is_never_surer(rule, ends, more):
    low, value, high = ends
    narrow = parse(rule).decide(interval(low, value, high))
    wide = parse(rule).decide(interval(low - more, value, high + more))
    if narrow == Verdict.NOT_REPRODUCED:
        assert wide in (Verdict.NOT_REPRODUCED, Verdict.UNDECIDED)
    else:
        assert BADNESS[wide] >= BADNESS[narrow] or wide == Verdict.UNDECIDED


@given(RULES, FINITE, FINITE)
def test_badness_orders_numbers_as_the_rule_does(rule, x, y):
    rule = parse(rule)
    good, bad = sorted((x, y), key=rule.badness)
    if rule.decide(interval(bad, bad, bad)) == Verdict.REPRODUCED:
        assert rule.decide(interval(good, good, good)) == Verdict.REPRODUCED


def test_slack_is_the_factor_by_which_a_bound_holds():
    assert parse({"below": 1}).slack(0.25) == pytest.approx(4)
    assert parse({"above": 2}).slack(3) == pytest.approx(1.5)
    assert parse({"below": 0}).slack(-1) is None
    assert parse({"below": 1e-6}).slack(1e-16) is None
    assert parse({"below": 1}).slack(1e-320) is None
    assert parse({"above": 0}).slack(1) is None
    assert parse({"within": [0, 1]}).slack(0.5) is None


@given(RULES, FINITE)
def test_slack_is_finite_and_at_least_one_where_the_rule_holds(rule, value):
    rule = parse(rule)
    slack = rule.slack(value)
    if slack is not None and rule.decide(interval(value, value, value)) == Verdict.REPRODUCED:
        assert 1 <= slack < float("inf")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "expected one of above, below, within, equals, and perhaps direction; found nothing"),
        ({"above": 0, "below": 1}, "found above, below"),
        ({"above": 0, "size": 1}, "found above, size"),
        ({"above": "0"}, "above: expected a number, found '0'"),
        ({"above": float("nan")}, "above: expected a number, found nan"),
        ({"within": [2, 1]}, r"within: expected two numbers in order, found \[2, 1\]"),
        ({"within": [1]}, r"within: expected two numbers in order, found \[1\]"),
        ({"above": 0, "direction": 1}, "direction: expected a region wider than 0, found 1"),
        ({"below": 0, "direction": -1}, "direction: expected a region wider than 0, found -1"),
        ({"within": [0, 2], "direction": [0, 1]}, "direction: expected a region wider"),
        ({"equals": 0, "direction": 1}, "equals takes no direction"),
    ],
)
def test_malformed_rules_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        parse(rule)
