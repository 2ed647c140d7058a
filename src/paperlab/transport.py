"""Optimal transport beyond what ott-jax solves: other regularizers, partial plans, trees, duals.

A plan moves masses `a` to masses `b` at a cost per unit. `regularized` is Sinkhorn's alternation
with a pluggable potential in place of the entropy and with relaxed marginals; `partial` moves a
given amount of mass; `Tree` makes the exact distance a weighted l1 norm; `laguerre_weights` turns
an optimal plan into dual variables with a certificate. For the plain entropic problem on point
clouds, low-rank or sliced distances, use ott-jax.

Sources: Dessein, Papadakis and Rouas, "Regularized optimal transport and the rot mover's distance"
(JMLR 2018), for potentials; Chizat et al., "Scaling algorithms for unbalanced optimal transport
problems" (2018), for relaxed marginals; Benamou et al., "Iterative Bregman projections for
regularized transportation problems" (2015), for partial plans.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

_Floats = Float[Array, "..."]
_LOG_ZERO = -1e30  # stands for log 0 where infinity minus infinity would follow
_NEWTON_STEPS = 10

# --- Potentials -------------------------------------------------------------------------------


class Potential(NamedTuple):
    """A separable convex regularizer, through what the alternation needs of it.

    Attributes:
        name: for error messages.
        link: inverse of the regularizer's derivative, elementwise: from dual score to plan entry.
        normalize: from scores (..., n) and masses (...) to the shifts t (...) for which
            `link(scores - t)` sums to the mass along the last axis.
    """

    name: str
    link: Callable[[_Floats], _Floats]
    normalize: Callable[[_Floats, _Floats], _Floats]


def _log_normalize(scores: _Floats, mass: _Floats) -> _Floats:
    positive = mass > 0
    log_mass = jnp.where(positive, jnp.log(jnp.where(positive, mass, 1)), _LOG_ZERO)
    return jax.nn.logsumexp(scores, axis=-1) - log_mass


_SHANNON = Potential("shannon", jnp.exp, _log_normalize)


def shannon() -> Potential:
    """Negative entropy p log p - p + 1: the potential of Sinkhorn's algorithm, in the log domain.

    Its link is exp, so that every entry of a plan is positive.
    """
    return _SHANNON


@functools.cache
def beta_potential(beta: float) -> Potential:
    """(p^beta - beta p + beta - 1) / (beta (beta - 1)), which generates the beta-divergence.

    Its link is max(0, 1 + (beta - 1) s)^(1 / (beta - 1)): entries can be exactly zero. Towards
    beta = 1 it becomes `shannon`; at beta = 2 the regularizer is quadratic. Beta = 1 + 1/k with
    integer k is fastest, because the power is then a product. Dessein et al. (2018), Section 4.

    Args:
        beta: in (1, 2]. There the row sums are convex in the shift, so that Newton's method from
            the left rises to the root without a line search. Use double precision.

    Raises:
        ValueError: if `beta` is outside (1, 2].
    """
    if not 1 < beta <= 2:
        raise ValueError(f"beta_potential: beta must lie in (1, 2], got {beta!r}")
    k = 1 / (beta - 1)
    power: Any = round(k) if math.isclose(k, round(k), rel_tol=1e-9) else k

    def link(scores: _Floats) -> _Floats:
        base = jnp.maximum(1 + scores / power, 0)
        entries: Array = base**power
        return entries

    def normalize(scores: _Floats, mass: _Floats) -> _Floats:
        # Newton's method on the power-th root of the sum, a norm, which is convex and nearly linear
        # in the shift. At the start the largest entry alone carries the mass: left of the root.
        start = scores.max(axis=-1) - power * (mass ** (1 / power) - 1)

        def newton(shift: _Floats, _: None) -> tuple[_Floats, None]:
            base = 1 + (scores - shift[..., None]) / power
            inside = base > 0  # and not base**0, which is 1 outside too
            lower = jnp.where(inside, jnp.where(inside, base, 1) ** (power - 1), 0)
            total, steepness = (lower * base).sum(-1), lower.sum(-1)
            some = steepness > 0
            total, steepness = jnp.where(some, total, 1), jnp.where(some, steepness, 1)
            step = power * total * (1 - (mass / total) ** (1 / power)) / steepness
            return shift + jnp.where(some, step, 0), None

        shift = jax.lax.scan(newton, start, length=_NEWTON_STEPS)[0]
        return jnp.where(mass > 0, shift, -_LOG_ZERO)

    return Potential(f"beta_potential({beta})", link, normalize)


# --- Regularized plans ------------------------------------------------------------------------


class Plan(NamedTuple):
    """A transport plan with its dual variables; entry ij is link(-cost_ij / epsilon - rows_i -
    columns_j).

    Attributes:
        matrix: mass moved from i to j.
        rows: dual variables of the row marginals, in units of epsilon.
        columns: dual variables of the column marginals.
        change: largest change of a dual variable in the last sweep; for the entropy and exact
            marginals, the largest log-ratio of a row sum to its mass before that sweep.
        error: how far the plan is from its goal: the largest difference between a row or column sum
            and what it should be. Exact marginals should be the masses; relaxed ones, what the
            dual variables say that they are at the optimum. For a partial plan it is the largest
            excess over a mass, shortfall where a dual variable says that there is none, or
            difference of the total. A column that `skip_empty` left alone counts in full.
    """

    matrix: Float[Array, "m n"]
    rows: Float[Array, " m"]
    columns: Float[Array, " n"]
    change: Float[Array, ""]
    error: Float[Array, ""]


def regularized(
    cost: Float[ArrayLike, "m n"],
    a: Float[ArrayLike, " sources"],
    b: Float[ArrayLike, " targets"],
    epsilon: float | Float[Array, ""],
    potential: Potential = _SHANNON,
    *,
    relax: float | Float[Array, ""] = math.inf,
    sweeps: int = 200,
    tolerance: float | None = None,
    skip_empty: bool = False,
) -> Plan:
    """Transport with a convex regularizer, by alternating projections on rows and columns.

    Minimizes <cost, P> + epsilon * sum potential(P_ij), subject to the marginals `a` and `b`, or
    with `relax * KL(marginal | given)` for each in place of the constraint. A sweep projects on the
    rows, then on the columns; with exact marginals one more row projection ends the computation,
    so that rows hold exactly and columns up to the error that is left, which the plan reports: a
    fixed number of sweeps need not be enough. Entries of zero mass take
    part without effect, which allows padding under `vmap`.

    Args:
        cost: of moving one unit from i to j.
        a: masses of the sources.
        b: masses of the targets.
        epsilon: strength of the regularizer, in units of cost.
        potential: `shannon()` or `beta_potential(beta)`.
        relax: strength of the Kullback-Leibler penalty, in units of cost; infinite for exact
            marginals. Finite values need the entropy, whose penalized projection is closed.
        sweeps: at most so many; static.
        tolerance: stop when no dual variable changes by more. None runs all sweeps, which can be
            differentiated in reverse mode.
        skip_empty: leave columns alone that no row reaches yet, in place of pulling mass into them.

    Raises:
        ValueError: if there is no source or no target; if shapes disagree; if the cost is NaN, or a
            mass negative or not finite; if exact marginals differ in total; if `epsilon` or `relax`
            is not positive, `sweeps` below 1, or `relax` is finite for another potential. Values
            are checked outside of tracing only.
    """
    where = "regularized"
    cost, a, b = _checked(where, cost, a, b)
    _positive(where, "epsilon", epsilon)
    _sweeps(where, sweeps)
    exact = isinstance(relax, float) and math.isinf(relax) and relax > 0
    if exact:
        _same_total(where, a, b)
    else:
        _positive(where, "relax", relax)
        if potential is not _SHANNON:
            raise ValueError(
                f"{where}: relax must be infinite for {potential.name}; relaxed marginals have a "
                "closed projection for shannon() only"
            )
    damping = None if exact else relax / (relax + jnp.asarray(epsilon))
    plan: Plan = _regularized(
        cost,
        a,
        b,
        jnp.asarray(epsilon, cost.dtype),
        damping,
        tolerance,
        potential,
        sweeps,
        skip_empty,
    )
    return plan


@functools.partial(jax.jit, static_argnames=("tolerance", "potential", "sweeps", "skip_empty"))
def _regularized(
    cost: _Floats,
    a: _Floats,
    b: _Floats,
    epsilon: _Floats,
    damping: _Floats | None,
    tolerance: float | None,
    potential: Potential,
    sweeps: int,
    skip_empty: bool,
) -> Plan:
    scores = -cost / epsilon
    turned = scores.T  # laid out once: both projections then read along the last axis

    def project(scores: _Floats, mass: _Floats) -> _Floats:
        shift = potential.normalize(scores, mass)
        return shift if damping is None else damping * shift

    def rows(columns: _Floats) -> _Floats:
        return project(scores - columns, a)

    def sweep(duals: tuple[_Floats, _Floats]) -> tuple[_Floats, _Floats]:
        row = rows(duals[1])
        left = turned - row
        column = project(left, b)
        if skip_empty:
            reached = potential.link(left - duals[1][:, None]).sum(-1) > 0
            column = jnp.where(reached, column, duals[1])
        return row, column

    (row, column), change = _alternate(
        sweep, (jnp.zeros_like(a), jnp.zeros_like(b)), sweeps, tolerance
    )
    if damping is None:
        row = rows(column)
    matrix = potential.link(scores - row[:, None] - column)
    off = [_off(matrix.sum(1), a, row, damping), _off(matrix.sum(0), b, column, damping)]
    return Plan(matrix, row, column, change, jnp.stack(off).max())


def _off(sums: _Floats, mass: _Floats, dual: _Floats, damping: _Floats | None) -> _Floats:
    """Largest difference between marginal sums and what they should be."""
    if damping is not None:  # at the optimum log(sum / mass) is this multiple of the dual variable
        log_ratio = jnp.where(mass > 0, dual, 0) * (1 - damping) / damping
        mass = mass * jnp.exp(log_ratio)
    return jnp.abs(sums - mass).max()


def partial(
    cost: Float[ArrayLike, "m n"],
    a: Float[ArrayLike, " sources"],
    b: Float[ArrayLike, " targets"],
    mass: float | Float[Array, ""],
    epsilon: float | Float[Array, ""],
    *,
    sweeps: int = 200,
    tolerance: float | None = None,
) -> Plan:
    """Entropic transport of a given amount: marginals at most `a` and `b`, total exactly `mass`.

    Minimizes <cost, P> + epsilon * sum (P_ij log P_ij - P_ij + 1). The dual variables of the
    marginals are not negative, and zero where mass is left over; the multiplier of the total is
    folded into `rows`. Coordinate ascent on the dual, which is what Benamou et al. (2015), Section
    5.1, compute by Dykstra's algorithm.

    Args:
        cost: of moving one unit from i to j.
        a: masses of the sources.
        b: masses of the targets.
        mass: total to move, at most the smaller of the two totals.
        epsilon: strength of the entropy, in units of cost.
        sweeps: at most so many; static.
        tolerance: as in `regularized`.

    Raises:
        ValueError: as `regularized`, and if `mass` is not positive or exceeds a total.
    """
    where = "partial"
    cost, a, b = _checked(where, cost, a, b)
    _positive(where, "epsilon", epsilon)
    _positive(where, "mass", mass)
    _sweeps(where, sweeps)
    if not any(isinstance(x, jax.core.Tracer) for x in (a, b, mass)):
        largest = min(float(a.sum()), float(b.sum()))
        if float(mass) > largest * (1 + 1e-6):
            raise ValueError(
                f"{where}: mass must be at most the smaller total, {largest:.6g}, got {mass!r}"
            )
    plan: Plan = _partial(
        cost,
        a,
        b,
        jnp.asarray(mass, cost.dtype),
        jnp.asarray(epsilon, cost.dtype),
        tolerance,
        sweeps,
    )
    return plan


@functools.partial(jax.jit, static_argnames=("tolerance", "sweeps"))
def _partial(
    cost: _Floats,
    a: _Floats,
    b: _Floats,
    mass: _Floats,
    epsilon: _Floats,
    tolerance: float | None,
    sweeps: int,
) -> Plan:
    scores = -cost / epsilon

    def sweep(duals: tuple[_Floats, _Floats, _Floats]) -> tuple[_Floats, _Floats, _Floats]:
        _, column, total = duals
        row = jnp.maximum(_log_normalize(scores - column - total, a), 0)
        column = jnp.maximum(_log_normalize((scores - row[:, None]).T - total, b), 0)
        left = scores - row[:, None] - column
        return row, column, jax.nn.logsumexp(left) - jnp.log(mass)

    start = (jnp.zeros_like(a), jnp.zeros_like(b), jax.nn.logsumexp(scores) - jnp.log(mass))
    (row, column, total), change = _alternate(sweep, start, sweeps, tolerance)
    matrix = jnp.exp(scores - (row + total)[:, None] - column)

    def off(sums: _Floats, given: _Floats, dual: _Floats) -> _Floats:
        return jnp.where(dual > 0, jnp.abs(sums - given), jnp.maximum(sums - given, 0)).max()

    sides = [off(matrix.sum(1), a, row), off(matrix.sum(0), b, column)]
    error = jnp.stack([*sides, jnp.abs(matrix.sum() - mass)]).max()
    return Plan(matrix, row + total, column, change, error)


def _alternate(
    sweep: Callable[[Any], Any], start: Any, sweeps: int, tolerance: float | None
) -> tuple[Any, Float[Array, ""]]:
    """Repeats a sweep; also returns the largest change of a variable in the last one."""

    def step(state: Any) -> tuple[Any, Float[Array, ""]]:
        new = sweep(state)
        change = [jnp.abs(x - y).max() for x, y in zip(new, state, strict=True)]
        return new, jnp.stack(change).max()

    if tolerance is None:
        final, changes = jax.lax.scan(lambda s, _: step(s), start, length=sweeps)
        return final, changes[-1]

    def unfinished(carry: tuple[Any, Any, Any]) -> Bool[Array, ""]:
        more: Array = (carry[2] < sweeps) & (carry[1] > tolerance)
        return more

    first = (start, jnp.asarray(jnp.inf, start[0].dtype), 0)
    final, change, _ = jax.lax.while_loop(
        unfinished, lambda carry: (*step(carry[0]), carry[2] + 1), first
    )
    return final, change


# --- Dual variables of an exact plan ----------------------------------------------------------


class Laguerre(NamedTuple):
    """Weights of a power diagram.

    Attributes:
        weights: g with cost_ij - g_j <= cost_il - g_l for every l, wherever i is matched to j.
        smallest_cycle: smallest total weight of a cycle of re-matchings; not negative (up to
            rounding) exactly if the matching is optimal, that is, cyclically monotone. With a
            negative cycle no such weights exist, and `weights` satisfy nothing.
    """

    weights: Float[Array, " k"]
    smallest_cycle: Float[Array, ""]


def laguerre_weights(cost: Float[ArrayLike, "n k"], plan: Float[ArrayLike, "*plan"]) -> Laguerre:
    """Dual variables of a given exact plan, and the certificate that it is optimal.

    Going from cell j to cell l costs the least that any point of j would pay for it. Shortest paths
    under these weights (min-plus Floyd-Warshall, k^3 operations) give the dual variables; the
    solution in the middle of the feasible set, centered at zero, is returned, which does not depend
    on a solver's choice of a vertex. Rockafellar, "Characterization of the subdifferentials of
    convex functions" (1966).

    Args:
        cost: of matching point i with cell j.
        plan: masses; only where they are positive counts.

    Raises:
        ValueError: if shapes disagree, the cost is NaN, a mass is negative, or a cell has no point.
    """
    where = "laguerre_weights"
    cost = _cost(where, cost)
    plan = jnp.asarray(plan, cost.dtype)
    if plan.shape != cost.shape:
        raise ValueError(f"{where}: plan must have the cost's shape {cost.shape}, got {plan.shape}")
    if not isinstance(plan, jax.core.Tracer):
        if not bool((plan >= 0).all()):
            raise ValueError(f"{where}: plan must not hold negative or NaN entries")
        if not bool((plan > 0).any(0).all()):
            empty = np.flatnonzero(~np.asarray((plan > 0).any(0)))
            raise ValueError(f"{where}: every cell needs a point; empty: {empty[:5].tolist()}")
    solved: Laguerre = _laguerre(cost, plan > 0)
    return solved


@jax.jit
def _laguerre(cost: _Floats, matched: Bool[Array, "n k"]) -> Laguerre:
    cells = cost.shape[1]

    def leave(cell: Int[Array, ""]) -> _Floats:
        extra = jnp.where(matched[:, cell, None], cost - cost[:, cell, None], jnp.inf)
        return extra.min(0)

    paths = jax.lax.map(leave, jnp.arange(cells))
    # A cell is not left for itself, so that the diagonal ends as the smallest cycle through it.
    paths = jnp.where(jnp.eye(cells, dtype=bool), jnp.inf, paths)

    def through(cell: Int[Array, ""], paths: _Floats) -> _Floats:
        return jnp.minimum(paths, paths[:, cell, None] + paths[cell])

    paths = jax.lax.fori_loop(0, cells, through, paths)
    smallest = jnp.where(cells > 1, jnp.diag(paths).min(), 0.0)
    paths = jnp.where(jnp.eye(cells, dtype=bool), 0, paths)
    weights = (paths.mean(0) - paths.mean(1)) / 2
    return Laguerre(weights - weights.mean(), smallest)


# --- Trees ------------------------------------------------------------------------------------


class Tree(NamedTuple):
    """A weighted tree, laid out depth first: what hangs below a node is one slice of its points.

    Attributes:
        order: the points in depth-first order.
        first: per node, position of the first point below it.
        last: per node, position after the last one.
        weights: length of the edge from each node to its parent; 0 for the root.
    """

    order: Int[Array, " points"]
    first: Int[Array, " nodes"]
    last: Int[Array, " nodes"]
    weights: Float[Array, " nodes"]


def tree(
    parent: Int[ArrayLike, " nodes"],
    weights: Float[ArrayLike, " edges"],
    points: Int[ArrayLike, " points"],
) -> Tree:
    """Lays out a rooted tree for `tree_wasserstein`.

    Args:
        parent: of every node; -1 for the one root.
        weights: length of the edge to the parent; the root's is not used.
        points: the node at which each point sits; several may share one.

    Raises:
        ValueError: if there is no node or no point; if `parent` has not exactly one root, names no
            node or has a cycle; if a weight is negative or not finite; if a point sits nowhere.
    """
    up, lengths = np.array(parent), np.array(weights, float)
    seats = np.array(points)
    nodes = len(up)
    if up.ndim != 1 or nodes == 0 or lengths.shape != up.shape:
        raise ValueError(
            "tree: parent and weights must be vectors of one length of at least 1, got shapes "
            f"{up.shape} and {lengths.shape}"
        )
    if (up == -1).sum() != 1 or up.min() < -1 or up.max() >= nodes:
        raise ValueError(
            f"tree: parent must hold -1 once, for the root, and else nodes below {nodes}; "
            f"got {(up == -1).sum()} roots and values from {up.min()} to {up.max()}"
        )
    if not (np.isfinite(lengths) & (lengths >= 0)).all():
        raise ValueError("tree: weights must be finite and not negative")
    if seats.size == 0 or seats.min() < 0 or seats.max() >= nodes:
        raise ValueError(f"tree: points must be one or more nodes in [0, {nodes}), got {seats!r}")
    root = int(np.flatnonzero(up == -1)[0])
    lengths[root] = 0
    children: list[list[int]] = [[] for _ in range(nodes)]
    for node, above in enumerate(up):
        if above >= 0:
            children[above].append(node)
    sequence, stack = [], [root]
    while stack:
        sequence.append(stack.pop())
        stack += children[sequence[-1]]
    if len(sequence) < nodes:
        raise ValueError(f"tree: parent has a cycle; {nodes - len(sequence)} nodes hang off it")
    size = np.bincount(seats, minlength=nodes)
    here = np.zeros(nodes, int)
    here[sequence] = np.cumsum(size[sequence]) - size[sequence]
    for node in reversed(sequence[1:]):
        size[up[node]] += size[node]
    order = np.argsort(here[seats], kind="stable")
    layout = (order, here, here + size, lengths)
    return Tree(*(jnp.asarray(x) for x in layout))


def tree_wasserstein(
    tree: Tree, a: Float[ArrayLike, "*a"], b: Float[ArrayLike, "*b"]
) -> Float[Array, "*batch"]:
    """Wasserstein distance under the tree's path metric: each edge times the mass that crosses it.

    The masses below all nodes are differences of one running sum, so that a distance costs as many
    operations as there are points and nodes. Evans and Matsen, "The phylogenetic
    Kantorovich-Rubinstein metric" (2012), Equation 5. Use double precision.

    Args:
        tree: from `tree`.
        a: masses at the points.
        b: masses at the points, with the same totals.

    Raises:
        ValueError: if a last axis has not one mass per point; if a mass is negative or not finite;
            if totals differ.
    """
    where, points = "tree_wasserstein", len(tree.order)
    a, b = (_masses(where, name, x) for name, x in (("a", a), ("b", b)))
    if a.shape[-1:] != (points,) or b.shape[-1:] != (points,):
        raise ValueError(
            f"{where}: a and b need {points} masses on the last axis, got shapes {a.shape} and "
            f"{b.shape}"
        )
    _same_total(where, a, b)
    distance: Array = _tree_wasserstein(tree, a, b)
    return distance


@jax.jit
def _tree_wasserstein(tree: Tree, a: _Floats, b: _Floats) -> _Floats:
    surplus = jnp.cumsum((a - b)[..., tree.order], axis=-1)
    surplus = jnp.pad(surplus, [(0, 0)] * (surplus.ndim - 1) + [(1, 0)])
    crossing = surplus[..., tree.last] - surplus[..., tree.first]
    return jnp.abs(crossing) @ tree.weights.astype(crossing.dtype)


# --- Input checks -----------------------------------------------------------------------------


def _checked(where: str, cost: Any, a: Any, b: Any) -> tuple[_Floats, _Floats, _Floats]:
    cost = _cost(where, cost)
    a, b = (_masses(where, name, x).astype(cost.dtype) for name, x in (("a", a), ("b", b)))
    if a.shape != cost.shape[:1] or b.shape != cost.shape[1:]:
        raise ValueError(
            f"{where}: cost of shape {cost.shape} needs a of shape {cost.shape[:1]} and b of shape "
            f"{cost.shape[1:]}, got {a.shape} and {b.shape}"
        )
    return cost, a, b


def _cost(where: str, values: Any) -> _Floats:
    cost: Array = jnp.asarray(values, float)
    if cost.ndim != 2 or 0 in cost.shape:
        raise ValueError(
            f"{where}: cost must be a matrix with at least one row and one column, got shape "
            f"{cost.shape}"
        )
    if not isinstance(cost, jax.core.Tracer) and bool(jnp.isnan(cost).any()):
        raise ValueError(f"{where}: cost must not be NaN, got {int(jnp.isnan(cost).sum())} of them")
    return cost


def _masses(where: str, name: str, values: Any) -> _Floats:
    masses: Array = jnp.asarray(values, float)
    if not isinstance(masses, jax.core.Tracer):
        bad = ~(jnp.isfinite(masses) & (masses >= 0))
        if bool(bad.any()):
            raise ValueError(
                f"{where}: {name} must be finite and not negative, got {float(masses[bad][0])!r}"
            )
    return masses


def _same_total(where: str, a: _Floats, b: _Floats) -> None:
    if isinstance(a, jax.core.Tracer) or isinstance(b, jax.core.Tracer):
        return
    totals = np.asarray(a.sum(-1)), np.asarray(b.sum(-1))
    rounding = 8 * a.shape[-1] * float(np.finfo(a.dtype).eps)
    if not np.allclose(*totals, rtol=max(rounding, 1e-9), atol=0):
        one = np.argmax(np.abs(np.subtract(*totals)))
        left, right = (
            float(np.broadcast_to(t, np.broadcast(*totals).shape).ravel()[one]) for t in totals
        )
        raise ValueError(
            f"{where}: a and b must have the same total, got {left:.9g} and {right:.9g}"
        )


def _positive(where: str, name: str, number: Any) -> None:
    if not isinstance(number, jax.core.Tracer) and not (
        math.isfinite(float(number)) and float(number) > 0
    ):
        raise ValueError(f"{where}: {name} must be positive and finite, got {number!r}")


def _sweeps(where: str, sweeps: int) -> None:
    if sweeps < 1:
        raise ValueError(f"{where}: sweeps must be at least 1, got {sweeps!r}")
