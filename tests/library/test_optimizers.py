"""Polar factors against SciPy, Newton-Schulz and whole steps against optax's Muon."""

import functools

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import example, given, settings
from hypothesis import strategies as st
from optax.contrib import _muon

from paperlab import optimizers

SHAPES = [(4, 4), (3, 6), (6, 3)]
seeds, shapes = st.integers(0, 2**31), st.sampled_from(SHAPES)
polar = jax.jit(optimizers.polar)
newton_schulz = jax.jit(optimizers.newton_schulz, static_argnames=("steps", "epsilon"))
muon = jax.jit(functools.partial(_muon.orthogonalize_via_newton_schulz, eps=1e-7))


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def gaussian(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def deficient(seed, shape, rank):
    """A matrix of lower rank and the one partial isometry that it determines."""
    rng = np.random.default_rng(seed)
    U, V = (scipy.linalg.qr(rng.normal(size=(n, rank)), mode="economic")[0] for n in shape)
    return U * rng.uniform(0.5, 2, rank) @ V.T, U @ V.T


# --- The exact factor -----------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=seeds, shape=shapes, scale=st.sampled_from([1e-150, 1.0, 1e150]))
def test_polar_factor_is_that_of_scipy(seed, shape, scale):
    X = gaussian(seed, *shape)
    np.testing.assert_allclose(polar(scale * X), scipy.linalg.polar(X)[0], atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, shape=shapes)
def test_polar_factor_is_orthogonal_and_turns_with_the_matrix(seed, shape):
    X = gaussian(seed, *shape)
    Q = polar(X)
    short = Q @ Q.T if shape[0] <= shape[1] else Q.T @ Q
    np.testing.assert_allclose(short, np.eye(min(shape)), atol=1e-12)
    left, right = (scipy.stats.ortho_group.rvs(n, random_state=seed % 2**32) for n in shape)
    np.testing.assert_allclose(polar(left @ X @ right), left @ Q @ right, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, shape=shapes, rank=st.integers(1, 3))
@example(seed=0, shape=(4, 4), rank=3)
def test_zero_singular_values_stay_zero(seed, shape, rank):
    X, isometry = deficient(seed, shape, rank)
    np.testing.assert_allclose(polar(X), isometry, atol=1e-12)


def test_polar_factor_of_a_symmetric_matrix_is_its_sign():
    X = gaussian(0, 4, 4)
    X = X + X.T
    np.testing.assert_allclose(polar(X), scipy.linalg.signm(X), atol=1e-12)
    np.testing.assert_array_equal(polar(np.diag([3.0, -0.1, 0, 1e-9])), np.diag([1.0, -1, 0, 1]))


def test_zero_gives_zero_and_what_is_not_finite_comes_back_as_nan():
    X = np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(4)])
    X[2, 0, 0] = np.inf
    for factor in (polar, newton_schulz):
        zero, nan, infinite = factor(X)
        assert (zero == 0).all() and jnp.isnan(nan).all() and jnp.isnan(infinite).any()


def test_single_precision_has_its_own_zero():
    X, isometry = deficient(1, (4, 4), 2)
    factor = optimizers.polar(X.astype(np.float32))
    assert factor.dtype == jnp.float32
    np.testing.assert_allclose(factor, isometry, atol=1e-5)


# --- Newton-Schulz --------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=seeds, shape=shapes)
def test_muons_iteration_is_that_of_optax(seed, shape):
    X = gaussian(seed, *shape)
    peer = muon(X, np.array(optimizers.MUON))
    np.testing.assert_allclose(newton_schulz(X), peer, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, shape=shapes)
def test_cubic_iteration_reaches_the_polar_factor(seed, shape):
    U, _, Vt = scipy.linalg.svd(gaussian(seed, *shape), full_matrices=False)
    X = U * np.linspace(0.1, 1, min(shape)) @ Vt
    np.testing.assert_allclose(
        newton_schulz(X, steps=15, coefficients=np.array(optimizers.CUBIC)), U @ Vt, atol=1e-12
    )


@settings(max_examples=30, deadline=None)
@given(seed=seeds, shape=shapes)
def test_iteration_moves_singular_values_and_leaves_vectors(seed, shape):
    U, _, Vt = scipy.linalg.svd(gaussian(seed, *shape), full_matrices=False)
    s = np.linspace(0.01, 1, min(shape))
    image = s / np.linalg.norm(s)
    for _ in range(5):
        image = np.polyval([2.0315, 0, -4.775, 0, 3.4445, 0], image)
    X = newton_schulz(U * s @ Vt, epsilon=1e-30)
    np.testing.assert_allclose(X, U * image @ Vt, atol=1e-10)


def test_muons_five_steps_end_where_the_constant_says():
    s = np.linspace(0.003, 1, 5000)
    for _ in range(5):
        s = np.polyval([2.0315, 0, -4.775, 0, 3.4445, 0], s)
    assert s.min() > 0.68 and s.max() < 1.21


def test_batches_of_any_leading_shape_are_taken_one_by_one():
    X = gaussian(2, 2, 3, 3, 6)
    for factor in (polar, newton_schulz):
        together = factor(X)
        for i in ((0, 0), (1, 2)):
            np.testing.assert_allclose(together[i], factor(X[i]), atol=1e-12)
        np.testing.assert_allclose(factor(X.swapaxes(-1, -2)), together.mT, atol=1e-12)


# --- As optax transformations ---------------------------------------------------------------------


def directions(optimizer, gradients):
    """The updates that an optimizer makes of a sequence of gradients."""
    state, updates = optimizer.init(gradients[0]), []
    step = jax.jit(optimizer.update)
    for gradient in gradients:
        update, state = step(gradient, state, gradient)
        updates.append(update)
    return updates


def test_momentum_before_orthogonalization_is_optax_muon():
    gradients = [{"wide": gaussian(s, 3, 6), "tall": gaussian(s + 9, 6, 3)} for s in range(3)]
    factor = functools.partial(optimizers.newton_schulz, epsilon=1e-8)
    ours = optax.chain(
        optax.ema(0.9), optimizers.orthogonalize(factor), optax.scale_by_learning_rate(0.1)
    )
    peer = optax.contrib.muon(0.1, beta=0.9, nesterov=False)
    pairs = zip(directions(ours, gradients), directions(peer, gradients), strict=True)
    for update, theirs in pairs:
        for name, (d_in, d_out) in (("wide", (3, 6)), ("tall", (6, 3))):
            scale = np.sqrt(max(1, d_out / d_in))
            np.testing.assert_allclose(scale * update[name], theirs[name], atol=1e-12)


def test_the_order_is_the_order_of_the_links():
    gradients = [gaussian(s, 4, 4) for s in range(3)]
    factors = [scipy.linalg.polar(g)[0] for g in gradients]
    weights = np.array([0.25, 0.5, 1]) / 1.75  # of a debiased average with decay 1/2
    before = scipy.linalg.polar(np.tensordot(weights, gradients, 1))[0]
    after = np.tensordot(weights, factors, 1)
    average, orthogonalize = optax.ema(0.5), optimizers.orthogonalize(polar)
    averaged_first = directions(optax.chain(average, orthogonalize), gradients)[-1]
    np.testing.assert_allclose(averaged_first, before, atol=1e-10)
    averaged_last = directions(optax.chain(orthogonalize, average), gradients)[-1]
    np.testing.assert_allclose(averaged_last, after, atol=1e-10)
    for alone, factor in zip(directions(orthogonalize, gradients), factors, strict=True):
        np.testing.assert_allclose(alone, factor, atol=1e-10)


def test_vectors_go_to_another_rule():
    gradients = {"weight": gaussian(0, 4, 4), "bias": gaussian(1, 4)}
    labels = {"weight": "matrix", "bias": "vector"}
    rules = {"matrix": optimizers.orthogonalize(polar), "vector": optax.identity()}
    (update,) = directions(optax.partition(rules, labels), [gradients])
    np.testing.assert_array_equal(update["bias"], gradients["bias"])
    np.testing.assert_allclose(update["weight"], polar(gradients["weight"]))


# --- Bad input ------------------------------------------------------------------------------------

SQUARE = np.eye(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: optimizers.polar(np.ones(3)),
            r"polar: expected a matrix or a batch of .* \(3,\)",
        ),
        (lambda: optimizers.polar(np.ones((2, 0, 3))), r"none empty, got shape \(2, 0, 3\)"),
        (lambda: optimizers.newton_schulz(np.ones(3)), r"newton_schulz: expected a matrix"),
        (lambda: optimizers.newton_schulz(SQUARE, -1), "steps must not be negative, got -1"),
        (lambda: optimizers.newton_schulz(SQUARE, epsilon=0.0), "epsilon must be positive"),
        (
            lambda: optimizers.newton_schulz(SQUARE, coefficients=(1.5, -0.5)),
            r"coefficients must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda: directions(optimizers.orthogonalize(), [{"bias": jnp.ones(3)}]),
            r"updates\['bias'\]: expected a matrix or a batch of .* shape \(3,\)",
        ),
    ],
)
def test_bad_input_is_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would see some first
    with pytest.raises(ValueError, match=message):
        call()
