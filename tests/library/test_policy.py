"""Policy objectives against exact enumeration over a tiny set of answers."""

import itertools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paperlab import policy

REWARDS = hnp.arrays(np.float32, (3, 6), elements=st.floats(-4, 4, width=32))


@settings(deadline=None)
@given(REWARDS, st.floats(-3, 3, width=32))
def test_advantages_are_relative_to_the_group(rewards, shift):
    a = np.asarray(policy.group_advantages(jnp.asarray(rewards)))
    np.testing.assert_allclose(a.sum(1), 0, atol=1e-2)
    b = policy.group_advantages(jnp.asarray(rewards + np.float32(shift)), standardize=0.0)
    centered = policy.group_advantages(jnp.asarray(rewards), standardize=0.0)
    np.testing.assert_allclose(b, centered, atol=1e-5)


@settings(deadline=None)
@given(REWARDS.filter(lambda r: (r.std(axis=1) > 0.1).all()))
def test_standardized_advantages_are_z_scores(rewards):
    a = policy.group_advantages(jnp.asarray(rewards), epsilon=0.0)
    np.testing.assert_allclose(a, scipy.stats.zscore(rewards, axis=1), rtol=1e-3, atol=1e-3)


def test_a_group_of_equals_teaches_nothing():
    assert (policy.group_advantages(jnp.ones((2, 5))) == 0).all()


def test_k3_is_nonnegative_and_its_mean_is_the_divergence():
    rng = np.random.default_rng(0)
    p, q = scipy.special.softmax(rng.normal(size=(2, 9)), axis=1)
    k3 = np.asarray(policy.k3(jnp.log(p), jnp.log(q)))
    assert (k3 >= 0).all()
    np.testing.assert_allclose(p @ k3, scipy.stats.entropy(p, q), rtol=1e-5)
    assert (policy.k3(jnp.log(p), jnp.log(p)) == 0).all()


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [(1.5, 1.0, 1.2), (1.5, -1.0, -1.5), (0.5, 1.0, 0.5), (0.5, -1.0, -0.8), (1.1, 2.0, 2.2)],
)
def test_the_surrogate_is_clipped_on_the_side_that_was_rewarded(ratio, advantage, expected):
    log, old = jnp.log(jnp.array([[ratio]])), jnp.zeros((1, 1))
    found = policy.clipped_surrogate(log, old, jnp.array([advantage]), clip=0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_masked_mean_divides_by_each_answers_own_length():
    values = jnp.array([[1.0, 3, 100], [2, 100, 100], [9, 9, 9]])
    mask = jnp.array([[True, True, False], [True, False, False], [False, False, False]])
    np.testing.assert_allclose(policy.masked_mean(values, mask), [2, 2, 0])


def test_the_expected_gradient_is_the_policy_gradient_up_to_the_groups_share():
    """Over every group of G one-token answers, centering on the group keeps (G - 1) / G of it."""
    logits = jnp.array([0.3, -0.5, 0.9])
    reward, G = jnp.array([1.0, 0.0, 0.25]), 3
    p = jax.nn.softmax(logits)
    true = jax.grad(lambda x: jax.nn.softmax(x) @ reward)(logits)

    groups = jnp.array(list(itertools.product(range(3), repeat=G)))
    chance = jnp.prod(p[groups], axis=1)

    def objective(x):
        log = jax.nn.log_softmax(x)[groups][:, None, :, None]  # (groups, 1, G, 1 token)
        old = jax.nn.log_softmax(logits)[groups][:, None, :, None]
        A = policy.group_advantages(reward[groups][:, None, :], standardize=0.0)
        mask = jnp.ones(log.shape, bool)
        losses = jax.vmap(lambda *a: policy.grpo_loss(*a, beta=0.0))(log, old, old, A, mask)
        return -chance @ losses

    np.testing.assert_allclose(jax.grad(objective)(logits), (G - 1) / G * true, atol=1e-6)


def test_the_penalty_pulls_towards_the_reference():
    logs = jnp.log(jnp.array([[[[0.5], [0.5]]]]))[0]
    reference = jnp.log(jnp.array([[[0.25], [0.75]]]))
    flat = jnp.zeros((1, 2))

    def loss(x):
        return policy.grpo_loss(x, logs, reference, flat, jnp.ones((1, 2, 1), bool), beta=1.0)

    gradient = jax.grad(loss)(logs)[0, :, 0]
    assert gradient[0] > 0 > gradient[1]


def test_groups_of_one_are_refused():
    with pytest.raises(ValueError, match="at least 2 answers per group"):
        policy.group_advantages(jnp.ones((4, 1)))


# The shape checker of these tests sees a mismatch first; without it the functions refuse it
# themselves, which is what a reader meets.
MISMATCHED = """
import jax.numpy as jnp
from paperlab import policy
one, two = jnp.ones((2, 3)), jnp.ones((2, 4))
for call, name in (
    (lambda: policy.clipped_surrogate(one, two, jnp.ones(2)), "old_log_probs"),
    (lambda: policy.clipped_surrogate(one, one, jnp.ones(3)), "advantages"),
    (lambda: policy.k3(one, two), "reference_log_probs"),
    (lambda: policy.masked_mean(one, two > 0), "mask"),
):
    try:
        call()
    except ValueError as error:
        assert f"{name} must have shape" in str(error), error
    else:
        raise AssertionError(name)
"""


def test_mismatched_shapes_are_refused_by_name():
    subprocess.run([sys.executable, "-c", MISMATCHED], check=True, timeout=120)
