"""Transport against POT, ott-jax, scipy's linear programming and every permutation."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import ot
import pytest
import scipy.optimize
import scipy.sparse.csgraph
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from ott.geometry.geometry import Geometry
from ott.solvers import linear

from paperlab import transport

M, N = 5, 7
seeds = st.integers(0, 2**31)
potentials = st.sampled_from([transport.shannon(), *map(transport.beta_potential, (1.25, 1.4, 2))])


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def instance(seed: int, m: int = M, n: int = N):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (m, n)), rng.dirichlet(np.ones(m)), rng.dirichlet(np.ones(n))


def exact(cost, a, b, mass=None):
    """Linear programming: the optimal value, with inequalities if a mass is given."""
    m, n = cost.shape
    marginals = np.vstack([np.kron(np.eye(m), np.ones(n)), np.kron(np.ones(m), np.eye(n))])
    if mass is None:
        solved = scipy.optimize.linprog(
            cost.ravel(), A_eq=marginals[:-1], b_eq=np.r_[a, b][:-1], method="highs"
        )
    else:
        solved = scipy.optimize.linprog(
            cost.ravel(),
            A_ub=marginals,
            b_ub=np.r_[a, b],
            A_eq=np.ones((1, m * n)),
            b_eq=[mass],
            method="highs",
        )
    assert solved.status == 0
    return solved.fun, solved.x.reshape(m, n)


# --- Regularized plans ------------------------------------------------------------------------


def off(plan, a, b):
    rows, columns = np.asarray(plan.matrix.sum(1)), np.asarray(plan.matrix.sum(0))
    return max(np.abs(rows - a).max(), np.abs(columns - b).max())


@settings(max_examples=20, deadline=None)
@given(seed=seeds, potential=potentials, sweeps=st.sampled_from([1, 1000]))
@example(seed=16, potential=transport.beta_potential(2), sweeps=1000)
def test_plan_reports_its_marginals(seed, potential, sweeps):
    cost, a, b = instance(seed)
    plan = transport.regularized(cost, a, b, 0.5, potential, sweeps=sweeps)
    assert float(plan.matrix.min()) >= 0
    np.testing.assert_allclose(plan.matrix.sum(1), a, atol=1e-12)
    np.testing.assert_allclose(plan.error, off(plan, a, b), atol=1e-14)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, potential=potentials)
@example(seed=16, potential=transport.beta_potential(2))
def test_marginals_hold_where_the_iteration_has_come_to_rest(seed, potential):
    cost, a, b = instance(seed)
    plan = transport.regularized(cost, a, b, 0.5, potential, sweeps=20_000, tolerance=1e-11)
    if plan.change <= 1e-11:
        assert max(plan.error, off(plan, a, b)) <= 1e-9


def test_a_plan_that_is_not_there_yet_says_so():
    cost, a, b = instance(16)
    few, more = (
        transport.regularized(cost, a, b, 0.5, transport.beta_potential(2), sweeps=n).error
        for n in (1000, 4000)
    )
    assert few > 1e-4 > more


@pytest.mark.parametrize("seed", range(3))
def test_relaxed_and_partial_plans_report_their_error(seed):
    cost, a, b = instance(seed)
    solve = {
        "relaxed": lambda n: transport.regularized(cost, a, 2 * b, 0.1, relax=0.5, sweeps=n),
        "partial": lambda n: transport.partial(cost, a, 2 * b, 0.7, 0.1, sweeps=n),
    }
    for name, plan in solve.items():
        assert plan(2).error > 1e-6 > 1e-10 > plan(5000).error, name


@settings(max_examples=20, deadline=None)
@given(seed=seeds, potential=potentials)
def test_transposing_and_relabelling_the_problem_does_so_to_the_plan(seed, potential):
    cost, a, b = instance(seed)
    rng = np.random.default_rng(seed)
    i, j = rng.permutation(M), rng.permutation(N)
    plan = transport.regularized(cost, a, b, 0.5, potential, sweeps=1000)
    relabelled = transport.regularized(cost[i][:, j], a[i], b[j], 0.5, potential, sweeps=1000)
    np.testing.assert_allclose(relabelled.matrix, plan.matrix[i][:, j], atol=1e-9)
    turned = transport.regularized(cost.T, b, a, 0.5, potential, sweeps=1000)
    assume(max(plan.error, turned.error) < 1e-9)  # before, both are on their way from two sides
    np.testing.assert_allclose(turned.matrix.T, plan.matrix, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_entropic_plan_is_that_of_pot_and_ott(seed):
    cost, a, b = instance(seed)
    ours = transport.regularized(cost, a, b, 0.1, tolerance=1e-12, sweeps=10_000)
    peer = ot.sinkhorn(a, b, cost, 0.1, method="sinkhorn_log", stopThr=1e-13, numItermax=10_000)
    np.testing.assert_allclose(ours.matrix, peer, atol=1e-10)
    geometry = Geometry(jnp.asarray(cost), epsilon=0.1)
    ott = linear.solve(geometry, a, b, threshold=1e-12, max_iterations=10_000)
    np.testing.assert_allclose(ours.matrix, ott.matrix, atol=1e-9)
    assert float(ours.change) <= 1e-12


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("relax", [0.05, 1.0])
def test_relaxed_plan_is_that_of_pot(seed, relax):
    cost, a, b = instance(seed)
    b = 1.7 * b
    ours = transport.regularized(cost, a, b, 0.1, relax=relax, tolerance=1e-13, sweeps=10_000)
    peer = ot.unbalanced.sinkhorn_unbalanced(
        a, b, cost, 0.1, relax, reg_type="entropy", stopThr=1e-14, numItermax=10_000
    )
    np.testing.assert_allclose(ours.matrix, peer, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_relaxed_plan_of_unit_masses_is_that_of_ott(seed):
    cost, *_ = instance(seed)
    a, b = np.ones(M), np.ones(N)
    ours = transport.regularized(cost, a, b, 0.1, relax=0.3, tolerance=1e-13, sweeps=10_000)
    keep = 0.3 / (0.3 + 0.1)
    peer = linear.solve(
        Geometry(jnp.asarray(cost), epsilon=0.1),
        a,
        b,
        tau_a=keep,
        tau_b=keep,
        threshold=1e-12,
        max_iterations=10_000,
    )
    np.testing.assert_allclose(ours.matrix, peer.matrix, atol=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_quadratic_plan_is_that_of_pot(seed):
    cost, a, b = instance(seed)
    ours = transport.regularized(cost, a, b, 0.5, transport.beta_potential(2), sweeps=3000)
    peer = ot.smooth.smooth_ot_dual(a, b, cost, 0.5, "l2", stopThr=1e-14, numItermax=10_000)
    np.testing.assert_allclose(ours.matrix, peer, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("beta", [1.25, 1.4])
def test_beta_plan_is_the_minimum(seed, beta):
    """Against scipy's general constrained solver."""
    cost, a, b = instance(seed, 3, 4)

    def value(p):
        p = np.maximum(p, 0)
        potential = (p**beta - beta * p + beta - 1) / (beta * (beta - 1))
        return cost.ravel() @ p + 0.3 * potential.sum()

    marginals = np.vstack([np.kron(np.eye(3), np.ones(4)), np.kron(np.ones(3), np.eye(4))])[:-1]
    peer = scipy.optimize.minimize(
        value,
        np.outer(a, b).ravel(),
        method="SLSQP",
        bounds=[(0, 1)] * 12,
        constraints={
            "type": "eq",
            "fun": lambda p: marginals @ p - np.r_[a, b][:-1],
            "jac": lambda p: marginals,
        },
        options={"ftol": 1e-14, "maxiter": 500},
    )
    ours = transport.regularized(cost, a, b, 0.3, transport.beta_potential(beta), sweeps=3000)
    assert value(np.asarray(ours.matrix).ravel()) <= peer.fun + 1e-9
    np.testing.assert_allclose(ours.matrix.ravel(), peer.x, atol=2e-4)


@pytest.mark.parametrize("seed", range(3))
def test_little_regularization_approaches_linear_programming(seed):
    cost, a, b = instance(seed)
    best, _ = exact(cost, a, b)
    plan = transport.regularized(cost, a, b, 2e-3, sweeps=20_000, tolerance=1e-9).matrix
    assert best - 1e-7 <= (cost * plan).sum() <= best + 0.01


@functools.cache
def normalize(beta: float):
    return jax.jit(transport.beta_potential(beta).normalize)


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    beta=st.sampled_from([1.001, 1.25, 1.4, 2]),
    size=st.sampled_from([1, 400]),
    spread=st.sampled_from([0.1, 10.0, 1000.0]),
)
def test_beta_normalization_meets_its_mass(seed, beta, size, spread):
    rng = np.random.default_rng(seed)
    scores, mass = spread * rng.normal(size=(3, size)), rng.uniform(1e-3, 2, 3)
    potential = transport.beta_potential(beta)
    shift = normalize(beta)(jnp.asarray(scores), jnp.asarray(mass))
    np.testing.assert_allclose(potential.link(scores - shift[:, None]).sum(1), mass, rtol=1e-9)


def test_columns_out_of_reach_are_left_alone_only_when_asked():
    cost = np.array([[0.0, 1, 50], [1, 0, 50]])
    a, b = np.full(2, 1 / 2), np.full(3, 1 / 3)
    beta = transport.beta_potential(1.5)
    skipped = transport.regularized(cost, a, b, 1.0, beta, sweeps=3, skip_empty=True).matrix
    assert (skipped[:, 2] == 0).all()
    projected = transport.regularized(cost, a, b, 1.0, beta, sweeps=3).matrix
    np.testing.assert_allclose(projected[:, 2].sum(), 1 / 3, atol=0.05)


def test_padding_with_zero_mass_changes_nothing():
    cost, a, b = instance(0)
    wide = np.pad(cost, ((0, 2), (0, 3)), constant_values=0.3)
    padded = np.pad(a, (0, 2)), np.pad(b, (0, 3))
    for options in ({}, {"relax": 0.5}, {"potential": transport.beta_potential(1.5)}):
        small = transport.regularized(cost, a, b, 0.2, **options).matrix
        large = transport.regularized(wide, *padded, 0.2, **options).matrix
        np.testing.assert_allclose(large[:M, :N], small, atol=1e-12)
        assert large[M:].sum() == large[:, N:].sum() == 0
    small = transport.partial(cost, a, b, 0.6, 0.2).matrix
    np.testing.assert_allclose(
        transport.partial(wide, *padded, 0.6, 0.2).matrix[:M, :N], small, atol=1e-12
    )


def test_batches_and_gradients():
    problems = [instance(seed) for seed in range(3)]
    stacked = [jnp.stack(x) for x in zip(*problems, strict=True)]

    def plan(cost, a, b):
        return transport.regularized(cost, a, b, 0.2, relax=0.5, sweeps=50).matrix

    batch = jax.jit(jax.vmap(plan))(*stacked)
    for one, problem in zip(batch, problems, strict=True):
        np.testing.assert_allclose(one, plan(*problem), atol=1e-12)
    cost, a, b = problems[0]
    gradient = jax.grad(lambda c: (plan(c, a, b) ** 2).sum())(jnp.asarray(cost))
    step = np.zeros_like(cost)
    step[1, 2] = 1e-6
    numeric = ((plan(cost + step, a, b) ** 2).sum() - (plan(cost - step, a, b) ** 2).sum()) / 2e-6
    np.testing.assert_allclose(gradient[1, 2], numeric, rtol=1e-5)


# --- Partial plans ----------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=seeds, share=st.floats(0.05, 1))
def test_partial_plan_keeps_within_its_marginals(seed, share):
    cost, a, b = instance(seed)
    b = 2 * b
    solved = transport.partial(cost, a, b, share, 0.1, sweeps=2000)
    plan, error = solved.matrix, float(solved.error) + 1e-14
    assert (np.asarray(plan.sum(1)) <= a + error).all()
    assert (np.asarray(plan.sum(0)) <= b + error).all()
    np.testing.assert_allclose(plan.sum(), share, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_partial_plan_is_that_of_pot(seed, share):
    cost, a, b = instance(seed)
    ours = transport.partial(cost, a, b, share, 0.1, tolerance=1e-13, sweeps=20_000)
    peer = ot.partial.entropic_partial_wasserstein(
        a, b, cost, 0.1, share, numItermax=20_000, stopThr=1e-15
    )
    np.testing.assert_allclose(ours.matrix, peer, atol=1e-8)


def test_partial_plan_approaches_linear_programming():
    cost, a, b = instance(1)
    best, _ = exact(cost, a, b, 0.6)
    plan = transport.partial(cost, a, b, 0.6, 2e-3, sweeps=20_000).matrix
    assert best - 1e-7 <= (cost * plan).sum() <= best + 0.01


# --- Dual variables ---------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_laguerre_weights_are_optimal_duals(seed):
    cost, a, b = instance(seed)
    best, plan = exact(cost, a, b)
    plan = np.where(plan > 1e-12, plan, 0)
    solved = transport.laguerre_weights(cost, plan)
    g = np.asarray(solved.weights)
    assert float(solved.smallest_cycle) >= -1e-10
    np.testing.assert_allclose(a @ (cost - g).min(1) + b @ g, best, atol=1e-9)
    assert abs(g.sum()) < 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=seeds, optimal=st.booleans())
def test_smallest_cycle_is_that_of_all_permutations(seed, optimal):
    rng = np.random.default_rng(seed)
    cost = rng.normal(size=(4, 4))
    where = scipy.optimize.linear_sum_assignment(cost)[1] if optimal else rng.permutation(4)
    plan = np.eye(4)[where]
    cells = cost[np.argsort(where)]  # row j: the point that is matched to cell j
    weights = cells - np.diag(cells)[:, None]
    cycles = [
        sum(weights[c[i], c[(i + 1) % len(c)]] for i in range(len(c)))
        for length in (2, 3, 4)
        for c in itertools.permutations(range(4), length)
    ]
    found = float(transport.laguerre_weights(cost, plan).smallest_cycle)
    if min(cycles) >= 0:
        np.testing.assert_allclose(found, min(cycles), atol=1e-12)
    else:  # walks along a negative cycle can only be more negative
        assert found <= min(cycles) + 1e-12


# --- Bad input --------------------------------------------------------------------------------

COST, A, B = np.ones((2, 3)), np.full(2, 1 / 2), np.full(3, 1 / 3)


@pytest.mark.parametrize(
    "solve", [transport.regularized, lambda *x: transport.partial(*x[:3], 0.5, x[3])]
)
@pytest.mark.parametrize(
    ("cost", "a", "b", "epsilon", "message"),
    [
        (COST, [-0.5, 1.5], B, 1.0, "a must be finite and not negative, got -0.5"),
        (COST, A, [np.nan, 0.5, 0.5], 1.0, "b must be finite and not negative, got nan"),
        (
            COST,
            A,
            B[:2],
            1.0,
            r"needs a of shape \(2,\) and b of shape \(3,\), got \(2,\) and \(2,\)",
        ),
        (np.full((2, 3), np.nan), A, B, 1.0, "cost must not be NaN, got 6"),
        (
            np.ones((0, 3)),
            np.ones(0),
            B,
            1.0,
            r"at least one row and one column, got shape \(0, 3\)",
        ),
        (COST, A, B, 0.0, "epsilon must be positive and finite, got 0.0"),
    ],
)
def test_bad_problems_are_refused(solve, cost, a, b, epsilon, message):
    with pytest.raises(ValueError, match=message):
        solve(np.asarray(cost), np.asarray(a), np.asarray(b), epsilon)


def test_unequal_totals_need_relaxed_marginals():
    with pytest.raises(ValueError, match="a and b must have the same total, got 1 and 2"):
        transport.regularized(COST, A, 2 * B, 1.0)
    assert transport.regularized(COST, A, 2 * B, 1.0, relax=1.0).matrix.sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relax": -1.0}, "relax must be positive and finite, got -1.0"),
        (
            {"relax": 1.0, "potential": transport.beta_potential(2)},
            "relax must be infinite for beta",
        ),
        ({"sweeps": 0}, "sweeps must be at least 1, got 0"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        transport.regularized(COST, A, B, 1.0, **options)


@pytest.mark.parametrize("beta", [1, 0.5, 2.5, float("nan")])
def test_beta_outside_its_range_is_refused(beta):
    with pytest.raises(ValueError, match=r"beta must lie in \(1, 2\], got"):
        transport.beta_potential(beta)


@pytest.mark.parametrize(
    ("mass", "message"), [(0.0, "mass must be positive"), (1.5, "at most the smaller total, 1")]
)
def test_bad_amounts_are_refused(mass, message):
    with pytest.raises(ValueError, match=message):
        transport.partial(COST, A, B, mass, 1.0)


@pytest.mark.parametrize(
    ("cost", "plan", "message"),
    [
        (np.ones((2, 2)), np.ones((2, 3)), r"the cost's shape \(2, 2\), got \(2, 3\)"),
        (np.ones((2, 2)), -np.eye(2), "must not hold negative or NaN"),
        (np.ones((2, 2)), [[1.0, 0], [1, 0]], r"every cell needs a point; empty: \[1\]"),
    ],
)
def test_bad_plans_are_refused(cost, plan, message):
    with pytest.raises(ValueError, match=message):
        transport.laguerre_weights(cost, np.asarray(plan))
