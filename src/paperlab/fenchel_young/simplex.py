"""Projections onto the probability simplex."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from paperlab._checks import require_scores


def sparsemax(scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*scores"]:
    """The point of the probability simplex closest to the scores, along the last axis.

    Scores may be as large as the dtype holds. Its derivative is the projection onto the tangent
    space of the face it lies on. Martins and Astudillo, "From softmax to sparsemax" (2016).

    Raises:
        ValueError: for scores with NaN, or without an axis of classes.
    """
    return sparsemax_unchecked(require_scores("sparsemax", scores, 1))


def simplex_threshold(scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*batch"]:
    """The number tau for which max(scores - tau, 0) sums to 1 along the last axis.

    Raises:
        ValueError: as for `sparsemax`.
    """
    theta = require_scores("simplex_threshold", scores, 1)
    top, below = _below_top(theta)
    return top + _threshold(below)


def sparsemax_unchecked(theta: Array) -> Array:
    """`sparsemax` of scores that were checked already."""
    _, below = _below_top(theta)
    tau = _threshold(below)[..., None]
    return jnp.where(below > tau, below - tau, 0)


def _below_top(theta: Array) -> tuple[Array, Array]:
    """The largest score, and how far below it each is; beyond 1 makes no difference."""
    top = jax.lax.stop_gradient(theta.max(-1))
    return top, jnp.maximum(theta - top[..., None], -1)


@jax.custom_jvp
def _threshold(below: Array) -> Array:
    # Newton's method on a piecewise linear equation (Michelot 1986): from the left it never
    # overshoots and ends exactly, mostly in a handful of rounds, where XLA's sort is slow.
    def refine(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        support, _, _ = state
        count = support.sum(-1)
        tau = (jnp.where(support, below, 0).sum(-1) - 1) / count
        kept = support & (below > tau[..., None])
        return kept, tau, (kept.sum(-1) < count).any()

    start = (below > -1, jnp.zeros(below.shape[:-1], below.dtype), jnp.array(True))
    return jax.lax.while_loop(lambda state: state[2], refine, start)[1]


@_threshold.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (below,), (tangent,) = primals, tangents
    tau = _threshold(below)
    support = below > tau[..., None]
    return tau, jnp.where(support, tangent, 0).sum(-1) / support.sum(-1)
