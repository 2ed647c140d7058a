"""Online runs in one batch beside loops over NumPy: `python -m benchmarks.online`."""

import jax
import jax.numpy as jnp
import numpy as np
from benchmarks.compare import compare

from paperlab import online
from paperlab.fenchel_young import simplex_loss

ROUNDS, FEATURES, CLASSES = 2_000, 16, 10
logistic = simplex_loss("shannon")


def play(W: jax.Array, example: tuple[jax.Array, jax.Array]) -> online.Outcome:
    x, y = example
    p = logistic.predict(W @ x)
    return online.Outcome(logistic.value(W @ x, y), 1 - p @ y, jnp.outer(p - y, x))


def by_numpy(X: np.ndarray, Y: np.ndarray, D: float) -> np.ndarray:
    """One run of adaptive gradient descent, as one would write it without JAX."""
    W, squares, losses = np.zeros((CLASSES, FEATURES)), 0.0, np.empty(len(X))
    for t, (x, y) in enumerate(zip(X, Y, strict=True)):
        theta = W @ x
        top = theta.max()
        e = np.exp(theta - top)
        p = e / e.sum()
        losses[t] = top + np.log(e.sum()) - theta @ y
        G = np.outer(p - y, x)
        squares += (G * G).sum()
        W = W - D / np.sqrt(squares) * G
    return losses


def main() -> None:
    """Times 1, 10 and 100 runs of 2,000 rounds."""
    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    for runs in (1, 10, 100):
        X = rng.normal(size=(runs, ROUNDS, FEATURES)) / np.sqrt(FEATURES)
        Y = np.eye(CLASSES)[rng.integers(0, CLASSES, (runs, ROUNDS))]
        start = np.zeros((CLASSES, FEATURES))
        ours = jax.jit(
            jax.vmap(
                lambda X, Y, start=start: (
                    online.run(play, (X, Y), start, online.adagrad(1.0)).surrogate
                )
            )
        )

        def peer(X: np.ndarray = X, Y: np.ndarray = Y) -> np.ndarray:
            return np.stack([by_numpy(x, y, 1.0) for x, y in zip(X, Y, strict=True)])

        np.testing.assert_allclose(ours(X, Y), peer(), rtol=1e-9)
        compare(
            f"{runs} online runs, {ROUNDS:,} rounds (NumPy loop)",
            lambda ours=ours, X=X, Y=Y: ours(X, Y),
            peer,
            rounds=5,
        )


if __name__ == "__main__":
    main()
