"""Tree-Wasserstein in closed form beside a compiled exact solver and Sinkhorn: one pair and many.

Run by `python -m benchmarks.tree_wasserstein` from the root. The three compute different distances:
the ratios say what the closed form saves, the correlation with the exact distances what it gives
up. The tree is a dendrogram; growing it is timed apart.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import ot
from benchmarks.compare import compare
from ott.geometry.geometry import Geometry
from ott.problems.linear.linear_problem import LinearProblem
from ott.solvers.linear.sinkhorn import Sinkhorn
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import cdist


def dendrogram(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An average-linkage tree: which points hang below each edge, (edges, points), and lengths."""
    count = len(points)
    merges = linkage(points, "average")
    below, height = [*np.eye(count)], [0.0] * count
    length = np.zeros(2 * count - 1)
    for left, right, distance, _ in merges:
        pair = [int(left), int(right)]
        below.append(below[pair[0]] + below[pair[1]])
        height.append(distance / 2)
        length[pair] = [distance / 2 - height[child] for child in pair]
    return np.array(below), length


@jax.jit
def closed_form(below: jax.Array, length: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.abs((a - b) @ below.T) @ length


@jax.jit
@partial(jax.vmap, in_axes=(None, 0, 0))
def sinkhorn(metric: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    geometry = Geometry(metric, epsilon=0.05 * metric.mean())
    return Sinkhorn(max_iterations=500)(LinearProblem(geometry, a, b)).primal_cost


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    for count, pairs in ((100, 1), (100, 1000), (300, 1), (300, 100), (1000, 1), (3000, 1)):
        points = rng.normal(size=(count, 8))
        # Masses that are small at most points: sums of few bumps, so that distances differ.
        a, b = rng.dirichlet(np.full(count, 0.05), (2, pairs))
        start = time.perf_counter()
        tree = dendrogram(points)
        build = time.perf_counter() - start
        metric = cdist(points, points)
        ours = partial(closed_form, *tree, a, b)

        def network_simplex(metric=metric, a=a, b=b) -> np.ndarray:
            return np.array([ot.emd2(x, y, metric) for x, y in zip(a, b, strict=True)])

        name = f"tree-Wasserstein, {pairs} pairs, {count} points"
        compare(f"{name}, exact", ours, network_simplex, rounds=3)
        if count < 1000:
            compare(f"{name}, Sinkhorn", ours, partial(sinkhorn, metric, a, b), rounds=3)
        alike = ""
        if pairs > 1:
            correlation = np.corrcoef(ours(), network_simplex())[0, 1]
            alike = f"; correlation with the exact distance {correlation:.2f}"
        print(f"{'':<12}growing the tree {build * 1e3:.0f} ms{alike}")


if __name__ == "__main__":
    main()
