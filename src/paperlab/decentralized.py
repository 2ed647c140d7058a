"""Decentralized learning: mixing matrices of graphs, gossip between nodes, data shards of nodes.

Graphs and shards are made once, with NumPy; `gossip` runs inside compiled training loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from paperlab._checks import require_positive

# --- Graphs and their mixing matrices -----------------------------------------------------------

_TOPOLOGIES = ("ring", "hypercube", "exponential", "complete")


def topology(name: str, nodes: int) -> tuple[tuple[int, ...], ...]:
    """The neighbors of each node in a named graph, in rising order; a node is not its own.

    Args:
        name: `ring` (i and i ± 1); `hypercube` (numbers that differ in one binary digit);
            `exponential` (i and i ± 1, 2, 4, ..., modulo the number of nodes); `complete`.
        nodes: at least 2; a power of 2 for the hypercube.

    Raises:
        ValueError: for an unknown name, or a number of nodes that the graph cannot have.
    """
    if name not in _TOPOLOGIES:
        raise ValueError(f"topology: name must be one of {', '.join(_TOPOLOGIES)}, got {name!r}")
    if nodes < 2 or (name == "hypercube" and nodes & (nodes - 1)):
        expected = "a power of 2 for a hypercube" if name == "hypercube" else "at least 2"
        raise ValueError(f"topology: nodes must be {expected}, got {nodes!r}")
    powers = [2**k for k in range((nodes - 1).bit_length())]
    if name == "hypercube":
        return tuple(tuple(sorted(i ^ p for p in powers)) for i in range(nodes))
    steps = {"ring": [1], "exponential": powers, "complete": range(1, nodes)}[name]
    return tuple(
        tuple(sorted({(i + sign * step) % nodes for step in steps for sign in (1, -1)}))
        for i in range(nodes)
    )


def mixing(neighbors: Sequence[Sequence[int]]) -> Float[np.ndarray, "nodes nodes"]:
    """Metropolis-Hastings weights: 1 / (1 + the larger degree) on edges, the rest on the diagonal.

    Symmetric and doubly stochastic on every undirected graph. Where all degrees are equal, this is
    the plain mean over a node and its neighbors. Xiao, Boyd and Lall, "A scheme for robust
    distributed sensor fusion based on average consensus" (2005).

    Args:
        neighbors: of each node, without itself, as from `topology`.

    Raises:
        ValueError: for a neighbor that is no other node, is listed twice, or does not list the node
            in turn.
    """
    nodes, degrees = len(neighbors), [len(row) for row in neighbors]
    W = np.zeros((nodes, nodes))
    for i, row in enumerate(neighbors):
        others = set(range(nodes)) - {i}
        if len(set(row)) < len(row) or not others.issuperset(row):
            raise ValueError(
                f"mixing: neighbors of node {i} must be distinct other nodes below {nodes}, got "
                f"{list(row)}"
            )
        for j in row:
            if i not in neighbors[j]:
                raise ValueError(
                    f"mixing: neighbors must be mutual, got {j} as a neighbor of {i} and not {i} "
                    f"as one of {j}"
                )
            W[i, j] = 1 / (1 + max(degrees[i], degrees[j]))
    np.fill_diagonal(W, 1 - W.sum(1))
    return W


def spectral_gap(matrix: Float[ArrayLike, "nodes nodes"]) -> float:
    """1 - rho, where each gossip step leaves at most rho times the distance to consensus.

    rho is the second largest singular value; for a symmetric matrix, the second largest absolute
    eigenvalue. The gap is 1 for the complete graph, and 0 if the graph is not connected. Papers on
    decentralized SGD often write p for 1 - rho^2, the same for squared distances.

    Raises:
        ValueError: unless the matrix is square and doubly stochastic.
    """
    W = np.asarray(_require_doubly_stochastic("spectral_gap", matrix), np.float64)
    return max(0.0, 1 - float(np.linalg.norm(W - 1 / len(W), 2)))


def gossip(matrix: Float[ArrayLike, "nodes nodes"], tree: Any) -> Any:
    """Each node's weighted mean over its neighbors: x_i <- sum_j W_ij x_j, leaf by leaf.

    Keeps the mean over nodes. Leaves keep their dtypes. Runs under `jit`, `vmap` and `scan`.

    Args:
        matrix: the mixing matrix W, doubly stochastic.
        tree: a pytree of floating arrays whose leading axis is the node.

    Raises:
        ValueError: unless the matrix is square and doubly stochastic (values are checked outside
            of `jit`), and every leaf is floating with one entry per node.
    """
    W = jnp.asarray(_require_doubly_stochastic("gossip", matrix))

    def mix(path: Any, leaf: ArrayLike) -> Array:
        values = jnp.asarray(leaf)
        if values.shape[:1] != W.shape[:1] or not jnp.issubdtype(values.dtype, jnp.floating):
            raise ValueError(
                f"gossip: tree{jax.tree_util.keystr(path)} must be floating with a leading axis of "
                f"{len(W)} nodes, got {values.dtype} of shape {values.shape}"
            )
        return jnp.tensordot(W.astype(values.dtype), values, axes=1)

    return jax.tree_util.tree_map_with_path(mix, tree)


def _require_doubly_stochastic(where: str, matrix: ArrayLike) -> Any:
    shape = np.shape(matrix)
    if len(shape) != 2 or shape[0] != shape[1] or not shape[0]:
        raise ValueError(f"{where}: matrix must be square, with a row for each node, got {shape}")
    if isinstance(matrix, jax.core.Tracer):
        return matrix
    W = np.asarray(matrix)
    W = W if np.issubdtype(W.dtype, np.floating) else W.astype(np.float64)
    rounding = 8 * len(W) * float(np.finfo(W.dtype).eps)
    off = max(float(abs(W.sum(axis) - 1).max()) for axis in (0, 1))
    if not (off <= rounding and W.min() >= -rounding):
        raise ValueError(
            f"{where}: matrix must be doubly stochastic, got a smallest entry of {W.min():.3g} and "
            f"a row or column whose sum is {off:.3g} off 1"
        )
    return W


# --- Data of the nodes --------------------------------------------------------------------------


def iid_shards(
    examples: int, nodes: int, rng: np.random.Generator
) -> Int[np.ndarray, "nodes size"]:
    """Splits indices 0, ..., examples - 1 into random shards of the same size.

    Raises:
        ValueError: unless the nodes divide the examples, with at least one for each.
    """
    if nodes < 1 or examples < nodes or examples % nodes:
        raise ValueError(
            f"iid_shards: nodes must divide the examples and get at least 1 each, got {nodes!r} "
            f"nodes and {examples!r} examples"
        )
    return rng.permutation(examples).reshape(nodes, -1)


def class_shards(
    labels: Int[np.ndarray, " examples"], classes: Sequence[Sequence[int]], rng: np.random.Generator
) -> Int[np.ndarray, "nodes size"]:
    """Gives each node examples of its own classes only; all shards are disjoint and as long.

    The owners of a class share its examples equally, and the remainder is dropped; each node's
    examples are shuffled and cut to the smallest number that a node has. After the cut a node's
    classes need not be balanced. Takezawa et al., Momentum Tracking (2023): the authors' code.

    Args:
        labels: class of each example.
        classes: the classes that each node owns.

    Returns:
        Indices of examples, one row per node.

    Raises:
        ValueError: if a node owns no class, one twice, or one without an example for each owner.
    """
    if not classes:
        raise ValueError("class_shards: classes must list those of at least 1 node, got none")
    owned: list[list[np.ndarray[Any, Any]]] = [[] for _ in classes]
    for node, row in enumerate(classes):
        if not row or len(set(row)) < len(row):
            raise ValueError(
                f"class_shards: classes of node {node} must be distinct and at least one, got "
                f"{list(row)}"
            )
    for label in sorted({label for row in classes for label in row}):
        owners = [node for node, row in enumerate(classes) if label in row]
        members = rng.permutation(np.flatnonzero(labels == label))
        each = len(members) // len(owners)
        if not each:
            raise ValueError(
                f"class_shards: classes: class {label} has {len(owners)} owners and only "
                f"{len(members)} examples in labels"
            )
        for place, node in enumerate(owners):
            owned[node].append(members[place * each : (place + 1) * each])
    pools = [rng.permutation(np.concatenate(pool)) for pool in owned]
    size = min(map(len, pools))
    return np.stack([pool[:size] for pool in pools])


def dirichlet_shards(
    labels: Int[np.ndarray, " examples"], nodes: int, alpha: float, rng: np.random.Generator
) -> list[Int[np.ndarray, " size"]]:
    """Splits each class among the nodes in proportions drawn from Dirichlet(alpha, ..., alpha).

    Every example goes to one node. Small alpha gives each class to few nodes, large alpha the same
    mixture to all. Shards differ in size, and some can be empty. Yurochkin et al., "Bayesian
    nonparametric federated learning of neural networks" (2019), Section 4.

    Args:
        labels: class of each example.
        nodes: number of shards.
        alpha: concentration.

    Returns:
        Indices of each node's examples, shuffled.

    Raises:
        ValueError: for fewer than 1 node, or if alpha is not positive and finite.
    """
    if nodes < 1:
        raise ValueError(f"dirichlet_shards: nodes must be at least 1, got {nodes!r}")
    require_positive("dirichlet_shards", "alpha", alpha)
    owner = np.empty(len(labels), int)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        ends = np.cumsum(rng.dirichlet(np.full(nodes, alpha)))[:-1]
        for node, part in enumerate(np.split(members, np.round(ends * len(members)).astype(int))):
            owner[part] = node
    return [rng.permutation(np.flatnonzero(owner == node)) for node in range(nodes)]
