"""Dual variables of an exact transport plan."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from paperlab._checks import require_cost


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
    cost = require_cost(where, cost)
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
def _laguerre(cost: Float[Array, ...], matched: Bool[Array, "n k"]) -> Laguerre:
    cells = cost.shape[1]

    def leave(cell: Int[Array, ""]) -> Float[Array, ...]:
        extra = jnp.where(matched[:, cell, None], cost - cost[:, cell, None], jnp.inf)
        return extra.min(0)

    paths = jax.lax.map(leave, jnp.arange(cells))
    # A cell is not left for itself, so that the diagonal ends as the smallest cycle through it.
    paths = jnp.where(jnp.eye(cells, dtype=bool), jnp.inf, paths)

    def through(cell: Int[Array, ""], paths: Float[Array, ...]) -> Float[Array, ...]:
        return jnp.minimum(paths, paths[:, cell, None] + paths[cell])

    paths = jax.lax.fori_loop(0, cells, through, paths)
    smallest = jnp.where(cells > 1, jnp.diag(paths).min(), 0.0)
    paths = jnp.where(jnp.eye(cells, dtype=bool), 0, paths)
    weights = (paths.mean(0) - paths.mean(1)) / 2
    return Laguerre(weights - weights.mean(), smallest)
