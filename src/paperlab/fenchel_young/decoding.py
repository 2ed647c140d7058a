"""The decoder that turns regularized predictions into outputs."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


class Decoding(NamedTuple):
    """How a randomized decoder picks an output.

    Attributes:
        nearest: the vertex closest to the regularized prediction.
        explore: the probability of not returning it, but a random vertex whose mean is `mean`.
        mean: the regularized prediction.
    """

    nearest: Float[Array, "... dimension"]
    explore: Float[Array, ...]
    mean: Float[Array, "... dimension"]

    @property
    def expected(self) -> Float[Array, "*batch dimension"]:
        """The mean of the decoded output: an affine target loss of it is the expected target loss.

        On the simplex these are the probabilities of the classes.
        """
        explore = self.explore[..., None]
        return (1 - explore) * self.nearest + explore * self.mean


def randomized_decoding(
    mean: Float[ArrayLike, "*batch dimension"],
    nearest: Float[ArrayLike, "*nearest"],
    separation: float | int,
    order: int = 2,
) -> Decoding:
    """Returns the nearest vertex, or with probability min(1, 2 distance / separation) explores.

    Sakaue, Bao, Tsuchiya and Oki (2024), Algorithm 1.

    Args:
        mean: the regularized prediction, flattened to a vector.
        nearest: the vertex closest to it.
        separation: nu, the least distance between two vertices in the l_order norm.
        order: 1 or 2, of the norm.

    Raises:
        ValueError: if the shapes differ, the separation is not positive, or the order is another.
    """
    mean, nearest = jnp.asarray(mean), jnp.asarray(nearest)
    if mean.shape != nearest.shape:
        raise ValueError(
            "randomized_decoding: nearest must have the shape of mean, "
            f"{mean.shape}; got {nearest.shape}"
        )
    if not separation > 0 or order not in (1, 2):
        raise ValueError(
            "randomized_decoding: separation must be positive and order 1 or 2; "
            f"got {separation!r} and {order!r}"
        )
    difference = jnp.abs(nearest - mean)
    distance = difference.sum(-1) if order == 1 else jnp.sqrt((difference**2).sum(-1))
    return Decoding(nearest, jnp.minimum(1, 2 * distance / separation), mean)
