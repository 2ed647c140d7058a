"""CMA-ES: search without gradients, by a normal distribution that adapts its mean, scale and shape.

Pure functions of a state: they run under `jit`, in a `scan`, and for several searches at once under
`vmap`. Only the ranking of the losses is used. Recombination weights are positive (the "active"
variant with negative weights is left out), there are no bounds and no restarts.

Source of the equations and constants: Hansen, The CMA evolution strategy: a tutorial (2016,
arXiv 1604.00772), with the default settings of its table 1.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key


class State(eqx.Module):
    """The search distribution N(mean, sigma**2 * covariance) and what adapts it.

    Attributes:
        mean: the current best guess.
        sigma: the step size.
        covariance: the shape, of scale about 1.
        basis: eigenvectors of the covariance, as columns.
        scales: square roots of its eigenvalues.
        path_sigma: evolution path that adapts sigma, in coordinates where steps are isotropic.
        path_covariance: evolution path that stretches the covariance.
        generation: how many generations have been told.
        population: candidates per generation.
    """

    mean: Float[Array, " n"]
    sigma: Float[Array, ""]
    covariance: Float[Array, "n n"]
    basis: Float[Array, "n n"]
    scales: Float[Array, " n"]
    path_sigma: Float[Array, " n"]
    path_covariance: Float[Array, " n"]
    generation: Int[Array, ""]
    population: int = eqx.field(static=True)


def init(
    mean: Float[Array, " n"], sigma: Float[Array, ""] | float, population: int | None = None
) -> State:
    """A search that starts at N(mean, sigma**2 I).

    Args:
        mean: where to start; its dtype is that of the search.
        sigma: first standard deviation, the same in every coordinate: about a third of the
            distance within which the optimum is expected.
        population: candidates per generation, at least 4; 4 + floor(3 log n) if not given.

    Raises:
        ValueError: if mean is not a finite floating vector, sigma not a positive finite number, or
            population below 4.
    """
    mean = jnp.asarray(mean)
    if mean.ndim != 1 or mean.size == 0 or not jnp.issubdtype(mean.dtype, jnp.floating):
        raise ValueError(
            f"init: mean must be a vector of floats, got shape {mean.shape} of {mean.dtype}"
        )
    if _concrete(mean) and not np.isfinite(np.asarray(mean)).all():
        raise ValueError(f"init: mean must be finite, got {mean}")
    if jnp.shape(sigma) != ():
        raise ValueError(f"init: sigma must be one number, got shape {jnp.shape(sigma)}")
    if _concrete(sigma) and not 0 < float(sigma) < math.inf:
        raise ValueError(f"init: sigma must be positive and finite, got {sigma}")
    n = mean.size
    population = 4 + int(3 * math.log(n)) if population is None else population
    if population < 4:
        raise ValueError(f"init: population must be at least 4, got {population}")
    zero, identity = jnp.zeros(n, mean.dtype), jnp.eye(n, dtype=mean.dtype)
    return State(
        mean=mean,
        sigma=jnp.asarray(sigma, mean.dtype),
        covariance=identity,
        basis=identity,
        scales=jnp.ones(n, mean.dtype),
        path_sigma=zero,
        path_covariance=zero,
        generation=jnp.asarray(0),
        population=population,
    )


def ask(state: State, key: Key[Array, ""]) -> Float[Array, "population n"]:
    """Draws the candidates of one generation, independent and normal (equations 38 to 40)."""
    shape = (state.population, state.mean.size)
    z = jax.random.normal(key, shape, state.mean.dtype)
    return state.mean + state.sigma * (z * state.scales) @ state.basis.T


def tell(
    state: State, candidates: Float[Array, "population n"], losses: Float[Array, " population"]
) -> State:
    """The state after one generation (equations 41 to 47); smaller losses are better.

    Equal losses rank in the order given. A NaN that only appears under `jit` ranks last.

    Args:
        state: of which the candidates were asked.
        candidates: of this generation, in any order.
        losses: one per candidate, of which only the ranking counts.

    Raises:
        ValueError: if a shape does not fit the state, or a loss is NaN.
    """
    size, n = state.population, state.mean.size
    if candidates.shape != (size, n):
        raise ValueError(f"tell: candidates must have shape {(size, n)}, got {candidates.shape}")
    if losses.shape != (size,):
        raise ValueError(f"tell: losses must have shape {(size,)}, got {losses.shape}")
    if _concrete(losses) and np.isnan(np.asarray(losses)).any():
        raise ValueError(f"tell: losses must not be NaN, got {losses}")

    raw = np.log((size + 1) / 2) - np.log(np.arange(1, size // 2 + 1))
    weights = raw / raw.sum()
    effective = float(1 / (weights**2).sum())
    c_sigma = (effective + 2) / (n + effective + 5)
    damping = 1 + 2 * max(0.0, math.sqrt((effective - 1) / (n + 1)) - 1) + c_sigma
    c_path = (4 + effective / n) / (n + 4 + 2 * effective / n)
    c_one = 2 / ((n + 1.3) ** 2 + effective) * min(1.0, size / 6)
    c_mu = min(1 - c_one, 2 * (0.25 + effective + 1 / effective - 2) / ((n + 2) ** 2 + effective))
    expected_length = math.sqrt(2) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))

    best = candidates[jnp.argsort(losses)[: size // 2]]
    steps = (best - state.mean) / state.sigma
    step = jnp.asarray(weights, steps.dtype) @ steps
    isotropic = state.basis @ ((step @ state.basis) / state.scales)
    path_sigma = (1 - c_sigma) * state.path_sigma
    path_sigma += math.sqrt(c_sigma * (2 - c_sigma) * effective) * isotropic
    length = jnp.linalg.norm(path_sigma)
    # While sigma is far too small, its path is long, and the covariance must not learn from that.
    settled = length / jnp.sqrt(1 - (1 - c_sigma) ** (2.0 * (state.generation + 1)))
    learns = settled < (1.4 + 2 / (n + 1)) * expected_length
    path = (1 - c_path) * state.path_covariance
    path += learns * math.sqrt(c_path * (2 - c_path) * effective) * step
    lost = (1 - learns) * c_one * c_path * (2 - c_path)
    covariance = (1 + lost - c_one - c_mu) * state.covariance + c_one * jnp.outer(path, path)
    covariance += c_mu * (steps.T * jnp.asarray(weights, steps.dtype)) @ steps
    covariance = (covariance + covariance.T) / 2
    eigenvalues, basis = jnp.linalg.eigh(covariance)
    floor = float(np.finfo(covariance.dtype).eps) * jnp.max(eigenvalues)
    return State(
        mean=state.mean + state.sigma * step,
        sigma=state.sigma * jnp.exp(c_sigma / damping * (length / expected_length - 1)),
        covariance=covariance,
        basis=basis,
        scales=jnp.sqrt(jnp.maximum(eigenvalues, floor)),
        path_sigma=path_sigma,
        path_covariance=path,
        generation=state.generation + 1,
        population=size,
    )


def _concrete(value: Array | float) -> bool:
    return not isinstance(value, jax.core.Tracer)
