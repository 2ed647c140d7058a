"""Fenchel-Young losses beside their peers: `python -m benchmarks.fenchel_young` from the root."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.optimize
import scipy.optimize.elementwise
from benchmarks.compare import compare

from paperlab.fenchel_young import shannon, tsallis

SCORES = 1_000_000
FEW = 2_000


def main() -> None:
    """Times the logistic loss against optax, and a loss without closed form against scipy."""
    jax.config.update("jax_enable_x64", True)
    z = jnp.linspace(-20, 20, SCORES)
    ours = jax.jit(shannon().value_and_g)

    def entropy(z: jax.Array) -> jax.Array:
        return optax.sigmoid_binary_cross_entropy(z, 1.0)

    peer = jax.jit(jax.vmap(jax.value_and_grad(entropy)))
    compare(
        f"logistic value and gradient, {SCORES:,} scores (optax)", lambda: ours(z), lambda: peer(z)
    )

    loss, few = tsallis(1.2), np.linspace(-5, 5, FEW)
    search = jax.jit(loss.g)

    def excess(mu: np.ndarray, z: np.ndarray) -> np.ndarray:
        return 1.2 / 0.2 * (mu**0.2 - (1 - mu) ** 0.2) + z

    def one_by_one() -> np.ndarray:
        return np.array([scipy.optimize.brentq(excess, 0, 1, (a,), 1e-15) for a in few])

    def all_at_once() -> np.ndarray:
        ends = (np.zeros(FEW), np.ones(FEW))
        return np.asarray(scipy.optimize.elementwise.find_root(excess, ends, args=(few,)).x)

    np.testing.assert_allclose(search(few), one_by_one(), atol=1e-12)
    np.testing.assert_allclose(search(few), all_at_once(), atol=1e-12)
    compare(
        f"Tsallis 1.2 g, {FEW:,} scores (scipy brentq, a loop)", lambda: search(few), one_by_one, 5
    )
    compare(
        f"Tsallis 1.2 g, {FEW:,} scores (scipy find_root, vectorized)",
        lambda: search(few),
        all_at_once,
    )


if __name__ == "__main__":
    main()
