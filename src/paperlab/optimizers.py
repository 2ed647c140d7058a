"""Orthogonalized updates: the polar factor, exact or by Newton-Schulz, as an optax transformation.

With optax's moving average the order of two links is the whole difference between methods::

    optax.chain(optax.ema(decay), orthogonalize(newton_schulz))   Muon, without Nesterov's step
    optax.chain(orthogonalize(newton_schulz), optax.ema(decay))   Orthogonal-SGDM
    orthogonalize()                                               spectral gradient descent

each followed by `optax.scale_by_learning_rate`.

Sources: Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024); Tuddenham,
Prügel-Bennett and Hare, "Orthogonalising gradients to speed up neural network optimisation" (2022).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float

from paperlab._checks import require_positive, require_shape

#: Muon's quintic: five steps bring singular values from anywhere in [0.003, 1] to between 0.68 and
#: 1.21, and further steps do not settle them at 1. Jordan (2024).
MUON = (3.4445, -4.775, 2.0315)

#: The classical cubic x (3 - x^2) / 2, which converges to the polar factor, quadratically at the
#: end, but only 1.5-fold a step while a singular value is small. Higham, "Functions of matrices"
#: (2008), equation 8.20.
CUBIC = (1.5, -0.5, 0.0)


def polar(matrix: Float[ArrayLike, "*batch m n"]) -> Float[Array, "*batch m n"]:
    """The orthogonal polar factor U V^T of U S V^T: every singular value becomes 1.

    Singular values that are zero up to rounding, at most max(m, n) times the machine epsilon times
    the largest, stay zero: the result is the partial isometry that the matrix determines, and not
    one of the many orthogonal completions (`scipy.linalg.polar` returns some one of them). The zero
    matrix gives zero; one that is not finite gives NaN.

    Higham, "Functions of matrices" (2008), Theorem 8.1 and Section 8.1.

    Raises:
        ValueError: without two non-empty axes.
    """
    X = _require_matrices("polar", matrix)
    # LAPACK may never return from an infinite entry: a diverging run must not hang.
    finite = jnp.isfinite(X).all((-2, -1), keepdims=True)
    U, s, Vt = jnp.linalg.svd(jnp.where(finite, X, 0), full_matrices=False)
    rounding = max(X.shape[-2:]) * float(np.finfo(X.dtype).eps)
    kept = s > rounding * s[..., :1]
    return jnp.where(finite, jnp.where(kept[..., None, :], U, 0) @ Vt, jnp.nan)


def newton_schulz(
    matrix: Float[ArrayLike, "*batch m n"],
    steps: int = 5,
    coefficients: tuple[float, float, float] | Float[ArrayLike, " 3"] = MUON,
    epsilon: float = 1e-7,
) -> Float[Array, "*batch m n"]:
    """Approximates the polar factor by X <- a X + b (X X^T) X + c (X X^T)^2 X, products alone.

    X starts as the matrix over its Frobenius norm, so that each singular value s in [0, 1] goes
    through the polynomial a s + b s^3 + c s^5 and singular vectors stay. A value far below a^-steps
    stays small, where `polar` would make it 1. Jordan (2024).

    Args:
        matrix: one or a batch, each orthogonalized by itself. Products are taken on the shorter
            side.
        steps: how often the polynomial is applied.
        coefficients: a, b and c: `MUON` or `CUBIC`; may be traced.
        epsilon: added to the norm. Matrices that are not much larger come out shrunk.

    Raises:
        ValueError: without two non-empty axes, for a negative number of steps, or for coefficients
            that are not three.
    """
    X = _require_matrices("newton_schulz", matrix)
    if steps < 0:
        raise ValueError(f"newton_schulz: steps must not be negative, got {steps!r}")
    require_positive("newton_schulz", "epsilon", epsilon)
    require_shape("newton_schulz: coefficients", np.shape(coefficients), (3,))
    a, b, c = jnp.asarray(coefficients, X.dtype)

    def step(_: Any, X: Array) -> Array:
        gram = X @ X.mT
        following: Array = a * X + (b * gram + c * gram @ gram) @ X
        return following

    tall = X.shape[-2] > X.shape[-1]
    X = X.mT if tall else X
    X = X / (jnp.linalg.norm(X, axis=(-2, -1), keepdims=True) + epsilon)
    X = jax.lax.fori_loop(0, steps, step, X, unroll=True)  # twice as fast in batches as a loop
    result: Array = X.mT if tall else X
    return result


def orthogonalize(factor: Callable[[Array], Array] = polar) -> optax.GradientTransformation:
    """Replaces each update by its polar factor; keeps no state.

    Updates with more than two axes are batches of matrices in their last two. Leave vectors to
    another rule, with `optax.partition` or `optax.masked`.

    Args:
        factor: `polar`, `newton_schulz`, or the latter with other settings by `functools.partial`.

    Raises:
        ValueError: at the first update, if one has fewer than two axes.
    """

    def update(updates: Any, params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, u: factor(
                _require_matrices(f"orthogonalize: updates{jax.tree_util.keystr(path)}", u)
            ),
            updates,
        )

    transformation: optax.GradientTransformation = optax.stateless(update)
    return transformation


def _require_matrices(where: str, values: ArrayLike) -> Array:
    X = jnp.asarray(values)
    X = X if jnp.issubdtype(X.dtype, jnp.floating) else X.astype(float)
    if X.ndim < 2 or 0 in X.shape[-2:]:
        raise ValueError(
            f"{where}: expected a matrix or a batch of matrices, none empty, got shape {X.shape}"
        )
    return X
