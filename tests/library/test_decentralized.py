"""Mixing, gossip and shards against SciPy, closed forms and the authors' code."""

import functools

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.csgraph
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab import decentralized, reference

seeds = st.integers(0, 2**31)
NAMES = ["ring", "hypercube", "exponential", "complete"]
named = st.one_of(
    st.tuples(st.sampled_from(["ring", "exponential", "complete"]), st.integers(2, 33)),
    st.tuples(st.just("hypercube"), st.sampled_from([2, 4, 8, 16])),
)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@st.composite
def graphs(draw):
    """Any undirected graph of up to 9 nodes, as a matrix of zeros and ones."""
    nodes = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(seeds))
    edges = np.triu(rng.random((nodes, nodes)) < draw(st.floats(0, 1)), 1)
    return (edges | edges.T).astype(float)


def listed(adjacency):
    return [np.flatnonzero(row).tolist() for row in adjacency]


def adjacency(neighbors):
    A = np.zeros((len(neighbors), len(neighbors)))
    for i, row in enumerate(neighbors):
        A[i, list(row)] = 1
    return A


mix = jax.jit(decentralized.gossip)


# --- Graphs ---------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(graph=named)
def test_named_graphs_are_connected_regular_and_undirected(graph):
    A = adjacency(decentralized.topology(*graph))
    assert (A == A.T).all() and not A.diagonal().any() and len(set(A.sum(1))) == 1
    assert scipy.sparse.csgraph.connected_components(A, directed=False)[0] == 1


def test_named_graphs_are_those_of_scipys_matrices():
    ring, hypercube, exponential, complete = (
        adjacency(decentralized.topology(name, 8)) for name in NAMES
    )
    np.testing.assert_array_equal(ring, scipy.linalg.circulant([0, 1, 0, 0, 0, 0, 0, 1]))
    np.testing.assert_array_equal(exponential, scipy.linalg.circulant([0, 1, 1, 0, 1, 0, 1, 1]))
    np.testing.assert_array_equal(complete, 1 - np.eye(8))
    edge, same = np.array([[0, 1], [1, 0]]), np.eye(2)
    product = sum(
        functools.reduce(np.kron, [edge if k == axis else same for k in range(3)])
        for axis in range(3)
    )
    np.testing.assert_array_equal(hypercube, product)


@settings(max_examples=60, deadline=None)
@given(A=graphs())
def test_mixing_is_doubly_stochastic_on_any_graph_and_follows_the_larger_degree(A):
    W = decentralized.mixing(listed(A))
    degree = A.sum(1)
    weights = A / (1 + np.maximum.outer(degree, degree))
    np.testing.assert_allclose(W, np.eye(len(A)) - scipy.sparse.csgraph.laplacian(weights))
    np.testing.assert_allclose([W.sum(0), W.sum(1)], 1, atol=1e-14)
    assert W.min() >= 0 and (W.diagonal() > 0).all()


@pytest.mark.parametrize("nodes", [3, 4, 8, 15])
def test_gap_of_a_ring_is_the_cosine(nodes):
    gap = decentralized.spectral_gap(decentralized.mixing(decentralized.topology("ring", nodes)))
    k = np.arange(1, nodes)
    rho = np.abs(1 + 2 * np.cos(2 * np.pi * k / nodes)).max() / 3
    assert gap == pytest.approx(1 - rho, abs=1e-12)


@pytest.mark.parametrize("digits", [1, 2, 3, 4])
def test_gap_of_a_hypercube_counts_its_digits(digits):
    W = decentralized.mixing(decentralized.topology("hypercube", 2**digits))
    assert decentralized.spectral_gap(W) == pytest.approx(min(1, 2 / (1 + digits)), abs=1e-12)


def test_gaps_of_the_complete_and_of_a_broken_graph():
    W = decentralized.mixing(decentralized.topology("complete", 7))
    assert decentralized.spectral_gap(W) == pytest.approx(1)
    pairs = decentralized.mixing([[1], [0], [3], [2]])
    assert decentralized.spectral_gap(pairs) == pytest.approx(0, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(A=graphs(), seed=seeds)
def test_gap_bounds_what_gossip_leaves_and_is_the_second_eigenvalue(A, seed):
    W = decentralized.mixing(listed(A))
    rho = 1 - decentralized.spectral_gap(W)
    absolute = np.sort(np.abs(scipy.linalg.eigvalsh(W)))
    assert rho == pytest.approx(absolute[-2] if len(A) > 1 else 0, abs=1e-12)
    x = np.random.default_rng(seed).normal(size=len(A))
    apart = x - x.mean()
    assert np.linalg.norm(W @ apart) <= rho * np.linalg.norm(apart) + 1e-12


# --- Gossip ---------------------------------------------------------------------------------------


def test_mixing_and_gossip_are_those_of_the_authors():
    case = reference.read("momentum-tracking").cases["mixing"]
    vectors = np.array(case.inputs["vectors"])
    for name, theirs in case.outputs.items():
        neighbors = case.inputs[name]["adjacency"]
        W = decentralized.mixing(neighbors)
        off = np.abs(mix(W, vectors) - np.array(theirs)).max()
        assert off <= case.tolerance * np.abs(theirs).max(), name
        ours = decentralized.topology(
            {"semantic_exponential_8": "exponential"}.get(name, name[:-2]), 8
        )
        if name != "hypercube_8":  # which they number as two rings of four
            assert [sorted(row) for row in neighbors] == [list(row) for row in ours]
        np.testing.assert_allclose(
            scipy.linalg.eigvalsh(decentralized.mixing(ours)), scipy.linalg.eigvalsh(W), atol=1e-12
        )


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_gossip_keeps_the_mean_and_dtypes_and_consensus(seed):
    rng = np.random.default_rng(seed)
    W = decentralized.mixing(decentralized.topology("ring", 6))
    tree = {"a": rng.normal(size=(6, 2, 3)), "b": (rng.normal(size=6).astype(np.float32),)}
    mixed = mix(W, tree)
    np.testing.assert_allclose(mixed["a"], np.einsum("ij,jkl->ikl", W, tree["a"]), atol=1e-14)
    np.testing.assert_allclose(mixed["a"].mean(0), tree["a"].mean(0), atol=1e-14)
    assert mixed["b"][0].dtype == jnp.float32
    np.testing.assert_allclose(mixed["b"][0].mean(), tree["b"][0].mean(), atol=1e-6)
    agreed = jax.tree.map(lambda leaf: np.broadcast_to(leaf[:1], leaf.shape), tree)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), mix(W, agreed), agreed)


def test_gossip_in_a_scan_goes_to_consensus_at_the_rate_of_the_gap():
    W = decentralized.mixing(decentralized.topology("exponential", 8))
    start = np.random.default_rng(0).normal(size=(8, 2))

    def step(x, _):
        return decentralized.gossip(W, x), jnp.linalg.norm(x - x.mean(0))

    final, apart = jax.jit(lambda x: jax.lax.scan(step, x, length=20))(start)
    np.testing.assert_allclose(final, np.tile(start.mean(0), (8, 1)), atol=1e-8)
    rho = 1 - decentralized.spectral_gap(W)
    assert (apart <= apart[0] * rho ** np.arange(20) * (1 + 1e-6)).all()


# --- Shards ---------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=seeds, nodes=st.integers(1, 9), size=st.integers(1, 9), alpha=st.floats(0.01, 100))
def test_shards_partition_the_examples(seed, nodes, size, alpha):
    rng = np.random.default_rng(seed)
    even = decentralized.iid_shards(nodes * size, nodes, rng)
    assert even.shape == (nodes, size)
    np.testing.assert_array_equal(np.sort(even.ravel()), np.arange(nodes * size))
    labels = rng.integers(0, 4, 50)
    uneven = decentralized.dirichlet_shards(labels, nodes, alpha, rng)
    assert len(uneven) == nodes
    np.testing.assert_array_equal(np.sort(np.concatenate(uneven)), np.arange(50))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, owned=st.lists(st.sets(st.integers(0, 4), min_size=1), min_size=1, max_size=6))
def test_class_shards_are_disjoint_and_keep_to_their_classes(seed, owned):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.repeat(np.arange(5), 6), rng.integers(0, 5, 30)])
    shards = decentralized.class_shards(labels, [sorted(row) for row in owned], rng)
    assert len(set(shards.ravel())) == shards.size
    for row, shard in zip(owned, shards, strict=True):
        assert set(labels[shard]) <= row


def test_class_shards_have_the_sizes_of_the_authors():
    case = reference.read("momentum-tracking").cases["class_shards"]
    labels = np.repeat(np.arange(10), case.inputs["class_counts"])
    for name, sizes in case.outputs.items():
        shards = decentralized.class_shards(labels, case.inputs[name], np.random.default_rng(0))
        assert [len(shard) for shard in shards] == sizes, name


def test_dirichlet_shares_have_their_mean_and_variance():
    """A share of Dirichlet(alpha, ..., alpha) over n has variance (n - 1) / (n^2 (n alpha + 1))."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(500), 1000)
    for alpha in (0.1, 1.0, 10.0):
        shards = decentralized.dirichlet_shards(labels, 4, alpha, rng)
        shares = np.stack([np.bincount(labels[s], minlength=500) for s in shards]) / 1000
        np.testing.assert_allclose(shares.mean(1), 1 / 4, atol=0.06)
        np.testing.assert_allclose(shares.var(), 3 / (16 * (4 * alpha + 1)), rtol=0.1)


def test_the_same_generator_gives_the_same_shards():
    labels = np.arange(30) % 3
    for split in (
        lambda rng: decentralized.iid_shards(30, 5, rng),
        lambda rng: decentralized.class_shards(labels, [[0, 1], [2, 0]], rng),
        lambda rng: np.concatenate(decentralized.dirichlet_shards(labels, 3, 1.0, rng)),
    ):
        one, same, other = (split(np.random.default_rng(seed)) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, same)
        assert one.shape != other.shape or (one != other).any()


# --- Bad input ------------------------------------------------------------------------------------

RING, RNG, LABELS = np.full((3, 3), 1 / 3), np.random.default_rng(0), np.array([0, 0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: decentralized.topology("torus", 8),
            "name must be one of ring, hypercube, exponential, complete, got 'torus'",
        ),
        (lambda: decentralized.topology("ring", 1), "nodes must be at least 2, got 1"),
        (lambda: decentralized.topology("hypercube", 6), "nodes must be a power of 2 .*, got 6"),
        (lambda: decentralized.mixing([[1], []]), "must be mutual, got 1 as a neighbor of 0 and"),
        (lambda: decentralized.mixing([[0]]), r"neighbors of node 0 must be .* below 1, got \[0\]"),
        (lambda: decentralized.mixing([[1, 1], [0]]), r"distinct other nodes .* got \[1, 1\]"),
        (lambda: decentralized.mixing([[-1], [0]]), r"neighbors of node 0 must .* got \[-1\]"),
        (
            lambda: decentralized.spectral_gap(np.ones((2, 3))),
            r"spectral_gap: matrix must be square, with a row for each node, got \(2, 3\)",
        ),
        (
            lambda: decentralized.gossip(np.array([[1.0, 0], [1, 0]]), np.ones(2)),
            "gossip: matrix must be doubly stochastic, got a smallest entry of 0 and .* 1 off 1",
        ),
        (
            lambda: decentralized.gossip(np.array([[2.0, -1], [-1, 2]]), np.ones(2)),
            "doubly stochastic, got a smallest entry of -1",
        ),
        (lambda: decentralized.spectral_gap(np.full((2, 2), np.nan)), "must be doubly stochastic"),
        (
            lambda: decentralized.gossip(RING, {"w": np.ones((2, 3))}),
            r"tree\['w'\] must be floating with a leading axis of 3 nodes, got .* \(2, 3\)",
        ),
        (lambda: decentralized.gossip(RING, np.arange(3)), "must be floating .*, got int64"),
        (
            lambda: decentralized.iid_shards(10, 3, RNG),
            "nodes must divide the examples and get at least 1 each, got 3 nodes and 10",
        ),
        (lambda: decentralized.iid_shards(0, 3, RNG), "get at least 1 each, got 3 nodes and 0"),
        (lambda: decentralized.class_shards(LABELS, [], RNG), "of at least 1 node, got none"),
        (lambda: decentralized.class_shards(LABELS, [[0], []], RNG), r"node 1 must be .* got \[\]"),
        (lambda: decentralized.class_shards(LABELS, [[0, 0]], RNG), r"distinct .* got \[0, 0\]"),
        (
            lambda: decentralized.class_shards(LABELS, [[0, 1], [0, 1]], RNG),
            "class 1 has 2 owners and only 1 examples in labels",
        ),
        (
            lambda: decentralized.dirichlet_shards(LABELS, 2, 0.0, RNG),
            "dirichlet_shards: alpha must be positive and finite, got 0.0",
        ),
        (
            lambda: decentralized.dirichlet_shards(LABELS, 0, 1.0, RNG),
            "nodes must be at least 1, got 0",
        ),
    ],
)
def test_bad_input_is_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would see some first
    with pytest.raises(ValueError, match=message):
        call()
