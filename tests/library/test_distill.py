"""Divergences against scipy; the sampled loss against exact enumeration."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paperlab import distill

WEIGHT = 0.3
LOGITS = hnp.arrays(np.float32, (2, 3, 5), elements=st.floats(-6, 6, width=32))
REFERENCES = {
    "forward_kl": lambda p, q: scipy.stats.entropy(p, q, axis=-1),
    "reverse_kl": lambda p, q: scipy.stats.entropy(q, p, axis=-1),
    "skew_kl": lambda p, q: scipy.stats.entropy(p, WEIGHT * p + (1 - WEIGHT) * q, axis=-1),
    "jensen_shannon": lambda p, q: (
        scipy.stats.entropy(WEIGHT * p + (1 - WEIGHT) * q, axis=-1)
        - WEIGHT * scipy.stats.entropy(p, axis=-1)
        - (1 - WEIGHT) * scipy.stats.entropy(q, axis=-1)
    ),
    "total_variation": lambda p, q: np.maximum(p - q, 0).sum(-1),
}
WEIGHTED = ("skew_kl", "jensen_shannon")


def divergence(name, *arguments):
    extra = {"weight": WEIGHT} if name in WEIGHTED else {}
    return getattr(distill, name)(*arguments, **extra)


@pytest.mark.parametrize("name", REFERENCES)
@settings(deadline=None, max_examples=50)
@given(logits=LOGITS)
def test_values_are_those_of_scipy(name, logits):
    p, q = scipy.special.softmax(logits.astype(float), axis=-1)
    found = divergence(name, *jax.nn.log_softmax(jnp.asarray(logits)))
    assert found.shape == (3,)
    np.testing.assert_allclose(found, REFERENCES[name](p, q), atol=2e-5, rtol=2e-4)


@settings(deadline=None, max_examples=50)
@given(LOGITS)
def test_inequalities_between_divergences(logits):
    p, q = jax.nn.log_softmax(jnp.asarray(logits))
    variation = distill.total_variation(p, q)
    js = distill.jensen_shannon(p, q)
    np.testing.assert_allclose(js, distill.jensen_shannon(q, p), atol=1e-5)
    divergence = jnp.maximum(distill.forward_kl(p, q), 0.0)  # rounding may go below 0
    assert (variation <= jnp.sqrt(divergence / 2) + 1e-3).all()  # Pinsker
    assert (variation**2 / 2 - 1e-5 <= js).all()
    assert (js <= jnp.log(2.0) + 1e-5).all()
    accepted = jnp.sum(jnp.exp(q) * jnp.minimum(jnp.exp(p - q), 1), axis=-1)
    np.testing.assert_allclose(accepted, 1 - variation, atol=1e-5)


def test_jensen_shannon_is_the_square_of_scipys_distance():
    p, q = scipy.special.softmax(np.random.default_rng(0).normal(size=(2, 7)), axis=1)
    found = distill.jensen_shannon(jnp.log(p), jnp.log(q))
    np.testing.assert_allclose(found, scipy.spatial.distance.jensenshannon(p, q) ** 2, rtol=1e-4)


def test_gradients_are_the_closed_forms():
    x, y = np.random.default_rng(1).normal(size=(2, 6))
    p, q = scipy.special.softmax([x, y], axis=1)
    teacher = jnp.log(p)

    def gradient(name):
        return jax.grad(lambda z: divergence(name, teacher, jax.nn.log_softmax(z)))(jnp.asarray(y))

    np.testing.assert_allclose(gradient("forward_kl"), q - p, atol=1e-6)
    backwards = q * (np.log(q / p) - scipy.stats.entropy(q, p))
    np.testing.assert_allclose(gradient("reverse_kl"), backwards, atol=1e-6)


def test_tokens_the_teacher_never_says_cost_nothing_and_leave_the_gradient_finite():
    teacher = jnp.log(jnp.array([0.25, 0.75, 0.0]))
    logits = jnp.array([0.1, -0.2, 0.4])
    value, gradient = jax.value_and_grad(
        lambda z: distill.forward_kl(teacher, jax.nn.log_softmax(z))
    )(logits)
    p, q = np.array([0.25, 0.75, 0]), scipy.special.softmax([0.1, -0.2, 0.4])
    np.testing.assert_allclose(value, scipy.stats.entropy(p, q), rtol=1e-5)
    np.testing.assert_allclose(gradient, q - p, atol=1e-6)
    assert distill.reverse_kl(teacher, jax.nn.log_softmax(logits)) == jnp.inf
    assert jnp.isfinite(distill.jensen_shannon(teacher, jax.nn.log_softmax(logits)))


def test_the_sampled_loss_has_the_gradient_of_reverse_kl_at_every_prefix():
    """Answers of two tokens, all enumerated; each prefix is weighted by how often it is met."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=4), rng.normal(size=(4, 4))
    teachers = jax.nn.log_softmax(rng.normal(size=4)), jax.nn.log_softmax(rng.normal(size=(4, 4)))
    chance = scipy.special.softmax(first)

    def exact(logits):
        a, b = map(jax.nn.log_softmax, logits)
        return distill.reverse_kl(teachers[0], a) + chance @ distill.reverse_kl(teachers[1], b)

    def sampled(logits):
        a, b = map(jax.nn.log_softmax, logits)
        tokens = distill.sampled_reverse_kl(teachers[0], a)[:, None]
        tokens = tokens + distill.sampled_reverse_kl(teachers[1], b)
        drawn = chance[:, None] * scipy.special.softmax(second, axis=1)
        return jnp.sum(drawn * tokens)

    logits = (jnp.asarray(first), jnp.asarray(second))
    for found, expected in zip(*(jax.grad(f)(logits) for f in (sampled, exact)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


# The shape checker of these tests sees a mismatch first; without it the functions refuse it
# themselves, which is what a reader meets.
MISMATCHED = """
import jax.numpy as jnp
from paperlab import distill
one, two = jnp.ones((2, 3)), jnp.ones((2, 4))
names = "forward_kl", "reverse_kl", "skew_kl", "jensen_shannon", "total_variation"
for name in (*names, "sampled_reverse_kl"):
    try:
        getattr(distill, name)(one, two)
    except ValueError as error:
        assert "student must have shape" in str(error), error
    else:
        raise AssertionError(name)
"""


def test_mismatched_shapes_are_refused_by_name():
    subprocess.run([sys.executable, "-c", MISMATCHED], check=True, timeout=120)


@pytest.mark.parametrize("weight", [0.0, 1.0, -0.5, float("nan")])
@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_outside_of_the_open_interval_are_refused(name, weight):
    with pytest.raises(ValueError, match=f"{name}: weight must lie between 0 and 1"):
        getattr(distill, name)(jnp.zeros(2), jnp.zeros(2), weight)
