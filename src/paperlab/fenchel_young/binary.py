r"""Binary losses of a signed score, each stated in a form without cancellation.

Far out on the right side, and near the margin, the maximum that defines a loss is a small
difference of large terms. Nothing here computes it that way. For $z \ge 0$ the loss equals the
Bregman divergence $\mu\phi'(\mu) - \phi(\mu)$ at $\mu = g(z)$; the left side follows from
$\ell(-z) = \ell(z) + z$ and $g(-z) = 1 - g(z)$.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, ArrayLike, Float

from paperlab._checks import require_scores

_Pointwise = Callable[[Array], Array]


@dataclasses.dataclass(frozen=True)
class BinaryLoss:
    """A binary Fenchel-Young loss; made by `shannon`, `semicircle`, `tsallis`, `renyi`, `probit`.

    `phi`, `dphi`, `d2phi` and `bregman` take probabilities in [0, 1] (outside it, NaN or nonsense:
    values are not checked, so that they may be traced); `value` and `g` take any real score.
    All act elementwise, keep the floating dtype, and run under `jit`, `vmap` and `grad`.

    Attributes:
        name: with the order, for instance "Tsallis 1.5".
        margin: the separation margin m; infinity if the loss is positive everywhere.
        phi: the potential.
        dphi: its derivative, the score at which the wrong class has probability mu, negated.
        d2phi: its second derivative.
        bregman: the divergence mu phi'(mu) - phi(mu) of the prediction mu from the truth 0; the
            value of the loss at the score where g = mu.
        on_right: from scores in [0, m) to g and the loss there.
    """

    name: str
    margin: float
    phi: _Pointwise
    dphi: _Pointwise
    d2phi: _Pointwise
    bregman: _Pointwise
    on_right: Callable[[Array], tuple[Array, Array]]

    def __post_init__(self) -> None:
        # Called one by one, outside jit, each would otherwise compile operation by operation.
        for name in ("phi", "dphi", "d2phi", "bregman"):
            object.__setattr__(self, name, jax.jit(getattr(self, name)))

    def value(self, z: Float[ArrayLike, "*scores"]) -> Float[Array, "*scores"]:
        """The loss of signed scores, at least 0; its derivative is `-g`."""
        return self.value_and_g(z)[0]

    def g(self, z: Float[ArrayLike, "*scores"]) -> Float[Array, "*scores"]:
        """The wrong class's probability in [0, 1] at signed scores: minus the loss's slope."""
        return self.value_and_g(z)[1]

    def value_and_g(
        self, z: Float[ArrayLike, "*scores"]
    ) -> tuple[Float[Array, "*scores"], Float[Array, "*scores"]]:
        """Both at once, which where g needs a search halves the work.

        Raises:
            ValueError: for scores with NaN.
        """
        value, g = _value_and_g(self, require_scores(self.name, z, 0))
        return value, g

    def __repr__(self) -> str:
        return f"BinaryLoss({self.name!r}, margin={self.margin:g})"


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _rule(loss: BinaryLoss, z: Array) -> tuple[Array, Array]:
    distance = jnp.abs(z)
    beyond = distance >= loss.margin
    # The inner `where` keeps square roots and searches away from scores they are not made for.
    mu, right = loss.on_right(jnp.where(beyond, 0, distance))
    mu, right = jnp.where(beyond, 0, mu), jnp.where(beyond, 0, right)
    value, g = jnp.maximum(-z, 0) + right, jnp.where(z < 0, 1 - mu, mu)
    return value, jnp.where(jnp.isnan(z), z, g)


@_rule.defjvp
def _(
    loss: BinaryLoss, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    (z,), (dz,) = primals, tangents
    value, g = _rule(loss, z)
    # From the side where g is small and exact; its own rule gives the higher derivatives.
    _, mu = _rule(loss, jnp.abs(z))
    flat = mu == 0
    slope = jnp.where(flat, 0, -1 / loss.d2phi(jnp.where(flat, 0.5, mu)))
    return (value, g), (-g * dz, slope * dz)


_value_and_g = jax.jit(_rule, static_argnums=0)


# --- The catalogue --------------------------------------------------------------------------


@functools.cache
def shannon() -> BinaryLoss:
    """Shannon entropy: the logistic loss log(1 + exp(-z)). No margin."""

    def on_right(z: Array) -> tuple[Array, Array]:
        return jax.nn.sigmoid(-z), jnp.log1p(jnp.exp(-z))

    return BinaryLoss(
        "Shannon",
        math.inf,
        phi=lambda mu: jax.scipy.special.xlogy(mu, mu) + jax.scipy.special.xlog1py(1 - mu, -mu),
        dphi=lambda mu: jnp.log(mu) - jnp.log1p(-mu),
        d2phi=lambda mu: 1 / (mu * (1 - mu)),
        bregman=lambda mu: -jnp.log1p(-mu),
        on_right=on_right,
    )


@functools.cache
def semicircle() -> BinaryLoss:
    """Semi-circle entropy: the loss 2 / (z + sqrt(z^2 + 4)), a tail of 1/z. No margin."""

    def on_right(z: Array) -> tuple[Array, Array]:
        root = jnp.hypot(z, 2.0)
        loss = 2 / (root + z)
        return loss / root, loss

    return BinaryLoss(
        "Semi-circle",
        math.inf,
        phi=lambda mu: -2 * jnp.sqrt(mu * (1 - mu)),
        dphi=lambda mu: (2 * mu - 1) / jnp.sqrt(mu * (1 - mu)),
        d2phi=lambda mu: 0.5 * (mu * (1 - mu)) ** -1.5,
        bregman=lambda mu: jnp.sqrt(mu / (1 - mu)),
        on_right=on_right,
    )


@functools.cache
def tsallis(q: float | int) -> BinaryLoss:
    """Tsallis entropy of order q > 0, in the normalization whose limit at q = 1 is Shannon's.

    The margin is q / (q - 1) for q > 1. Closed forms at q = 0.5, 1.5 and 2 (a quadratic arc between
    two lines); otherwise g is found by bisection.

    Raises:
        ValueError: unless q is finite and positive.
    """
    if not (math.isfinite(q) and q > 0):
        raise ValueError(f"tsallis: q must be finite and positive, got {q!r}")
    if q == 1:
        return shannon()
    phi, dphi, d2phi, bregman = _tsallis(float(q))

    def order_2(z: Array) -> tuple[Array, Array]:
        mu = (2 - z) / 4
        return mu, 2 * mu**2

    # At q = 1/2 and 3/2, dphi = -z is an equation in s = sqrt(1 - mu) - sqrt(mu) alone.
    def from_roots(s: Array, one_minus_s2: Array) -> tuple[Array, Array]:
        mu = (one_minus_s2 / (jnp.sqrt(1 + one_minus_s2) + s)) ** 2
        return mu, bregman(mu)

    def order_half(z: Array) -> tuple[Array, Array]:
        root = 1 + jnp.hypot(z, 1.0)
        return from_roots(z / root, 2 / root)

    def order_3_halves(z: Array) -> tuple[Array, Array]:
        s = z / 3
        return from_roots(s, (1 - s) * (1 + s))

    return BinaryLoss(
        f"Tsallis {q:g}",
        q / (q - 1) if q > 1 else math.inf,
        phi,
        dphi,
        d2phi,
        bregman,
        on_right={2: order_2, 1.5: order_3_halves, 0.5: order_half}.get(
            q, _by_search(dphi, d2phi, bregman)
        ),
    )


@functools.cache
def renyi(q: float | int) -> BinaryLoss:
    """Rényi entropy of order q in (0, 2], at q = 1 Shannon's.

    The margin is q / (q - 1) for q > 1. Closed form at q = 2, where the potential has no curvature
    at the ends and the loss leaves zero like the power 3/2; otherwise g is found by bisection.

    Raises:
        ValueError: unless q lies in (0, 2]; beyond 2 the binary entropy is not concave.
    """
    if not 0 < q <= 2:
        raise ValueError(f"renyi: q must lie in (0, 2], got {q!r}")
    if q == 1:
        return shannon()
    phi, dphi, d2phi, bregman = _renyi_2() if q == 2 else _renyi(float(q))

    def order_2(z: Array) -> tuple[Array, Array]:
        root = jnp.sqrt((2 - z) * (2 + z))
        mu = (2 - z + root) / (2 * (2 + root))
        return mu, bregman(mu)

    return BinaryLoss(
        f"Rényi {q:g}",
        q / (q - 1) if q > 1 else math.inf,
        phi,
        dphi,
        d2phi,
        bregman,
        on_right=order_2 if q == 2 else _by_search(dphi, d2phi, bregman),
    )


@functools.cache
def probit() -> BinaryLoss:
    """The loss whose g is the normal distribution function at -z (phi' is the probit function).

    No margin, but a Gaussian tail: g / loss grows without bound.
    """

    def on_right(z: Array) -> tuple[Array, Array]:
        mu = ndtr(-z)
        return mu, jnp.maximum(norm.pdf(z) - z * mu, 0)

    def bregman(mu: Array) -> Array:
        z = ndtri(jnp.where(mu > 0, mu, 0.5))
        return jnp.where(mu > 0, jnp.maximum(norm.pdf(z) + z * mu, 0), 0)

    return BinaryLoss(
        "Probit",
        math.inf,
        phi=lambda mu: -norm.pdf(ndtri(mu)),
        dphi=ndtri,
        d2phi=lambda mu: 1 / norm.pdf(ndtri(mu)),
        bregman=bregman,
        on_right=on_right,
    )


# --- Potentials -----------------------------------------------------------------------------

_Potential = tuple[_Pointwise, _Pointwise, _Pointwise, _Pointwise]


def _tsallis(q: float) -> _Potential:
    def power_log(log_mu: Array) -> Array:
        """(mu^(q-1) - 1) / (q - 1), which tends to log mu as q tends to 1."""
        return jnp.expm1((q - 1) * log_mu) / (q - 1)

    def phi(mu: Array) -> Array:
        # Zero times an infinite logarithm is zero here.
        left = mu * power_log(jnp.log(jnp.where(mu > 0, mu, 1)))
        right = (1 - mu) * power_log(jnp.log1p(jnp.where(mu < 1, -mu, 0)))
        return left + right

    def dphi(mu: Array) -> Array:
        return q * (power_log(jnp.log(mu)) - power_log(jnp.log1p(-mu)))

    def d2phi(mu: Array) -> Array:
        return q * (mu ** (q - 2) + (1 - mu) ** (q - 2))

    def bregman(mu: Array) -> Array:
        away = jnp.expm1((q - 1) * jnp.log1p(-mu) + jnp.log1p((q - 1) * mu))
        return mu**q - away / (q - 1)

    return phi, dphi, d2phi, bregman


def _renyi(q: float) -> _Potential:
    """Rényi's potential is log(1 + (q - 1) tsallis) / (q - 1), which gives its derivatives."""
    tsallis_phi, tsallis_dphi, tsallis_d2phi, _ = _tsallis(q)

    def power_sum(mu: Array) -> Array:
        return 1 + (q - 1) * tsallis_phi(mu)

    def phi(mu: Array) -> Array:
        return jnp.log1p((q - 1) * tsallis_phi(mu)) / (q - 1)

    def dphi(mu: Array) -> Array:
        return tsallis_dphi(mu) / power_sum(mu)

    def d2phi(mu: Array) -> Array:
        return tsallis_d2phi(mu) / power_sum(mu) - (q - 1) * dphi(mu) ** 2

    def bregman(mu: Array) -> Array:
        inside = jnp.where(mu > 0, mu, 0.5)
        return jnp.where(mu > 0, jnp.maximum(inside * dphi(inside) - phi(inside), 0), 0)

    return phi, dphi, d2phi, bregman


def _renyi_2() -> _Potential:
    phi, *_ = _renyi(2.0)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    nodes, weights = (nodes + 1) / 2, weights / 2

    def dphi(mu: Array) -> Array:
        u = 2 * mu - 1
        return 4 * u / (1 + u**2)

    def d2phi(mu: Array) -> Array:
        return 8 * mu * (1 - mu) / (1 - 2 * mu * (1 - mu)) ** 2

    def bregman(mu: Array) -> Array:
        # It is of third order in mu, and both of its terms are of first. Its integral form, over
        # t phi''(t) from 0 to mu, adds positive terms only; with 12 nodes it is exact to rounding
        # on [0, 1/2], far from the integrand's poles. Symmetry gives the other half.
        near = jnp.minimum(mu, 1 - mu)
        t = near[..., None] * jnp.asarray(nodes, mu.dtype)
        integral = near * jnp.sum(jnp.asarray(weights, mu.dtype) * t * d2phi(t), axis=-1)
        return integral + jnp.maximum(dphi(mu), 0)

    return phi, dphi, d2phi, bregman


def _by_search(
    dphi: _Pointwise, d2phi: _Pointwise, bregman: _Pointwise
) -> Callable[[Array], tuple[Array, Array]]:
    """g and the loss at scores in [0, m), without a closed form."""

    def on_right(z: Array) -> tuple[Array, Array]:
        mu = _search(dphi, d2phi, z)
        return mu, bregman(mu)

    return on_right


def _search(dphi: _Pointwise, d2phi: _Pointwise, z: Array) -> Array:
    """Solves dphi(mu) = -z for mu in [0, 1/2], by bisection of log(mu) and three Newton steps.

    Zero where the solution is below the smallest normal number of the dtype.
    """
    smallest = float(np.finfo(z.dtype).tiny)
    low = jnp.full_like(z, math.log(smallest))
    high = jnp.full_like(z, math.log(0.5))

    def halve(_: object, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        too_large = dphi(jnp.exp(middle)) > -z
        return jnp.where(too_large, low, middle), jnp.where(too_large, middle, high)

    def newton(_: object, log_mu: Array) -> Array:
        mu = jnp.exp(log_mu)
        return jnp.clip(log_mu - (dphi(mu) + z) / (mu * d2phi(mu)), low, high)

    low, high = jax.lax.fori_loop(0, 18, halve, (low, high))
    mu = jnp.exp(jax.lax.fori_loop(0, 3, newton, (low + high) / 2))
    return jnp.where(dphi(jnp.full_like(z, smallest)) < -z, mu, 0)
