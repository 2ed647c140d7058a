"""Muon's step beside optax's: `python -m benchmarks.optimizers` from the root.

Both average gradients, orthogonalize by five Newton-Schulz iterations and scale, in single
precision, as one compiled step; the updates are checked to agree.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from benchmarks.compare import compare

from paperlab import optimizers

# optax adds this to the norm.
factor = functools.partial(optimizers.newton_schulz, epsilon=1e-8)
OURS = optax.chain(
    optax.ema(0.95), optimizers.orthogonalize(factor), optax.scale_by_learning_rate(0.1)
)
PEER = optax.contrib.muon(0.1, beta=0.95, nesterov=False)


def main() -> None:
    """Times the steps of one network, and of many in a batch; then the exact factor."""
    for seeds, shapes in (
        (1, [(64, 32)] * 4),
        (1, [(256, 256)] * 2),
        (32, [(64, 32), (32, 10)]),
    ):
        steps(seeds, shapes)
    exact()


def steps(seeds: int, shapes: list[tuple[int, int]]) -> None:
    """One step of each seed's matrices; none is wider than tall, where optax would rescale."""
    rng = np.random.default_rng(0)
    gradients = [jnp.asarray(rng.normal(size=(seeds, *shape)), jnp.float32) for shape in shapes]
    calls = []
    for optimizer in (OURS, PEER):
        state = jax.vmap(optimizer.init)(gradients)
        step = jax.jit(jax.vmap(optimizer.update))
        calls.append(functools.partial(step, gradients, state, gradients))
    for ours, theirs in zip(calls[0]()[0], calls[1]()[0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    sizes = ", ".join(f"{m}x{n}" for m, n in dict.fromkeys(shapes))
    compare(f"Muon step, {seeds} x {len(shapes)} matrices {sizes} (optax)", *calls, rounds=31)


def exact() -> None:
    """The polar factor by SVD beside its approximation, and NumPy's SVD."""
    X = np.random.default_rng(0).normal(size=(100, 50, 30))
    with jax.enable_x64(True):
        polar = jax.jit(optimizers.polar)

        def numpy() -> np.ndarray:
            U, _, Vt = np.linalg.svd(X, full_matrices=False)
            return U @ Vt

        np.testing.assert_allclose(polar(X), numpy(), atol=1e-10)
        compare("polar factors, 100 of 50x30 (NumPy)", lambda: polar(X), numpy)


if __name__ == "__main__":
    main()
