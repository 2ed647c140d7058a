"""Tree-Wasserstein in closed form beside POT's exact network simplex: one pair and many.

Run by `python -m benchmarks.tree_wasserstein` from the root. The ratio says what the closed form
saves against a compiled exact solver, not against a general linear program.
"""

import numpy as np
import ot
import scipy.sparse as sp
from benchmarks.compare import compare
from sklearn.metrics import pairwise_distances


def random_tree(leaves: int, rng: np.random.Generator) -> sp.csr_array:
    """diag(w) B of a random tree of depth 6 with 5 children a node, of shape (nodes, leaves)."""
    labels = rng.integers(0, 5, (leaves, 5))
    paths = [
        np.unique(labels[:, : d + 1], axis=0, return_inverse=True)[1].ravel() for d in range(5)
    ]
    blocks = [
        sp.csr_array((rng.random(p.max() + 1)[p], (p, np.arange(leaves))))
        for p in (*paths, np.arange(leaves))
    ]
    return sp.vstack(blocks).tocsr()


def main() -> None:
    rng = np.random.default_rng(0)
    leaves, words, documents = 2000, 40, 400
    points = rng.normal(size=(leaves, 32))
    metric = pairwise_distances(points)
    bags = np.array([rng.choice(leaves, words, replace=False) for _ in range(documents)])
    entries = (np.repeat(np.arange(documents), words), bags.ravel())
    mass = np.full(bags.size, 1 / words)
    histograms = sp.csr_array((mass, entries), shape=(documents, leaves))
    embed = random_tree(leaves, rng).T.tocsr()
    uniform = np.full(words, 1 / words)

    for count in (1, 100, 1000):
        pairs = rng.integers(0, documents, (count, 2))

        def closed_form(pairs: np.ndarray = pairs) -> np.ndarray:
            return abs((histograms[pairs[:, 0]] - histograms[pairs[:, 1]]) @ embed).sum(1)

        def network_simplex(pairs: np.ndarray = pairs) -> np.ndarray:
            costs = (metric[np.ix_(bags[i], bags[j])] for i, j in pairs)
            return np.array([ot.emd2(uniform, uniform, cost) for cost in costs])

        name = f"tree-Wasserstein, {count} pairs of {words} words, {leaves} leaves"
        compare(name, closed_form, network_simplex, rounds=5)


if __name__ == "__main__":
    main()
