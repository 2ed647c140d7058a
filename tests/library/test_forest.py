"""Forest plots: all is inside, and points lie in the shade exactly where the rule admits them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from paperlab.claims import Estimate, forest
from paperlab.claims.rules import parse

FINITE = st.floats(-1e6, 1e6)
ENDS = st.tuples(FINITE, FINITE, FINITE).map(sorted)
RULES = st.one_of(
    st.builds(lambda a: {"above": a}, FINITE),
    st.builds(lambda a: {"below": a}, FINITE),
    st.builds(lambda a, b: {"within": sorted([a, b])}, FINITE, FINITE),
)


def row(ends, **more):
    low, value, high = ends
    return {"estimate": Estimate(value, low, high, 8, "test").to_json()} | more


def check(ends, controls, paper_value=None):
    beside = [row(own) for own in controls]
    return row(ends, controls=beside, attainable=[], sensitivity=[], paper_value=paper_value)


def numbers(pattern, svg):
    return [tuple(map(float, found.groups())) for found in re.finditer(pattern, svg)]


@given(RULES, ENDS, st.lists(ENDS, max_size=3), st.lists(FINITE, max_size=10))
def test_everything_is_inside_the_picture(rule, ends, controls, draws):
    drawn = forest.strips(check(ends, controls), parse(rule), [(d, d, d) for d in draws])
    assert len(drawn.others) == len(controls)
    for svg in (drawn.main, *drawn.others):
        places = [x for (x,) in numbers(r'(?:cx|[^a-z]x)="([-\d.e+]+)"', svg)]
        places += [x for (x,) in numbers(r'd="M([-\d.e+]+) ', svg)]
        assert all(0 <= x <= forest.WIDTH for x in places), places
    assert drawn.main.count("v14") == len(draws)


@given(RULES, ENDS)
def test_a_point_is_in_the_shade_where_the_rule_admits_it(rule, ends):
    rule, (_, value, _) = parse(rule), ends
    svg = forest.strips(check(ends, []), rule).main
    (x,) = next(iter(numbers(r'cx="([-\d.e+]+)"', svg)))
    left, width = numbers(r'<rect x="([-\d.e+]+)" y="0" width="([-\d.e+]+)"', svg)[1]
    if rule.region[0] <= value <= rule.region[1]:
        assert left - 0.11 <= x <= left + width + 0.11
    elif width > 1.5:  # a narrower region is widened to be seen
        assert x <= left + 0.11 or x >= left + width - 0.11


def test_what_is_far_away_is_an_arrow():
    near, far = ((-1, 0, 1), (1e4, 1e4, 1e4))
    drawn = forest.strips(check((0, 1, 2), [near, far]), parse({"above": 0}))
    assert "<circle" in drawn.others[0] and "<circle" not in drawn.others[1]


def test_the_papers_value_and_the_edges_are_marked():
    svg = forest.strips(check((0.4, 0.5, 0.6), [], 0.7), parse({"within": [0, 1]})).main
    assert "l4 5l-4 5l-4 -5z" in svg
    assert re.findall(r">([^<]+)</text>", svg) == ["0", "1"]
    assert re.findall(
        r">([^<]+)</text>", forest.strips(check((1, 2, 3), []), parse({"above": 0})).main
    ) == ["0"]
