"""Fenchel-Young losses beside their peers: `python -m benchmarks.fenchel_young` from the root."""

import jax
import jax.numpy as jnp
import jaxopt
import numpy as np
import optax
import scipy.optimize
import scipy.optimize.elementwise
from benchmarks.compare import compare

from paperlab.fenchel_young import shannon, simplex_loss, sparsemax, tsallis

SCORES = 1_000_000
FEW = 2_000


def main() -> None:
    """Times losses against optax, jaxopt and scipy."""
    jax.config.update("jax_enable_x64", True)
    binary()
    for batch, classes in ((10_000, 10), (1_000, 100), (10, 10_000), (1, 10)):
        multiclass(batch, classes)


def multiclass(batch: int, classes: int) -> None:
    """Projection onto the simplex, and the sparsemax loss with its gradient."""
    scores = jax.random.normal(jax.random.key(0), (batch, classes))
    labels = jnp.arange(batch) % classes
    ours = jax.jit(sparsemax)
    peers = {
        "optax": optax.projections.projection_simplex,
        "jaxopt": jaxopt.projection.projection_simplex,
    }
    for name, project in peers.items():
        peer = jax.jit(jax.vmap(project))
        np.testing.assert_allclose(ours(scores), peer(scores), atol=1e-12)
        compare(
            f"simplex projection, {batch:,} x {classes:,} ({name})",
            lambda: ours(scores),
            lambda peer=peer: peer(scores),
        )
    loss, one_hot = simplex_loss("squared"), jax.nn.one_hot(labels, classes)
    value = jax.jit(jax.value_and_grad(lambda theta: loss.value(theta, one_hot).sum()))
    each = jax.vmap(jaxopt.loss.multiclass_sparsemax_loss)
    peer = jax.jit(jax.value_and_grad(lambda theta: each(labels, theta).sum()))
    np.testing.assert_allclose(value(scores)[0], peer(scores)[0], rtol=1e-9)
    compare(
        f"sparsemax loss and gradient, {batch:,} x {classes:,} (jaxopt)",
        lambda: value(scores),
        lambda: peer(scores),
    )


def binary() -> None:
    """The logistic loss against optax, and a loss without closed form against scipy."""
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
