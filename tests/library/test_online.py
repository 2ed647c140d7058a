"""The online loop against NumPy written out, closed forms and scipy's solvers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax.projections
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab import online
from paperlab.fenchel_young import sparsemax


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def quadratic(point, target):
    """Half the squared distance to the round's target; the target loss is half of that."""
    difference = point - target
    loss = 0.5 * jnp.sum(difference**2)
    return online.Outcome(loss, loss / 2, difference, {"point": point})


def targets(seed=0, rounds=40, dimension=3):
    return np.random.default_rng(seed).normal(size=(rounds, dimension))


def by_hand(rounds, rule, radius):
    """The same learner as a plain NumPy loop."""
    w, squares, eta = np.zeros(rounds.shape[1]), 0.0, np.inf
    losses, etas, points = [], [], []
    for target in rounds:
        g = w - target
        loss = g @ g / 2
        squares += g @ g
        if rule == "constant":
            eta = 0.3
        elif rule == "adagrad":
            eta = 2.0 / np.sqrt(squares)
        else:
            eta = min(eta, 2 * (loss - loss / 2) / (g @ g))
        losses.append(loss)
        etas.append(eta)
        points.append(w)
        w = w - eta * g
        w = w * min(1.0, radius / np.linalg.norm(w))
    return np.array(losses), np.array(etas), np.mean(points, 0), w


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("constant", online.constant(0.3)),
        ("adagrad", online.adagrad(2.0)),
        ("polyak", online.polyak()),
    ],
)
@pytest.mark.parametrize("radius", [0.8, 100.0])
def test_gradient_descent_matches_a_numpy_loop(name, rule, radius):
    rounds = targets()
    update = online.descent(lambda w: optax.projections.projection_l2_ball(w, radius))
    history = jax.jit(lambda r: online.run(quadratic, r, np.zeros(3), rule, update))(rounds)
    losses, etas, average, final = by_hand(rounds, name, radius)
    np.testing.assert_allclose(history.surrogate, losses, rtol=1e-10)
    np.testing.assert_allclose(history.target, losses / 2, rtol=1e-10)
    np.testing.assert_allclose(history.stepsize, etas, rtol=1e-10)
    np.testing.assert_allclose(history.gradient_norm**2 / 2, losses, rtol=1e-10)
    np.testing.assert_allclose(history.average, average, rtol=1e-10)
    np.testing.assert_allclose(history.final, final, rtol=1e-10)
    np.testing.assert_allclose(history.info["point"].mean(0), average, rtol=1e-10)


def linear(point, gain):
    return online.Outcome(point @ gain, point @ gain, gain)


@pytest.mark.parametrize(
    ("mirror", "regularizer"),
    [
        (jax.nn.softmax, lambda c: (c * np.log(np.maximum(c, 1e-300))).sum()),
        (sparsemax, lambda c: c @ c / 2),
    ],
)
def test_regularized_leader_solves_its_program(mirror, regularizer):
    rounds = targets(1, rounds=12)
    update = online.follow_the_regularized_leader(mirror)
    history = online.run(linear, rounds, np.ones(3) / 3, online.adagrad(0.7), update)
    eta = 0.7 / np.sqrt((rounds**2).sum())
    solution = scipy.optimize.minimize(
        lambda c: regularizer(c) / eta + rounds.sum(0) @ c,
        np.ones(3) / 3,
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda c: c.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(history.final, solution.x, atol=1e-5)


many = jax.jit(
    jax.vmap(
        lambda rounds: online.run(
            linear,
            rounds,
            np.zeros(3),
            online.adagrad(2 / np.sqrt(2)),
            online.descent(lambda w: optax.projections.projection_l2_ball(w, 1.0)),
        )
    )
)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(1e-3, 1e3))
def test_regret_bound_of_adaptive_gradient_descent(seed, scale):
    """Against the best point of the unit ball, on gradients of any size."""
    rounds = scale * np.random.default_rng(seed).standard_t(2, size=(5, 60, 3))
    losses = np.asarray(many(rounds).surrogate).sum(-1)
    best = -np.linalg.norm(rounds.sum(1), axis=-1)
    bound = np.sqrt(2) * 2 * np.sqrt((rounds**2).sum((1, 2)))
    assert (losses - best <= bound * (1 + 1e-9)).all()


def test_flat_rounds_move_nothing():
    rounds = np.zeros((4, 3))
    for rule in (online.adagrad(1.0), online.polyak(), online.constant(0.5)):
        history = online.run(quadratic, rounds, np.zeros(3), rule)
        assert np.isfinite(history.stepsize).all()
        np.testing.assert_array_equal(history.final, 0)


def test_polyak_never_grows_and_respects_its_start():
    history = online.run(quadratic, targets(2), np.zeros(3), online.polyak(0.4))
    assert (np.diff(history.stepsize) <= 0).all()
    assert float(history.stepsize[0]) == pytest.approx(0.4)


def test_stepsizes_can_be_mapped():
    rounds, etas = targets(3), np.array([0.1, 0.2, 0.4])
    together = jax.vmap(
        lambda eta: online.run(quadratic, rounds, np.zeros(3), online.constant(eta)).final
    )(etas)
    for eta, final in zip(etas, together, strict=True):
        alone = online.run(quadratic, rounds, np.zeros(3), online.constant(float(eta))).final
        np.testing.assert_allclose(final, alone, rtol=1e-12)


# --- The comparator ------------------------------------------------------------------------------


def ridge(U, X, Y, c):
    return jnp.sum((X @ U - Y) ** 2) + c * jnp.sum(U**2)


def test_comparator_is_the_closed_form_of_ridge_regression():
    rng = np.random.default_rng(4)
    X, Y, c = rng.normal(size=(50, 4)), rng.normal(size=(50, 2)), 0.7
    found = online.best_comparator(ridge, np.zeros((4, 2)), X, Y, c, strong_convexity=2 * c)
    exact = np.linalg.solve(X.T @ X + c * np.eye(4), X.T @ Y)
    np.testing.assert_allclose(found.point, exact, atol=1e-6)
    least = float(ridge(exact, X, Y, c))
    assert found.lower <= least * (1 + 1e-12)
    assert found.lower == pytest.approx(least, rel=1e-6)
    assert found.value == pytest.approx(least, rel=1e-6)


def test_comparator_admits_that_it_failed():
    with pytest.raises(RuntimeError, match="best_comparator: stopped at"):
        online.best_comparator(
            lambda u: jnp.sum(jnp.abs(u - 1.3)) + 1e-9 * jnp.sum(u**2),
            np.zeros(3),
            strong_convexity=2e-9,
        )


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: online.constant(0.0), "constant: eta must be positive"),
        (lambda: online.adagrad(float("nan")), "adagrad: scale must be positive"),
        (
            lambda: online.best_comparator(jnp.sum, np.zeros(2), strong_convexity=0.0),
            "strong_convexity must be positive",
        ),
        (
            lambda: online.run(quadratic, np.zeros((0, 3)), np.zeros(3), online.polyak()),
            "at least 1 round",
        ),
        (
            lambda: online.run(
                quadratic, (np.zeros((2, 3)), np.zeros(4)), np.zeros(3), online.polyak()
            ),
            r"lengths \[2, 4\]",
        ),
        (
            lambda: online.run(
                lambda w, r: online.Outcome(w.sum(), w.sum(), w[:2]),
                np.zeros((2, 3)),
                np.zeros(3),
                online.polyak(),
            ),
            r"gradient must have the point's shape \(3,\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
