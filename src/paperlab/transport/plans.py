"""Regularized and partial transport plans, by alternating projections in batches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from paperlab._checks import require_cost, require_positive

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
    require_positive(where, "epsilon", epsilon)
    _sweeps(where, sweeps)
    exact = isinstance(relax, float) and math.isinf(relax) and relax > 0
    if exact:
        _same_total(where, a, b)
    else:
        require_positive(where, "relax", relax)
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
    require_positive(where, "epsilon", epsilon)
    require_positive(where, "mass", mass)
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


# --- Input checks -----------------------------------------------------------------------------


def _checked(where: str, cost: Any, a: Any, b: Any) -> tuple[_Floats, _Floats, _Floats]:
    cost = require_cost(where, cost)
    a, b = (_masses(where, name, x).astype(cost.dtype) for name, x in (("a", a), ("b", b)))
    if a.shape != cost.shape[:1] or b.shape != cost.shape[1:]:
        raise ValueError(
            f"{where}: cost of shape {cost.shape} needs a of shape {cost.shape[:1]} and b of shape "
            f"{cost.shape[1:]}, got {a.shape} and {b.shape}"
        )
    return cost, a, b


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


def _sweeps(where: str, sweeps: int) -> None:
    if sweeps < 1:
        raise ValueError(f"{where}: sweeps must be at least 1, got {sweeps!r}")
