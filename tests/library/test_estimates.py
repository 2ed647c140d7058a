"""Estimates: intervals cover, stay in their range, and agree with scipy."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from paperlab import claims
from paperlab.claims import Estimate

FINITE = st.floats(-1e6, 1e6)


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
    rounding = 1e-12 * max(map(abs, sample))  # of interpolated percentiles
    assert min(sample) - rounding <= e.low <= e.high <= max(sample) + rounding


def test_a_constant_sample_is_a_computed_number():
    for e in (
        claims.mean([2, 2, 2]),
        claims.paired_difference([3, 4, 5], [1, 2, 3]),
        claims.bootstrap([2, 2, 2], np.median, seed=0),
        claims.interquartile_mean([[2, 2], [2, 2]], seed=0),
    ):
        assert (e.low, e.value, e.high) == (2, 2, 2)
        assert not e.sampled


def test_equal_outcomes_of_trials_keep_an_interval():
    e = claims.proportion([1, 1, 1, 1])
    assert e.sampled and e.low < 0.9 and e.high == 1


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_the_mean_of_shares_is_a_share(sample):
    free, cut = claims.mean(sample), claims.mean(sample, within=(0, 1))
    assert 0 <= cut.low <= cut.value <= cut.high <= 1
    assert cut.low == max(free.low, 0) and cut.high == min(free.high, 1)


@given(st.integers(0, 2**31 - 1), st.integers(4, 30))
def test_a_correlation_stays_in_its_range_and_agrees_with_scipy(seed, n):
    x, y = np.random.default_rng(seed).normal(size=(2, n))
    e = claims.correlation(x, y)
    assert -1 <= e.low <= e.value <= e.high <= 1
    assert e.value == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_correlation_covers():
    rng = np.random.default_rng(7)
    mix = np.linalg.cholesky([[1, 0.6], [0.6, 1]])
    assert_covers(
        [claims.correlation(*(mix @ rng.normal(size=(2, 25)))) for _ in range(TRIALS)], 0.6
    )


def test_interquartile_mean_is_scipys_and_one_task_cannot_carry_it():
    rng = np.random.default_rng(8)
    scores = rng.normal(size=(6, 5))
    e = claims.interquartile_mean(scores, seed=0)
    assert e.value == pytest.approx(scipy.stats.trim_mean(scores, 0.25, axis=None))
    assert e.low <= e.value <= e.high
    scores[0] += 1e6
    assert claims.interquartile_mean(scores, seed=0).high < 1e3


def test_from_another_origin_everything_moves():
    e = claims.mean([0.1, 0.2, 0.6], within=(0, 1)) - 0.5
    assert e.value == pytest.approx(-0.2) and e.within == (-0.5, 0.5)
    np.testing.assert_allclose(e.samples, [-0.4, -0.3, 0.1])


@given(st.lists(FINITE, min_size=2, max_size=6))
def test_json_and_back(sample):
    for e in (claims.mean(sample), claims.proportion([0, 1]), claims.exact(sample[0])):
        assert Estimate.from_json(e.to_json()) == e


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
        (lambda: claims.mean([0.5, 1.5], within=(0, 1)), "samples from 0.5 to 1.5 are not within"),
        (lambda: claims.wilson(3, 2), "expected 0 <= successes <= trials, got 3 of 2"),
        (lambda: claims.correlation([1, 2], [1, 2, 3]), "x has 2 numbers and y 3"),
        (lambda: claims.interquartile_mean([1, 2], 0), r"shape \(tasks, replicates\), got \(2,\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
