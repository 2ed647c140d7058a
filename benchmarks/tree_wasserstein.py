"""Tree-Wasserstein in closed form beside POT's exact network simplex: one pair and many.

Run by `python -m benchmarks.tree_wasserstein` from the root. The two compute different distances:
the ratio says what the closed form saves against a compiled exact solver, and the correlation
over the pairs says what it gives up. Laying out the tree is timed apart.
"""

import time

import jax
import numpy as np
import ot
from benchmarks.compare import compare
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import cdist

from paperlab import transport


def dendrogram(points: np.ndarray) -> transport.Tree:
    """Average-linkage clustering: two leaves are as far apart as the clusters that join them."""
    count = len(points)
    merges = linkage(points, "average")
    parent, height = np.full(2 * count - 1, -1), np.zeros(2 * count - 1)
    for node, (left, right, distance, _) in enumerate(merges, start=count):
        parent[[int(left), int(right)]] = node
        height[node] = distance / 2
    return transport.tree(parent, height[parent] - height, np.arange(count))


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

        def closed_form(tree=tree, a=a, b=b) -> jax.Array:
            return transport.tree_wasserstein(tree, a, b)

        def network_simplex(metric=metric, a=a, b=b) -> np.ndarray:
            return np.array([ot.emd2(x, y, metric) for x, y in zip(a, b, strict=True)])

        name = f"tree-Wasserstein, {pairs} pairs, {count} points"
        compare(name, closed_form, network_simplex, rounds=3)
        alike = ""
        if pairs > 1:
            correlation = np.corrcoef(closed_form(), network_simplex())[0, 1]
            alike = f"; correlation with the exact distance {correlation:.2f}"
        print(f"{'':<12}growing and laying out the tree {build * 1e3:.0f} ms{alike}")


if __name__ == "__main__":
    main()
