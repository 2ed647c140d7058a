"""Transport beside its peers: `python -m benchmarks.transport` from the root.

Sinkhorn's algorithm runs until the marginals are off by at most the same total amount in every
program; how far they are off is checked, and printed for the peer.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import ot
from benchmarks.compare import compare
from ott.geometry.geometry import Geometry
from ott.solvers import linear
from scipy.spatial.distance import cdist

from paperlab import transport

ERROR = 1e-6  # sum of absolute deviations of the marginals
EPSILON = 0.05  # in units of the mean cost


def main() -> None:
    """Times entropic, partial and sparse plans against ott-jax and POT."""
    jax.config.update("jax_enable_x64", True)
    warnings.filterwarnings("ignore", module="ot")
    for count, points in ((1, 100), (1, 500), (100, 30), (100, 60)):
        sinkhorn(count, points)
    for count, points in ((1, 100), (100, 30)):
        partial(count, points)
    quadratic(200)


def problems(count: int, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of Gaussian clouds with uneven masses: costs and both marginals."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, count, points, 2))
    cost = np.stack([cdist(p, q, "sqeuclidean") for p, q in zip(x, y, strict=True)])
    cost /= cost.mean((1, 2), keepdims=True)
    a, b = rng.dirichlet(np.ones(points), (2, count))
    return cost, a, b


def worst(plans: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Largest total deviation of a plan's marginals."""
    plans = np.asarray(plans)
    return float((abs(plans.sum(2) - a).sum(1) + abs(plans.sum(1) - b).sum(1)).max())


def sinkhorn(count: int, points: int) -> None:
    """Entropic plans at equal marginal error."""
    cost, a, b = problems(count, points)

    # Our change bounds the log-ratio of each row, hence the total deviation.
    @jax.jit
    @jax.vmap
    def ours(cost, a, b):
        return transport.regularized(cost, a, b, EPSILON, sweeps=100_000, tolerance=ERROR).matrix

    @jax.jit
    @jax.vmap
    def ott(cost, a, b):
        geometry = Geometry(cost, epsilon=EPSILON)
        return linear.solve(geometry, a, b, threshold=ERROR, max_iterations=100_000).matrix

    # POT stops by the Euclidean norm, which is smaller than the sum by up to this factor.
    stop = {"stopThr": ERROR / points**0.5, "numItermax": 100_000}

    def pot() -> np.ndarray:
        return np.stack(
            [
                ot.sinkhorn(m, n, c, EPSILON, method="sinkhorn_log", **stop)
                for c, m, n in zip(cost, a, b, strict=True)
            ]
        )

    inputs = tuple(map(jnp.asarray, (cost, a, b)))
    names = {"ott-jax": lambda: ott(*inputs), "POT": pot}
    assert worst(ours(*inputs), a, b) <= ERROR
    for name, peer in names.items():
        off = worst(peer(), a, b)
        label = f"Sinkhorn, {count} x {points} points ({name}, off by {off:.0e})"
        compare(label, lambda: ours(*inputs), peer, rounds=3)


def partial(count: int, points: int) -> None:
    """Entropic plans of half of the mass."""
    cost, a, b = problems(count, points)

    @jax.jit
    @jax.vmap
    def ours(cost, a, b):
        return transport.partial(cost, a, b, 0.5, EPSILON, sweeps=100_000, tolerance=1e-7).matrix

    def pot() -> np.ndarray:
        return np.stack(
            [
                ot.partial.entropic_partial_wasserstein(
                    m, n, c, EPSILON, 0.5, stopThr=1e-9, numItermax=100_000
                )
                for c, m, n in zip(cost, a, b, strict=True)
            ]
        )

    inputs = tuple(map(jnp.asarray, (cost, a, b)))
    apart = abs(np.asarray(ours(*inputs)) - pot()).sum((1, 2)).max()
    label = f"partial plan, {count} x {points} points (POT, plans {apart:.0e} apart)"
    compare(label, lambda: ours(*inputs), pot, rounds=3)


def quadratic(points: int) -> None:
    """The quadratic regularizer, whose plans are sparse."""
    (cost,), (a,), (b,) = problems(1, points)
    epsilon, beta = 10.0, transport.beta_potential(2)

    def ours() -> jax.Array:
        return transport.regularized(
            cost, a, b, epsilon, beta, sweeps=20_000, tolerance=1e-10
        ).matrix

    def pot() -> np.ndarray:
        return ot.smooth.smooth_ot_dual(a, b, cost, epsilon, "l2", stopThr=1e-9, numItermax=5000)

    off = max(worst(plan[None], a[None], b[None]) for plan in (np.asarray(ours()), pot()))
    compare(f"quadratic plan, {points} points (POT, off by {off:.0e})", ours, pot, rounds=3)


if __name__ == "__main__":
    main()
