"""Structured Fenchel-Young losses against closed forms, optax, POT and scipy's solvers."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.projections
import ot
import pytest
import scipy.optimize
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paperlab.fenchel_young import (
    StructuredLoss,
    birkhoff_loss,
    hypercube_loss,
    polytope_loss,
    randomized_decoding,
    shannon,
    simplex_loss,
    simplex_threshold,
    sparsemax,
    tsallis,
)

SIMPLEX = {
    "shannon": simplex_loss("shannon"),
    "squared": simplex_loss("squared"),
    "tsallis 0.5": simplex_loss("tsallis", 0.5),
    "tsallis 1.5": simplex_loss("tsallis", 1.5),
    "tsallis 3": simplex_loss("tsallis", 3),
}
CUBE = {name: hypercube_loss(name) for name in ("shannon", "squared")}
VECTOR = SIMPLEX | {f"cube {name}": loss for name, loss in CUBE.items()}
FIRST = np.array([1.0, 0.0, 0.0])
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0.5], [1, 1, -1]])
ALL = VECTOR | {"polytope": polytope_loss(SQUARE)}

scores = hnp.arrays(np.float64, (4, 3), elements=st.floats(-30, 30, width=32))
several = st.sampled_from(sorted(ALL))


@functools.cache
def compiled(name: str, method: str):
    """One compilation per loss for all examples of a property."""
    loss = ALL[name]
    if method == "value and gradient":
        return jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(loss.value), (0, None)), (None, 0)))
    return jax.jit(getattr(loss, method))


def labels(name: str) -> np.ndarray:
    if name == "polytope":
        return SQUARE
    if name in SIMPLEX:
        return np.eye(3)
    return np.array(list(itertools.product((0.0, 1.0), repeat=3)))


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


# --- Inequalities that make it a Fenchel-Young loss ---------------------------------------------


@settings(max_examples=60, deadline=None)
@given(name=several, theta=scores)
def test_loss_is_not_negative_and_its_gradient_is_prediction_minus_label(name, theta):
    Y = labels(name)
    values, gradients = compiled(name, "value and gradient")(theta, Y)
    assert (np.asarray(values) >= 0).all()
    predictions = compiled(name, "predict")(theta)
    np.testing.assert_allclose(gradients, predictions - Y[:, None], atol=1e-12)
    # The definition, term by term.
    direct = compiled(name, "conjugate")(theta) - Y @ theta.T
    direct += compiled(name, "negentropy")(Y)[:, None]
    np.testing.assert_allclose(values, direct, atol=1e-11 * (1 + np.abs(theta).max()))


@settings(max_examples=60, deadline=None)
@given(name=several, theta=scores)
def test_loss_is_zero_exactly_where_the_prediction_is_the_label(name, theta):
    Y = labels(name)
    values, _ = compiled(name, "value and gradient")(theta, Y)
    away = np.abs(np.asarray(compiled(name, "predict")(theta)) - Y[:, None]).max(-1)
    if name != "polytope":  # where the maximizer need not be unique
        assert (np.asarray(values)[away > 1e-6] > 0).all()
    # A softmax reads as a label in float64 long before its loss, with better digits, is zero.
    assert (np.asarray(values)[away == 0] < 1e-12).all()


@settings(max_examples=60, deadline=None)
@given(name=several, theta=scores, other=scores)
def test_conjugate_is_convex_with_the_prediction_as_gradient(name, theta, other):
    predict, conjugate = compiled(name, "predict"), compiled(name, "conjugate")
    tangent = (np.asarray(predict(theta)) * (other - theta)).sum(-1)
    excess = conjugate(other) - conjugate(theta) - tangent
    assert (np.asarray(excess) >= -1e-10).all()


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(SIMPLEX)), theta=scores, shift=st.floats(-50, 50))
def test_predictions_on_the_simplex(name, theta, shift):
    predict = compiled(name, "predict")
    p = np.asarray(predict(theta))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(predict(theta + shift), p, atol=1e-9)
    ranks = np.argsort(theta, -1)
    assert (np.diff(np.take_along_axis(p, ranks, -1), axis=-1) >= -1e-12).all()


# --- Against an independent solver and closed forms ---------------------------------------------


@pytest.mark.parametrize("name", sorted(VECTOR))
def test_prediction_and_conjugate_match_a_constrained_solver(name):
    loss, cube = VECTOR[name], name.startswith("cube")
    negative = jax.jit(jax.value_and_grad(lambda p, theta: loss.negentropy(p) - theta @ p))
    for theta in np.random.default_rng(0).normal(0, 1.2, (4, 4)):
        solution = scipy.optimize.minimize(
            lambda p, t=theta: [np.asarray(v, float) for v in negative(p, t)],
            np.full(4, 0.25),
            jac=True,
            bounds=[(1e-12, 1 - 1e-12)] * 4,
            constraints=() if cube else {"type": "eq", "fun": lambda p: p.sum() - 1},
            method="L-BFGS-B" if cube else "SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(loss.predict(theta), solution.x, atol=2e-5)
        np.testing.assert_allclose(loss.conjugate(theta), -solution.fun, atol=1e-8)


jit_sparsemax, jit_threshold = jax.jit(sparsemax), jax.jit(simplex_threshold)
jit_projection = jax.jit(jax.vmap(optax.projections.projection_simplex))


@given(
    theta=hnp.arrays(
        np.float32, (3, 7), elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
    )
)
@settings(max_examples=60, deadline=None)
def test_sparsemax_is_optax_simplex_projection(theta):
    theta = theta.astype(np.float64)
    np.testing.assert_allclose(jit_sparsemax(theta), jit_projection(theta), atol=1e-10)
    tau = np.asarray(jit_threshold(theta))[:, None]
    np.testing.assert_allclose(np.maximum(theta - tau, 0).sum(-1), 1, atol=1e-10)


def test_sparsemax_jacobian_matches_optax_and_finite_differences():
    theta = np.random.default_rng(1).normal(0, 0.7, 9)
    ours = jax.jacobian(sparsemax)(jnp.asarray(theta))
    peer = jax.jacobian(optax.projections.projection_simplex)(jnp.asarray(theta))
    np.testing.assert_allclose(ours, peer, atol=1e-12)
    reverse = jax.jacrev(sparsemax)(jnp.asarray(theta))
    np.testing.assert_allclose(reverse, peer, atol=1e-12)


@pytest.mark.parametrize("name", sorted(VECTOR))
def test_derivative_of_the_prediction_by_finite_differences(name):
    predict = VECTOR[name].predict
    theta = np.array([0.31, -0.2, 0.77, 0.05])
    steps = 1e-6 * np.eye(4)
    numeric = np.stack([(predict(theta + h) - predict(theta - h)) / 2e-6 for h in steps], -1)
    for jacobian in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jacobian(predict)(jnp.asarray(theta)), numeric, atol=1e-6)


def test_shannon_is_softmax_and_cross_entropy():
    theta = np.random.default_rng(2).normal(0, 3, (20, 5))
    y = np.eye(5)[np.arange(20) % 5]
    loss = SIMPLEX["shannon"]
    np.testing.assert_allclose(loss.predict(theta), scipy.special.softmax(theta, -1), atol=1e-14)
    np.testing.assert_allclose(
        loss.value(theta, y), optax.softmax_cross_entropy(theta, y), atol=1e-12
    )
    np.testing.assert_allclose(
        loss.conjugate(theta), scipy.special.logsumexp(theta, -1), atol=1e-12
    )


@pytest.mark.parametrize(
    ("structured", "binary"),
    [
        (simplex_loss("shannon"), shannon()),
        *((simplex_loss("tsallis", q), tsallis(q)) for q in (0.5, 1.5, 2, 2.5)),
    ],
)
def test_two_classes_are_the_binary_loss(structured, binary):
    z = np.linspace(-4, 4, 41)
    theta = np.stack([z / 2, -z / 2], -1)
    np.testing.assert_allclose(
        structured.value(theta, FIRST[:2]), binary.value(z), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(structured.predict(theta)[:, 1], binary.g(z), atol=1e-10)
    assert structured.margin == pytest.approx(binary.margin)


@pytest.mark.parametrize("name", ["squared", "tsallis 1.5", "tsallis 3"])
def test_margin_is_where_the_loss_ends(name):
    loss = SIMPLEX[name]
    for lead, positive in ((0.99, True), (1.001, False)):
        value = float(loss.value(lead * loss.margin * FIRST, FIRST))
        assert (value > 1e-7) == positive
        assert positive or value == 0


def test_every_prediction_reports_how_far_it_is_from_the_polytope():
    theta = jnp.asarray(6 * np.random.default_rng(0).normal(size=(20, 5, 5)))
    for iterations in (1, 2000):
        loss = birkhoff_loss(2.0, iterations)
        p, error = np.asarray(loss.predict(theta)), np.asarray(loss.error(theta))
        worst = np.maximum(np.abs(p.sum(1) - 1).max(-1), np.abs(p.sum(2) - 1).max(-1))
        np.testing.assert_allclose(error, worst, atol=1e-12)
        assert (error > 0.01).any() == (iterations == 1)
    assert (simplex_loss("tsallis", 1.5).error(theta) == 0).all()


def test_birkhoff_prediction_is_pot_sinkhorn_and_a_maximum():
    rng = np.random.default_rng(3)
    theta = rng.normal(0, 1, (4, 4))
    loss = birkhoff_loss(2.0)
    ours = np.asarray(loss.predict(theta))
    peer = ot.sinkhorn(np.ones(4), np.ones(4), -theta, 1 / 2.0, stopThr=1e-14, numItermax=5000)
    np.testing.assert_allclose(ours, peer, atol=1e-8)
    np.testing.assert_allclose([ours.sum(0), ours.sum(1)], 1, atol=1e-8)
    best = (theta * ours).sum() - loss.negentropy(jnp.asarray(ours))
    for _ in range(50):
        weights = rng.dirichlet(np.ones(24))
        other = np.einsum("k,kij->ij", weights, permutations(4))
        assert (theta * other).sum() - loss.negentropy(jnp.asarray(other)) <= best + 1e-9
    gradient = jax.grad(lambda t: loss.value(t, jnp.eye(4)))(jnp.asarray(theta))
    np.testing.assert_allclose(gradient, ours - np.eye(4), atol=1e-12)


def test_polytope_loss_against_linear_programming():
    vertices = np.random.default_rng(4).normal(size=(9, 3))
    loss = polytope_loss(vertices)
    for theta in np.random.default_rng(5).normal(size=(10, 3)):
        program = scipy.optimize.linprog(-vertices @ theta, A_eq=np.ones((1, 9)), b_eq=[1])
        assert loss.conjugate(theta) == pytest.approx(-program.fun)
        assert loss.value(theta, vertices[0]) == pytest.approx(-program.fun - vertices[0] @ theta)


# --- Precision and transformations ---------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(VECTOR))
def test_finite_and_exact_at_extreme_scores(name, dtype):
    loss, big = VECTOR[name], 1e30 if dtype == np.float32 else 1e200
    for theta in ([big, 0, -big], [-big, big, big], [big, big, big], [0, -big, -big]):
        theta = np.array(theta, dtype)
        p = loss.predict(theta)
        y = np.array([1, 0, 0], dtype)
        value, gradient = jax.value_and_grad(lambda t, y=y: loss.value(t, y))(jnp.asarray(theta))
        assert p.dtype == value.dtype == gradient.dtype == dtype
        assert np.isfinite(p).all() and np.isfinite(gradient).all() and np.isfinite(value)
    assert float(loss.value(np.array([big, -big, -big], dtype), y)) == 0


def test_small_losses_keep_their_digits():
    # log(1 + 2 exp(-50)), which a difference of two logarithms would round to zero
    value = SIMPLEX["shannon"].value(50 * FIRST, FIRST)
    assert float(value) == pytest.approx(np.log1p(2 * np.exp(-50.0)), rel=1e-12)
    value = CUBE["shannon"].value(50 * FIRST[:1], FIRST[:1])
    assert float(value) == pytest.approx(np.log1p(np.exp(-50.0)), rel=1e-12)


@pytest.mark.parametrize("name", sorted(ALL))
def test_batched_compiled_and_mapped_alike(name):
    loss, y = ALL[name], labels(name)[1]
    theta = np.random.default_rng(6).normal(size=(2, 5, 3))
    one = jax.jit(loss.value)
    expected = [[float(one(t, y)) for t in row] for row in theta]
    np.testing.assert_allclose(loss.value(theta, y), expected, atol=1e-12)
    mapped = jax.vmap(jax.vmap(lambda t: one(t, y)))(theta)
    np.testing.assert_allclose(mapped, expected, atol=1e-12)


# --- Randomized decoding ----------------------------------------------------------------------


def permutations(n: int) -> np.ndarray:
    return np.array([np.eye(n)[list(p)] for p in itertools.permutations(range(n))])


def test_decoder_by_simulation():
    mean = np.array([0.7, 0.2, 0.1])
    decoding = randomized_decoding(mean, np.eye(3)[0], separation=2, order=1)
    assert float(decoding.explore) == pytest.approx(2 * 0.6 / 2)
    rng = np.random.default_rng(7)
    explore = rng.random(200_000) < float(decoding.explore)
    classes = np.where(explore, rng.choice(3, 200_000, p=mean), 0)
    shares = np.bincount(classes, minlength=3) / len(classes)
    np.testing.assert_allclose(decoding.expected, shares, atol=0.005)


@jax.jit
def decode(mean, nearest):
    return randomized_decoding(mean, nearest, separation=2, order=1).expected


@settings(max_examples=80, deadline=None)
@given(theta=scores, classes=st.integers(0, 2))
def test_lemma_4_of_the_decoder(theta, classes):
    """Expected 0-1 loss is at most 4 gamma / (lambda nu) = 1 times the logistic loss."""
    mean = np.asarray(compiled("shannon", "predict")(theta))
    nearest = np.eye(3)[mean.argmax(-1)]
    expected = np.asarray(decode(mean, nearest))
    np.testing.assert_allclose(expected.sum(-1), 1, atol=1e-12)
    losses, _ = compiled("shannon", "value and gradient")(theta, np.eye(3))
    assert (1 - expected[:, classes] <= np.asarray(losses)[classes] + 1e-12).all()


# --- Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simplex_loss("entropy"), "entropy must be one of .*'entropy'"),
        (lambda: simplex_loss("tsallis"), "q must be finite and positive, got None"),
        (lambda: simplex_loss("tsallis", -1), "q must be finite and positive, got -1"),
        (lambda: simplex_loss("shannon", 2), "'shannon' has no order"),
        (lambda: hypercube_loss("tsallis"), "entropy must be one of"),
        (lambda: birkhoff_loss(0), "mu must be finite and positive"),
        (lambda: birkhoff_loss(1, 0), "iterations must be at least 1"),
        (lambda: polytope_loss(np.ones(3)), "vertices must be a finite matrix"),
        (lambda: polytope_loss(np.array([[1.0, np.nan]])), "vertices must be a finite matrix"),
        (lambda: sparsemax(np.array([0.1, np.nan])), "scores must not contain NaN"),
        (lambda: sparsemax(np.array(1.0)), "scores need at least 1 non-empty axes"),
        (lambda: simplex_threshold(np.zeros((3, 0))), "scores need at least 1 non-empty axes"),
        (lambda: SIMPLEX["shannon"].value(FIRST * np.nan, FIRST), "NaN"),
        (lambda: SIMPLEX["squared"].predict(FIRST * np.nan), "NaN"),
        (lambda: SIMPLEX["shannon"].value(np.zeros(3), np.ones(2)), "labels must have the event"),
        (lambda: birkhoff_loss().value(np.zeros(3), np.ones(3)), "at least 2 non-empty axes"),
        (lambda: randomized_decoding(FIRST, FIRST[:2], 2, 1), "nearest must have the shape"),
        (lambda: randomized_decoding(FIRST, FIRST, 0, 1), "separation must be positive"),
        (lambda: randomized_decoding(FIRST, FIRST, 1, 3), "order 1 or 2"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_names_are_shown():
    assert repr(SIMPLEX["tsallis 1.5"]) == "StructuredLoss('Tsallis 1.5 on the simplex')"
    assert isinstance(SIMPLEX["squared"], StructuredLoss)
