"""Corrections for many checks, against scipy's tests and the definition by closed testing."""

import itertools

import numpy as np
import pytest
import scipy.stats
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from bookbinder import catalogue, multiplicity, record
from paperlab import claims
from paperlab.claims import rules


def pooled(values):
    return claims.pool([claims.mean(np.array([v - 1e-9, v + 1e-9])) for v in values], max)


@pytest.mark.parametrize("edge", [-0.4, 0.0, 0.3, 2.0])
def test_the_level_is_that_of_students_t_test(edge):
    values = np.random.default_rng(3).normal(1.0, 0.4, 10)
    rule = rules.parse({"above": edge})
    expected = scipy.stats.ttest_1samp(values, edge).pvalue
    np.testing.assert_allclose(multiplicity.level(rule, pooled(values)), expected, rtol=1e-6)
    if edge == 2.0:
        assert rule.decide(pooled(values)) == "not reproduced"


def test_the_nearer_edge_of_a_region_counts():
    values = np.random.default_rng(4).normal(0.2, 0.1, 10)
    narrow, wide = rules.parse({"within": [0.05, 9]}), rules.parse({"within": [0.05, 0.9]})
    assert multiplicity.level(narrow, pooled(values)) == multiplicity.level(wide, pooled(values))


def test_what_decides_nothing_has_no_level():
    values = np.random.default_rng(4).normal(0, 0.4, 10)
    with pytest.raises(ValueError, match="undecided"):
        multiplicity.level(rules.parse({"above": 0}), pooled(values))


@given(st.lists(st.floats(1e-6, 0.2), min_size=1, max_size=6))
def test_holm_is_closed_testing_by_bonferroni(levels):
    """A hypothesis falls when Bonferroni rejects every intersection that contains it."""
    levels = np.array(levels)
    falls = [
        all(
            min(levels[list(group)]) * len(group) <= multiplicity.LEVEL
            for size in range(1, len(levels) + 1)
            for group in itertools.combinations(range(len(levels)), size)
            if i in group
        )
        for i in range(len(levels))
    ]
    assert ((multiplicity.holm(levels) <= multiplicity.LEVEL) == falls).all()


def test_corrections_only_take_away_and_holm_takes_most():
    papers = catalogue.load(ROOT).written(ROOT)
    records = [(paper.rules(), own) for paper in papers if (own := record.read(paper.slug, ROOT))]
    found = multiplicity.survivors(records)
    assert found
    for row in found:
        assert 0 <= row.holm <= row.benjamini_hochberg <= row.alone
    decided = [
        check["verdict"]
        for _, own in records
        for claim in own["claims"]
        for check in claim["checks"]
        if check["kind"] == "measured" and check["verdict"] != "undecided"
    ]
    assert {row.verdict: row.alone for row in found} == {v: decided.count(v) for v in set(decided)}
