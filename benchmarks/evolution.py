"""A CMA-ES generation beside pycma: `python -m benchmarks.evolution` from the root."""

import cma
import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.compare import compare

from paperlab import evolution

N, POPULATION, SEARCHES = 8, 16, 16


def ellipsoid(x: jax.Array) -> jax.Array:
    """A sum of squares with curvatures from 1 to 10,000."""
    return (10.0 ** np.linspace(0, 4, N) * x**2).sum(-1)


def generation(state: evolution.State, key: jax.Array) -> evolution.State:
    """Ask, evaluate, tell."""
    x = evolution.ask(state, key)
    return evolution.tell(state, x, ellipsoid(x))


class Peers:
    """pycma searches, each advanced by one generation per call."""

    def __init__(self, count: int) -> None:
        options = {"CMA_active": False, "popsize": POPULATION, "verbose": -9}
        self.searches = [
            cma.CMAEvolutionStrategy(np.ones(N), 0.5, options | {"seed": i + 1})
            for i in range(count)
        ]

    def __call__(self) -> None:
        for search in self.searches:
            x = np.array(search.ask())
            search.tell(x, list(ellipsoid(x)))


def main() -> None:
    """Times one generation of one search, and of several: by vmap against a loop."""
    key = jax.random.key(0)
    one, state = jax.jit(generation), evolution.init(jnp.ones(N), 0.5, POPULATION)
    compare(
        f"CMA-ES generation, n = {N}, population {POPULATION} (pycma)",
        lambda: one(state, key),
        Peers(1),
        51,
    )
    keys = jax.random.split(key, SEARCHES)
    states = jax.vmap(lambda _: state)(jnp.arange(SEARCHES))
    many = jax.jit(jax.vmap(generation))
    compare(
        f"the same for {SEARCHES} searches at once (pycma, a loop)",
        lambda: many(states, keys),
        Peers(SEARCHES),
        51,
    )


if __name__ == "__main__":
    main()
