"""Decentralized SGD in one program beside a loop: `python -m benchmarks.decentralized`.

A ring of workers fits logistic regressions to their own data. Ours maps the gradient over workers
and mixes the stacked parameters; the peer visits one worker after the other with a compiled
gradient and averages over lists of neighbors with NumPy.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.compare import compare

from paperlab import decentralized

ROUNDS, BATCH, FEATURES, CLASSES, RATE = 50, 16, 64, 10, 0.1


def loss(parameters: dict[str, jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
    scores = x @ parameters["weight"] + parameters["bias"]
    return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean()


gradient = jax.jit(jax.grad(loss))


@jax.jit
def together(W: jax.Array, start: Any, x: jax.Array, y: jax.Array) -> Any:
    """All workers at once, in one compiled loop over rounds."""

    def step(parameters: Any, batch: Any) -> tuple[Any, None]:
        slopes = jax.vmap(jax.grad(loss))(parameters, *batch)
        moved = jax.tree.map(lambda p, g: p - RATE * g, parameters, slopes)
        return decentralized.gossip(W, moved), None

    return jax.lax.scan(step, start, (x, y))[0]


def one_by_one(neighbors: Any, start: Any, x: np.ndarray, y: np.ndarray) -> Any:
    """Worker after worker, as one would write it for a single machine."""
    workers = [{k: v[i] for k, v in start.items()} for i in range(len(neighbors))]
    for features, labels in zip(x, y, strict=True):
        moved = []
        for worker, *batch in zip(workers, features, labels, strict=True):
            slope = gradient(worker, *batch)
            moved.append({k: v - RATE * np.asarray(slope[k]) for k, v in worker.items()})
        workers = [
            {k: sum(moved[j][k] for j in (i, *row)) / (1 + len(row)) for k in moved[i]}
            for i, row in enumerate(neighbors)
        ]
    return {k: np.stack([worker[k] for worker in workers]) for k in start}


def main() -> None:
    """Times 50 rounds of 8 and of 32 workers."""
    for nodes in (8, 32):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(ROUNDS, nodes, BATCH, FEATURES)).astype(np.float32)
        y = rng.integers(0, CLASSES, (ROUNDS, nodes, BATCH))
        start = {
            "weight": np.zeros((nodes, FEATURES, CLASSES), np.float32),
            "bias": np.zeros((nodes, CLASSES), np.float32),
        }
        neighbors = decentralized.topology("ring", nodes)
        W = decentralized.mixing(neighbors)

        def ours(W: Any = W, start: Any = start, x: Any = x, y: Any = y) -> Any:
            return together(W, start, x, y)

        def peer(neighbors: Any = neighbors, start: Any = start, x: Any = x, y: Any = y) -> Any:
            return one_by_one(neighbors, start, x, y)

        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), dict(ours()), peer())
        compare(f"{ROUNDS} rounds of {nodes} workers (loop over workers)", ours, peer, rounds=5)


if __name__ == "__main__":
    main()
