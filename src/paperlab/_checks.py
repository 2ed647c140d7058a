"""Checks of arguments that several modules share; each names the argument and what it got.

Values are checked where they are known, that is, outside of `jit`.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def require_shape(name: str, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raises ValueError unless a shape is the expected one."""
    if got != expected:
        raise ValueError(f"{name} must have shape {expected}, got {got}")


def require_positive(where: str, name: str, number: Any) -> None:
    """Raises ValueError unless a number is positive and finite."""
    if not isinstance(number, jax.core.Tracer) and not (
        math.isfinite(float(number)) and float(number) > 0
    ):
        raise ValueError(f"{where}: {name} must be positive and finite, got {number!r}")


def require_scores(where: str, scores: ArrayLike, event_ndim: int) -> Array:
    """The scores as a floating array, whose last axes hold one event.

    Raises:
        ValueError: for too few axes, an empty one, or NaN.
    """
    theta = jnp.asarray(scores)
    theta = theta if jnp.issubdtype(theta.dtype, jnp.floating) else theta.astype(float)
    if theta.ndim < event_ndim or 0 in theta.shape[theta.ndim - event_ndim :]:
        raise ValueError(
            f"{where}: scores need at least {event_ndim} non-empty axes, got shape {theta.shape}"
        )
    if not isinstance(theta, jax.core.Tracer) and bool(jnp.isnan(theta).any()):
        raise ValueError(f"{where}: scores must not contain NaN, got {int(jnp.isnan(theta).sum())}")
    return theta


def require_cost(where: str, values: Any) -> Float[Array, "n m"]:
    """The costs as a floating matrix.

    Raises:
        ValueError: unless it is a matrix that is not empty and holds no NaN.
    """
    cost: Array = jnp.asarray(values, float)
    if cost.ndim != 2 or 0 in cost.shape:
        raise ValueError(
            f"{where}: cost must be a matrix with at least one row and one column, got shape "
            f"{cost.shape}"
        )
    if not isinstance(cost, jax.core.Tracer) and bool(jnp.isnan(cost).any()):
        raise ValueError(f"{where}: cost must not be NaN, got {int(jnp.isnan(cost).sum())} of them")
    return cost
