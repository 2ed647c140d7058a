"""Binary Fenchel-Young losses against scipy, optax and their defining inequalities."""

import functools
import math

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
from hypothesis import given, settings

from paperlab import fenchel_young
from paperlab.fenchel_young import probit, renyi, semicircle, shannon, tsallis


def _tsallis_potential(mu, q):
    return (mu**q + (1 - mu) ** q - 1) / (q - 1)


# Each loss beside its potential, written down again without this library.
POTENTIALS = {
    shannon(): lambda mu: -scipy.stats.entropy([mu, 1 - mu]),
    semicircle(): lambda mu: -2 * math.sqrt(mu * (1 - mu)),
    tsallis(0.5): lambda mu: _tsallis_potential(mu, 0.5),
    tsallis(1.5): lambda mu: _tsallis_potential(mu, 1.5),
    tsallis(2): lambda mu: _tsallis_potential(mu, 2),
    tsallis(3): lambda mu: _tsallis_potential(mu, 3),
    renyi(0.5): lambda mu: math.log(mu**0.5 + (1 - mu) ** 0.5) / -0.5,
    renyi(1.5): lambda mu: math.log(mu**1.5 + (1 - mu) ** 1.5) / 0.5,
    renyi(2): lambda mu: math.log(mu**2 + (1 - mu) ** 2),
    probit(): lambda mu: -scipy.stats.norm.pdf(scipy.stats.norm.ppf(mu)),
}
LOSSES = list(POTENTIALS)
MARGINS = {tsallis(1.5): 3, tsallis(2): 2, tsallis(3): 1.5, renyi(1.5): 3, renyi(2): 2}
losses = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def _value_and_g(loss, z):
    """At one common shape, so that each loss compiles once."""
    padded = np.zeros(40, z.dtype)
    padded[: len(z)] = z
    value, g = loss.value_and_g(padded)
    return np.asarray(value)[: len(z)], np.asarray(g)[: len(z)]


@functools.partial(jax.jit, static_argnums=0)
def _phi(loss, mu):
    return loss.phi(mu)


@losses
def test_value_and_g_are_the_conjugate_and_its_maximizer(loss):
    phi = POTENTIALS[loss]
    z = np.array([-4.0, -1.0, 0.0, 0.3, 1.2, 1.45, 2.5])
    best = [
        scipy.optimize.minimize_scalar(
            lambda mu, a=a: a * mu + phi(mu), bounds=(0, 1), options={"xatol": 1e-12}
        )
        for a in z
    ]
    # A minimum is found to about the square root of the rounding unit.
    value, g = _value_and_g(loss, z)
    np.testing.assert_allclose(value, [-b.fun for b in best], atol=1e-7)
    np.testing.assert_allclose(g, [b.x for b in best], atol=2e-6)


@losses
def test_potential_its_derivatives_and_its_divergence(loss):
    @jax.jit
    def all_of_them(mu):
        slope, curvature = jax.vmap(jax.grad(loss.phi)), jax.vmap(jax.grad(loss.dphi))
        known = loss.phi(mu), loss.dphi(mu), loss.d2phi(mu), loss.bregman(mu)
        return known, slope(mu), curvature(mu), loss.phi(jnp.array([0.0, 1.0]))

    mu = jnp.linspace(0.02, 0.98, 25)
    (phi, dphi, d2phi, bregman), slope, curvature, ends = all_of_them(mu)
    np.testing.assert_allclose(phi, [POTENTIALS[loss](m) for m in np.asarray(mu)], atol=1e-14)
    np.testing.assert_allclose(dphi, slope, atol=1e-12)
    np.testing.assert_allclose(d2phi, curvature, rtol=1e-11)
    np.testing.assert_allclose(bregman, mu * dphi - phi, rtol=1e-10)
    np.testing.assert_allclose(ends, 0, atol=1e-15)


def test_logistic_is_optax():
    z = jnp.linspace(-700, 700, 1401)
    np.testing.assert_allclose(
        shannon().value(z), optax.sigmoid_binary_cross_entropy(z, jnp.ones_like(z)), rtol=1e-13
    )
    np.testing.assert_allclose(shannon().g(z), scipy.special.expit(-z), rtol=1e-13)


def test_probit_is_the_integrated_normal_distribution():
    z = np.linspace(-6, 6, 25)
    np.testing.assert_allclose(probit().g(z), scipy.stats.norm.cdf(-z), rtol=1e-12)
    integral = [scipy.integrate.quad(scipy.stats.norm.cdf, -np.inf, -a, epsabs=0)[0] for a in z]
    np.testing.assert_allclose(probit().value(z), integral, rtol=1e-7)


def test_closed_forms_agree_with_the_search():
    z = jnp.linspace(-2.5, 3.5, 101)
    pairs = [
        (tsallis(0.5), tsallis(0.5 + 1e-9)),
        (tsallis(1.5), tsallis(1.5 + 1e-9)),
        (renyi(2), renyi(2 - 1e-9)),
        (shannon(), tsallis(1 + 1e-9)),
    ]
    both = jax.jit(lambda z: [(a.value(z), b.value(z)) for a, b in pairs])(z)
    for closed, near in both:
        np.testing.assert_allclose(closed, near, atol=3e-9)


def test_tsallis_2_is_half_the_modified_huber_loss():
    z = np.linspace(-6, 6, 49)
    peer = [_modified_huber(score / 2) / 2 for score in z]
    np.testing.assert_allclose(tsallis(2).value(z), peer, atol=1e-15)


def _modified_huber(score):
    """As scikit-learn's user guide defines it (SGDClassifier, loss="modified_huber")."""
    return max(0, 1 - score) ** 2 if score >= -1 else -4 * score


@pytest.mark.parametrize("loss", MARGINS, ids=lambda loss: loss.name)
def test_zero_exactly_from_the_margin_on(loss):
    m = MARGINS[loss]
    assert loss.margin == pytest.approx(m, rel=1e-15)
    before = m - np.logspace(-6, 0, 30)
    value, g = _value_and_g(loss, np.append(before, [m, m + 1e-9, 10.0, 1e300]))
    assert (value[:30] > 0).all()
    assert (value[30:] == 0).all()
    assert (g[30:] == 0).all()
    # Convexity bounds the loss near the margin, up to the rounding of m - z.
    assert (value[:30] <= (m - before) * g[:30] * (1 + 1e-6)).all()


def test_no_margin_means_positive_everywhere():
    for loss in set(LOSSES) - set(MARGINS):
        assert loss.margin == math.inf
        assert (_value_and_g(loss, np.array([1.0, 10.0, 30.0]))[0] > 0).all()


def test_no_cancellation_near_the_margin():
    # Leading orders: Tsallis q leaves zero like mu^q, Rényi 2 like 8/3 mu^3.
    mu = jnp.logspace(-60, -10, 20)
    np.testing.assert_allclose(tsallis(1.5).bregman(mu), mu**1.5, rtol=1e-4)
    np.testing.assert_allclose(renyi(2).bregman(mu), 8 / 3 * mu**3, rtol=1e-9)
    # phi' = -2 + 4 mu^2 + ..., so that 2 - z = 4 mu^2 to leading order.
    z = 2 - np.array([1e-6, 1e-9, 1e-12])
    leading = np.sqrt(2 - z) / 2
    np.testing.assert_allclose(renyi(2).g(z), leading, rtol=1e-3)
    np.testing.assert_allclose(renyi(2).value(z), 8 / 3 * leading**3, rtol=3e-3)


scores = hnp.arrays(np.float64, 20, elements=st.floats(-60, 60))
shares = hnp.arrays(np.float64, 20, elements=st.floats(0, 1))


@losses
@settings(max_examples=10, deadline=None)
@given(a=scores, b=scores, weight=shares, mu=shares)
def test_inequalities(loss, a, b, weight, mu):
    slack = 1e-12 * (1 + np.abs(a) + np.abs(b))
    with jax.enable_x64(True):
        (value_a, g_a), (value_b, _), (value_c, _), (value_flip, g_flip) = (
            map(np.asarray, _value_and_g(loss, z))
            for z in (a, b, weight * a + (1 - weight) * b, -a)
        )
        phi, phi_g = np.asarray(_phi(loss, mu)), np.asarray(_phi(loss, g_a))
    assert (value_a >= 0).all()
    assert ((g_a >= 0) & (g_a <= 1)).all()
    assert ((value_a == 0) >= (a >= loss.margin)).all()
    # convex, with -g a subgradient
    assert (value_c <= weight * value_a + (1 - weight) * value_b + slack).all()
    assert (value_b >= value_a - g_a * (b - a) - slack).all()
    # Fenchel and Young's inequality, an equality at g
    assert (value_a + phi >= -a * mu - slack).all()
    np.testing.assert_array_less(np.abs(value_a + phi_g + a * g_a), 10 * slack)
    # two classes: what the one loses the other gains
    np.testing.assert_array_less(np.abs(value_flip - value_a - a), slack)
    np.testing.assert_allclose(g_flip, 1 - g_a, atol=1e-15)


@losses
def test_gradient_is_minus_g_at_any_score_and_order(loss):
    @jax.jit
    @jax.vmap
    def derivatives(z):
        value, slope = jax.value_and_grad(loss.value)(z)
        return value, loss.g(z), slope, jax.grad(jax.grad(loss.value))(z)

    edge = 0.0 if loss.margin == math.inf else loss.margin
    inner, h = np.array([-1.3, -0.4, 0.7, 1.4]), 1e-5
    outer = [-1e30, -40.0, 0.0, 40.0, 1e30, edge, -edge]
    value, g, slope, second = derivatives(jnp.array([*outer, *inner, *(inner + h), *(inner - h)]))
    np.testing.assert_allclose(slope, -g, rtol=1e-14)
    assert jnp.isfinite(second).all()
    assert (second >= 0).all()
    np.testing.assert_allclose(slope[7:11], (value[11:15] - value[15:]) / (2 * h), rtol=1e-7)
    np.testing.assert_allclose(second[7:11], (slope[11:15] - slope[15:]) / (2 * h), rtol=1e-7)


def test_third_derivative_where_g_is_searched_for():
    # Between the margins Tsallis 2 is a parabola.
    third = jax.vmap(jax.grad(jax.grad(tsallis(2 - 1e-9).g)))(jnp.array([-1.3, 0.4, 1.1]))
    np.testing.assert_allclose(third, 0, atol=1e-7)
    z = jnp.array([-1.3, 0.4, 1.1])
    third = jax.vmap(jax.grad(jax.grad(semicircle().g)))(z)
    np.testing.assert_allclose(third, 6 * z / (z**2 + 4) ** 2.5, rtol=1e-12)


@losses
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_finite_at_extreme_scores(loss, dtype):
    big = 0.9 * float(jnp.finfo(dtype).max)
    z = np.array([-big, -1e6, -1e-30, 0, 1e-30, 1e6, big], dtype)
    value, g = _value_and_g(loss, np.append(z, np.array([-np.inf, np.inf], dtype)))
    np.testing.assert_array_equal(value[7:], [np.inf, 0])
    np.testing.assert_array_equal(g[7:], [1, 0])
    value, g = value[:7], g[:7]
    assert value.dtype == g.dtype == dtype
    assert np.isfinite(value).all()
    assert np.isfinite(g).all()
    np.testing.assert_allclose(value[:2], -z[:2], rtol=1e-2)
    assert (value[-2:] < 3e-3).all()
    assert (g[0], g[-1]) == (1, 0)


@losses
def test_float32_keeps_its_digits(loss):
    z = np.linspace(-5, 1.4, 40).astype(np.float32)
    value, g = _value_and_g(loss, z)
    exact_value, exact_g = _value_and_g(loss, z.astype(np.float64))
    np.testing.assert_allclose(value, exact_value, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(g, exact_g, atol=1e-5)


@losses
def test_nan_is_refused_where_it_can_be_seen_and_kept_where_it_cannot(loss):
    for method in (loss.value, loss.g, loss.value_and_g):
        with pytest.raises(ValueError, match=f"{loss.name}: scores must not contain NaN, got 1"):
            method(np.array([0.5, np.nan]))
    np.testing.assert_array_equal(jax.jit(loss.value_and_g)(np.nan), [np.nan, np.nan])


def test_any_shape_and_scalars():
    for z in (0.5, np.float64(0.5), jnp.full((2, 3), 0.5), jnp.zeros((0, 4))):
        assert tsallis(1.5).value(z).shape == np.shape(z)
    assert tsallis(1.5) is tsallis(1.5)
    assert "margin=3" in repr(tsallis(1.5))


@pytest.mark.parametrize("q", [0, -1.0, math.nan, math.inf])
def test_bad_order(q):
    with pytest.raises(ValueError, match=r"tsallis: q must be finite and positive, got"):
        fenchel_young.tsallis(q)
    with pytest.raises(ValueError, match=r"renyi: q must lie in \(0, 2\], got"):
        fenchel_young.renyi(q)


def test_renyi_beyond_two_is_refused():
    with pytest.raises(ValueError, match=r"renyi: q must lie in \(0, 2\], got 2.5"):
        fenchel_young.renyi(2.5)
