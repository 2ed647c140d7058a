"""Paired outcomes, guessing and answer keys against scipy, enumeration and closed forms."""

import itertools

import jaxtyping
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paperlab import examinees

seeds = st.integers(0, 2**31)


def trials(seed, n):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (2, n))


# --- Paired outcomes ------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=seeds, n=st.integers(1, 50))
def test_counts_are_a_contingency_table(seed, n):
    base, treated = trials(seed, n)
    counts = examinees.paired_outcomes(base, treated)
    table = np.zeros((2, 2), int)
    for b, s in zip(base, treated, strict=True):
        table[b, s] += 1
    assert counts == (table[0, 1], table[1, 0], table[1, 1], table[0, 0])
    assert counts.effect == pytest.approx(treated.mean() - base.mean(), abs=1e-12)
    assert counts.net == treated.sum() - base.sum()


@settings(max_examples=60, deadline=None)
@given(seed=seeds, n=st.integers(1, 50))
def test_exchanging_the_arms_exchanges_repairs_and_regressions(seed, n):
    base, treated = trials(seed, n)
    there, back = examinees.paired_outcomes(base, treated), examinees.paired_outcomes(treated, base)
    assert (there.repairs, there.regressions) == (back.regressions, back.repairs)
    assert there.p_value("greater") == pytest.approx(back.p_value("less"), abs=1e-12)
    assert there.p_value() == pytest.approx(back.p_value(), abs=1e-12)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("repairs", range(8))
def test_the_p_value_is_scipys_exact_test(repairs, alternative):
    base, treated = np.array([0] * repairs + [1] * (8 - repairs) + [1]), np.array([1] * repairs)
    treated = np.concatenate([treated, np.zeros(8 - repairs, int), [1]])
    got = examinees.paired_outcomes(base, treated).p_value(alternative)
    expected = stats.binomtest(repairs, 8, 0.5, alternative=alternative).pvalue
    assert got == pytest.approx(expected, rel=1e-12)


def test_the_p_value_counts_the_flips_of_the_pairs_that_changed():
    base, treated = np.array([0, 0, 0, 1, 1, 0]), np.array([1, 1, 1, 0, 1, 0])
    nets = [sum(signs) for signs in itertools.product((-1, 1), repeat=4)]
    got = examinees.paired_outcomes(base, treated).p_value("greater")
    assert got == pytest.approx(np.mean(np.array(nets) >= 2), rel=1e-12)


def test_a_batch_has_counts_a_row_and_an_empty_group_no_rate():
    base = np.array([[True, True], [False, True]])
    counts = examinees.paired_outcomes(base, np.array([[1, 0], [1, 1]]))
    np.testing.assert_array_equal(counts.repairs, [0, 1])
    np.testing.assert_array_equal(counts.repair_rate, [np.nan, 1.0])
    np.testing.assert_array_equal(counts.regression_rate, [0.5, 0.0])
    np.testing.assert_array_equal(counts.p_value("greater"), [1.0, 0.5])


def test_no_change_is_no_evidence():
    assert examinees.paired_outcomes(*np.array([[0, 1, 1], [0, 1, 1]])).p_value() == 1.0


@pytest.mark.parametrize(
    ("base", "treated", "message"),
    [
        ([0, 2], [0, 1], "base must be 0 or 1, got \\[2\\]"),
        ([0, 1], [0.5, np.nan], "treated must be 0 or 1"),
        ([0, 1], [0, 1, 1], "treated must have shape \\(2,\\)"),
        ([], [], "base must hold an instance"),
        (1, 0, "base must hold an instance, got shape \\(\\)"),
    ],
)
def test_bad_outcomes_are_refused(base, treated, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would see some first
    with pytest.raises(ValueError, match=message):
        examinees.paired_outcomes(np.asarray(base), np.asarray(treated))


def test_an_unknown_alternative_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would see it first
    counts = examinees.paired_outcomes(np.array([0]), np.array([1]))
    with pytest.raises(ValueError, match="alternative must be one of"):
        counts.p_value("both")  # type: ignore[arg-type]


# --- Guessing -------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=seeds, knows=st.floats(0, 1))
def test_the_accuracy_of_habit_is_its_closed_form(seed, knows):
    rng = np.random.default_rng(seed)
    key, prior = rng.integers(0, 4, 20_000), rng.dirichlet(np.ones(4))
    score = np.mean(examinees.answer_from_prior(rng, key, knows, prior) == key)
    assert score == pytest.approx(knows + (1 - knows) * prior[key].mean(), abs=0.02)


def test_who_knows_all_is_right_and_a_certain_habit_is_one_letter():
    rng, key = np.random.default_rng(0), np.arange(12).reshape(3, 4) % 4
    uniform = np.full(4, 0.25)
    np.testing.assert_array_equal(examinees.answer_from_prior(rng, key, 1.0, uniform), key)
    assert (examinees.answer_from_prior(rng, key, 0.0, np.eye(4)[1]) == 1).all()
    per_row = examinees.answer_from_prior(rng, key, np.array([[1.0], [0.0], [1.0]]), np.eye(4)[1])
    np.testing.assert_array_equal(per_row, [key[0], [1, 1, 1, 1], key[2]])


@settings(max_examples=50, deadline=None)
@given(seed=seeds, n=st.integers(1, 30), options=st.integers(2, 6))
def test_a_shuffle_moves_options_and_keeps_the_right_one(seed, n, options):
    rng = np.random.default_rng(seed)
    key = rng.integers(0, options, n)
    order, new = examinees.shuffle_key(rng, key, options)
    np.testing.assert_array_equal(
        np.sort(order, -1), np.broadcast_to(np.arange(options), (n, options))
    )
    np.testing.assert_array_equal(np.take_along_axis(order, new[:, None], -1)[:, 0], key)


def test_a_shuffle_is_uniform():
    _, new = examinees.shuffle_key(np.random.default_rng(1), np.ones(30_000, int), 3)
    assert stats.chisquare(np.bincount(new)).pvalue > 1e-4


def test_chance_scores_nothing_and_perfection_one():
    np.testing.assert_allclose(
        examinees.chance_corrected(np.array([0.25, 0.625, 1.0, 0.0]), 0.25), [0, 0.5, 1, -1 / 3]
    )


@settings(max_examples=50, deadline=None)
@given(knows=st.floats(0, 1), chance=st.floats(0, 0.95))
def test_the_correction_recovers_what_is_known(knows, chance):
    score = min(1.0, knows + (1 - knows) * chance)
    assert examinees.chance_corrected(score, chance) == pytest.approx(knows, abs=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: examinees.answer_from_prior(r, [4], 0.5, [0.25] * 4), "key must be whole"),
        (lambda r: examinees.answer_from_prior(r, [0.5], 0.5, [0.5, 0.5]), "key must be whole"),
        (lambda r: examinees.answer_from_prior(r, [0], 1.5, [0.5, 0.5]), "knows must lie"),
        (lambda r: examinees.answer_from_prior(r, [0], 0.5, [0.5, 0.6]), "prior must be"),
        (lambda r: examinees.answer_from_prior(r, [0], 0.5, [1.5, -0.5]), "prior must be"),
        (lambda r: examinees.shuffle_key(r, [0], 1), "options must be at least 2"),
        (lambda r: examinees.shuffle_key(r, [3], 3), "from 0 to 2"),
        (lambda r: examinees.chance_corrected(1.2, 0.25), "accuracy must lie"),
        (lambda r: examinees.chance_corrected(0.5, 1.0), "chance must lie"),
        (lambda r: examinees.chance_corrected(np.nan, 0.5), "accuracy must lie"),
    ],
)
def test_bad_tests_are_refused(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would see some first
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))
