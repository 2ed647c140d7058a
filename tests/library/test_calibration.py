"""Scores, calibration error, risk and coverage against scikit-learn, enumeration, simulation."""

import itertools

import jaxtyping
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab import calibration, reference

seeds = st.integers(0, 2**31)


def predictions(seed, n=40):
    rng = np.random.default_rng(seed)
    return rng.random(n), rng.integers(0, 2, n)


# --- Proper scores --------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(seed=seeds, n=st.integers(1, 60))
def test_scores_agree_with_scikit_learn(seed, n):
    p, y = predictions(seed, n)
    np.testing.assert_allclose(
        calibration.brier_score(p, y), sklearn.metrics.brier_score_loss(y, p), rtol=1e-12
    )
    np.testing.assert_allclose(
        calibration.log_loss(p, y), sklearn.metrics.log_loss(y, p, labels=[0, 1]), rtol=1e-12
    )


@pytest.mark.parametrize("score", [calibration.brier_score, calibration.log_loss])
@settings(max_examples=50, deadline=None)
@given(truth=st.floats(0, 1), stated=st.floats(0, 1))
def test_the_truth_has_the_least_expected_score(score, truth, stated):
    p, q = np.array([truth]), np.array([stated])
    assert score(p, p) <= score(q, p) + 1e-12


def test_a_batch_has_a_score_a_row_and_certainty_its_price():
    p, y = np.array([[0.5, 1.0], [0.0, 0.5]]), np.array([[1, 1], [1, 0]])
    np.testing.assert_allclose(calibration.brier_score(p, y), [0.125, 0.625])
    np.testing.assert_allclose(calibration.log_loss(p, y), [np.log(2) / 2, np.inf])


# --- Calibration error ----------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(seed=seeds, n=st.integers(1, 60), bins=st.integers(1, 12))
def test_calibration_error_is_its_definition(seed, n, bins):
    p, y = predictions(seed, n)
    total = 0.0
    for k in range(bins):
        inside = (p >= k / bins) & ((p < (k + 1) / bins) | (k == bins - 1))
        if inside.any():
            total += inside.mean() * abs(p[inside].mean() - y[inside].mean())
    assert calibration.expected_calibration_error(p, y, bins) == pytest.approx(total, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, bins=st.integers(1, 12))
def test_finer_bins_see_no_less(seed, bins):
    """Halving every bin splits sums whose absolute values are added."""
    p, y = predictions(seed)
    coarse, fine = (calibration.expected_calibration_error(p, y, b) for b in (bins, 2 * bins))
    assert coarse <= fine + 1e-12


def test_calibration_error_of_vectors_groups_them_by_all_entries():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    y = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    # groups {0, 1}, {2}, {3}: distances 2 x 0.8, 1.0 and 0.4, over four predictions
    assert calibration.expected_calibration_error(p, y, 5) == pytest.approx(3.0 / 4)
    both = calibration.expected_calibration_error(p[:, 0], y[:, 0], 5)
    assert calibration.expected_calibration_error(p, y, 5) == pytest.approx(2 * both)


@settings(max_examples=8, deadline=None)
@given(seed=seeds, n=st.integers(1, 80), bins=st.integers(1, 10))
def test_null_error_is_the_mean_over_outcomes_drawn_from_the_confidences(seed, n, bins):
    p, _ = predictions(seed, n)
    rng = np.random.default_rng(seed + 1)
    drawn = [
        calibration.expected_calibration_error(p, rng.random(n) < p, bins) for _ in range(2000)
    ]
    five_errors = 5 * np.std(drawn) / np.sqrt(len(drawn)) + 1e-12
    assert abs(calibration.null_calibration_error(p, bins) - np.mean(drawn)) < five_errors


def test_null_error_of_a_coin_and_of_certainty():
    # 4 tosses: |K - 2| is 2, 1, 0 with probability 1/8, 1/2, 3/8
    assert calibration.null_calibration_error(np.full(4, 0.5)) == pytest.approx(0.75 / 4)
    assert calibration.null_calibration_error(np.array([0.0, 1.0, 1.0])) == 0


def test_calibration_error_and_area_agree_with_public_code():
    """Of a paper's authors, with confidences on the edges of bins too."""
    cases = reference.read("behavioral-alignment-score").cases
    given, out = cases["ece_aurc"].inputs, cases["ece_aurc"].outputs
    s, right = np.array(given["confidence"]), np.array(given["is_correct"])
    for bins, name in ((10, "ece"), (5, "ece_5_bins"), (15, "ece_15_bins")):
        got = calibration.expected_calibration_error(s, right, bins)
        assert got == pytest.approx(out[name], abs=1e-12)
    assert calibration.risk_coverage(s, right).area == pytest.approx(out["aurc"], abs=1e-12)
    given, out = cases["ece_edges"].inputs, cases["ece_edges"].outputs
    s, right = np.array(given["confidence"]), np.array(given["is_correct"])
    got = calibration.expected_calibration_error(s, right, given["bins"])
    assert got == pytest.approx(out["ece"], abs=1e-12)


# --- Risk and coverage ----------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    s=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    seed=seeds,
)
def test_risk_is_the_mean_over_all_orders_of_ties(s, seed):
    s = np.array(s)
    y = np.random.default_rng(seed).integers(0, 2, len(s))
    curves = [
        np.cumsum(1 - y[list(order)]) / np.arange(1, len(s) + 1)
        for order in itertools.permutations(range(len(s)))
        if (np.diff(s[list(order)]) <= 0).all()
    ]
    got = calibration.risk_coverage(s, y)
    np.testing.assert_allclose(got.risk, np.mean(curves, 0), atol=1e-12)
    np.testing.assert_allclose(got.coverage, np.arange(1, len(s) + 1) / len(s))
    assert got.risk[-1] == pytest.approx(1 - y.mean())


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_area_depends_on_the_ranking_alone_and_is_least_for_the_best_one(seed):
    s, y = predictions(seed)
    area = calibration.risk_coverage(s, y).area
    assert calibration.risk_coverage(np.exp(3 * s) - 7, y).area == pytest.approx(area)
    assert calibration.risk_coverage(y, y).area <= area + 1e-12


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: calibration.brier_score([1.2], [1]), r"probability must be in \[0, 1\], got 1.2"),
        (lambda: calibration.log_loss([np.nan], [1]), r"probability must be in \[0, 1\], got nan"),
        (lambda: calibration.log_loss([0.5], [2]), r"outcome must be in \[0, 1\], got 2"),
        (lambda: calibration.brier_score([], []), "probability must hold at least one prediction"),
        (
            lambda: calibration.expected_calibration_error([0.5, 0.5], [1]),
            r"outcome must have shape \(2,\), got \(1,\)",
        ),
        (lambda: calibration.expected_calibration_error([0.5], [1], 0), "bins must be at least 1"),
        (
            lambda: calibration.expected_calibration_error(np.ones((1, 1, 1)), np.ones((1, 1, 1))),
            "confidence must have one axis or two",
        ),
        (
            lambda: calibration.null_calibration_error([[0.5]]),
            r"confidence must have shape \(1,\), got \(1, 1\)",
        ),
        (lambda: calibration.risk_coverage([np.inf], [1]), "confidence must be finite, got inf"),
        (lambda: calibration.risk_coverage([[1.0]], [[1]]), r"confidence must have shape \(1,\)"),
    ],
)
def test_bad_input_is_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would see some first
    with pytest.raises(ValueError, match=message):
        call()
