r"""Fenchel-Young losses: an entropy in, a loss and its prediction map out.

For two classes, a potential $\phi$ (a negative entropy) is convex on [0, 1], symmetric about 1/2
and zero at both ends. It generates a loss of the signed score $z = y f(x)$,

$$\ell(z) = \max_{\mu \in [0,1]} \{-z\mu - \phi(\mu)\}, \qquad
g(z) = -\ell'(z) = (\phi')^{-1}(-z),$$

and the maximizer $g(z)$ is the probability given to the *wrong* class. Where $\phi'$ stays finite
at 0, the loss is exactly zero from the separation margin $m = -\phi'(0)$ on.

Far out on the right side, and near the margin, the maximum is a small difference of large terms.
Nothing here computes it that way. For $z \ge 0$ the loss equals the Bregman divergence
$\mu\phi'(\mu) - \phi(\mu)$ at $\mu = g(z)$, which each loss states in a form without cancellation;
the left side follows from $\ell(-z) = \ell(z) + z$ and $g(-z) = 1 - g(z)$.

For several classes, label sets and rankings, see `StructuredLoss` and its makers; for the decoder
that turns their predictions into outputs, `randomized_decoding`.

Sources: Blondel, Martins and Niculae, "Learning with Fenchel-Young losses" (2020); for the binary
case and the separation margin, Bao, Sakaue and Takezawa, "Any-stepsize gradient descent for
separable data under Fenchel-Young losses" (2025), Section 2 and Table 1.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import norm
from jaxtyping import Array, ArrayLike, Float, Real

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
        value, g = _value_and_g(self, _scores(self.name, z, 0))
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

    def by_search(z: Array) -> tuple[Array, Array]:
        mu = _search(dphi, d2phi, z)
        return mu, bregman(mu)

    return BinaryLoss(
        f"Tsallis {q:g}",
        q / (q - 1) if q > 1 else math.inf,
        phi,
        dphi,
        d2phi,
        bregman,
        on_right={2: order_2, 1.5: order_3_halves, 0.5: order_half}.get(q, by_search),
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

    def by_search(z: Array) -> tuple[Array, Array]:
        mu = _search(dphi, d2phi, z)
        return mu, bregman(mu)

    return BinaryLoss(
        f"Rényi {q:g}",
        q / (q - 1) if q > 1 else math.inf,
        phi,
        dphi,
        d2phi,
        bregman,
        on_right=order_2 if q == 2 else by_search,
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


# --- Projections onto the simplex -----------------------------------------------------------


def sparsemax(scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*scores"]:
    """The point of the probability simplex closest to the scores, along the last axis.

    Scores may be as large as the dtype holds. Its derivative is the projection onto the tangent
    space of the face it lies on. Martins and Astudillo, "From softmax to sparsemax" (2016).

    Raises:
        ValueError: for scores with NaN, or without an axis of classes.
    """
    return _sparsemax(_scores("sparsemax", scores, 1))


def simplex_threshold(scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*batch"]:
    """The number tau for which max(scores - tau, 0) sums to 1 along the last axis.

    Raises:
        ValueError: as for `sparsemax`.
    """
    theta = _scores("simplex_threshold", scores, 1)
    top, below = _below_top(theta)
    return top + _threshold(below)


def _sparsemax(theta: Array) -> Array:
    _, below = _below_top(theta)
    tau = _threshold(below)[..., None]
    return jnp.where(below > tau, below - tau, 0)


def _below_top(theta: Array) -> tuple[Array, Array]:
    """The largest score, and how far below it each is; beyond 1 makes no difference."""
    top = jax.lax.stop_gradient(theta.max(-1))
    return top, jnp.maximum(theta - top[..., None], -1)


@jax.custom_jvp
def _threshold(below: Array) -> Array:
    # Newton's method on a piecewise linear equation (Michelot 1986): from the left it never
    # overshoots and ends exactly, mostly in a handful of rounds, where XLA's sort is slow.
    def refine(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        support, _, _ = state
        count = support.sum(-1)
        tau = (jnp.where(support, below, 0).sum(-1) - 1) / count
        kept = support & (below > tau[..., None])
        return kept, tau, (kept.sum(-1) < count).any()

    start = (below > -1, jnp.zeros(below.shape[:-1], below.dtype), jnp.array(True))
    return jax.lax.while_loop(lambda state: state[2], refine, start)[1]


@_threshold.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (below,), (tangent,) = primals, tangents
    tau = _threshold(below)
    support = below > tau[..., None]
    return tau, jnp.where(support, tangent, 0).sum(-1) / support.sum(-1)


# --- Several classes and structured outputs -------------------------------------------------


@dataclasses.dataclass(frozen=True)
class StructuredLoss:
    r"""A Fenchel-Young loss of a score vector or matrix theta.

    With $\Omega$ a convex function on a polytope of outputs,

    $$L_\Omega(\theta; y) = \Omega^*(\theta) + \Omega(y) - \langle\theta, y\rangle \ge 0,
    \qquad \nabla_\theta L_\Omega = \nabla\Omega^*(\theta) - y.$$

    Made by `simplex_loss`, `hypercube_loss`, `birkhoff_loss` and `polytope_loss`. All methods act
    on the last `event_ndim` axes, keep the floating dtype, and run under `jit` and `vmap`; they
    can be differentiated in the scores. Labels y are constants to them, and are not checked to
    lie in the polytope. Blondel, Martins and Niculae (2020), Definition 2 and Proposition 2.

    Attributes:
        name: the function Omega and the polytope.
        margin: on the simplex, how far the true score must lead for the loss to be exactly 0
            (infinity if it never is); elsewhere NaN.
        event_ndim: 1 for score vectors, 2 for score matrices.
        negentropy: Omega on the polytope.
        mean: the regularized prediction, without the checks of `predict`.
        loss: the loss, without the checks of `value`.
        violation: how far a point is from the polytope, by its worst constraint, where predictions
            are found by iterations that may end early; zero where they always lie in it.
    """

    name: str
    margin: float
    event_ndim: int
    negentropy: _Pointwise
    mean: _Pointwise
    loss: Callable[[Array, Array], Array]
    violation: Callable[[Array], Array] | None = None

    def predict(self, scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*scores"]:
        """The regularized prediction, the maximizer of <theta, y> - Omega(y) over the polytope.

        Raises:
            ValueError: for scores with NaN or with too few axes.
        """
        return self.mean(_scores(f"{self.name}.predict", scores, self.event_ndim))

    def error(self, scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*batch"]:
        """How far the prediction is from the polytope, by its worst constraint.

        Raises:
            ValueError: for scores with NaN or with too few axes.
        """
        theta = _scores(f"{self.name}.error", scores, self.event_ndim)
        if self.violation is None:
            return jnp.zeros(theta.shape[: -self.event_ndim], theta.dtype)
        return self.violation(self.mean(theta))

    def conjugate(self, scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*batch"]:
        """Omega*(theta); its gradient is the prediction.

        Raises:
            ValueError: for scores with NaN or with too few axes.
        """
        theta = _scores(f"{self.name}.conjugate", scores, self.event_ndim)
        return _conjugate(self, theta)

    def value(
        self, scores: Float[ArrayLike, "*scores"], labels: Real[ArrayLike, "*labels"]
    ) -> Float[Array, "*batch"]:
        """The loss, at least 0; its gradient in the scores is the prediction minus the labels.

        Args:
            scores: theta, with any batch axes in front.
            labels: y, of the same event shape; batch axes broadcast.

        Raises:
            ValueError: for scores with NaN or with too few axes, or shapes that do not fit.
        """
        theta = _scores(f"{self.name}.value", scores, self.event_ndim)
        y = jnp.asarray(labels, theta.dtype)
        events = theta.shape[-self.event_ndim :], y.shape[-self.event_ndim :]
        if events[0] != events[1]:
            raise ValueError(
                f"{self.name}.value: labels must have the event shape of the scores, {events[0]}; "
                f"got labels of shape {y.shape} for scores of shape {theta.shape}"
            )
        return _structured(self, *jnp.broadcast_arrays(theta, y))

    def __repr__(self) -> str:
        return f"StructuredLoss({self.name!r})"


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _structured(loss: StructuredLoss, theta: Array, y: Array) -> Array:
    return jnp.maximum(loss.loss(theta, y), 0)


@_structured.defjvp
def _(
    loss: StructuredLoss, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    (theta, y), (tangent, _) = primals, tangents
    return _structured(loss, theta, y), _dot(loss, loss.mean(theta) - y, tangent)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _conjugate(loss: StructuredLoss, theta: Array) -> Array:
    mean = loss.mean(theta)
    return _dot(loss, theta, mean) - loss.negentropy(mean)


@_conjugate.defjvp
def _(loss: StructuredLoss, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (theta,), (tangent,) = primals, tangents
    return _conjugate(loss, theta), _dot(loss, loss.mean(theta), tangent)


def _dot(loss: StructuredLoss, a: Array, b: Array) -> Array:
    return (a * b).sum(tuple(range(-loss.event_ndim, 0)))


ENTROPIES = ("shannon", "squared", "tsallis")


@functools.cache
def simplex_loss(entropy: str, q: float | int | None = None) -> StructuredLoss:
    """Multiclass losses; outputs are probability vectors along the last axis.

    - "shannon": Omega = sum p log p; softmax and cross-entropy.
    - "squared": Omega = (sum p^2 - 1) / 2; sparsemax and its loss. The margin is 1.
    - "tsallis" of order q > 0: Omega = (sum p^q - 1) / (q - 1); predictions by bisection (entmax).
      The margin is q / (q - 1) for q > 1. On two classes it is the binary `tsallis` loss of the
      difference of the scores.

    Raises:
        ValueError: for another entropy; for an order outside (0, inf); for an order given to an
            entropy that has none.
    """
    if entropy not in ENTROPIES:
        raise ValueError(f"simplex_loss: entropy must be one of {ENTROPIES}, got {entropy!r}")
    if entropy != "tsallis" and q is not None:
        raise ValueError(f"simplex_loss: {entropy!r} has no order, got q = {q!r}")
    if entropy == "tsallis" and (q is None or not (math.isfinite(q) and q > 0)):
        raise ValueError(f"simplex_loss: q must be finite and positive, got {q!r}")
    if entropy == "squared":
        return _simplex("squared norm on the simplex", 1.0, _half_square, _sparsemax)
    if entropy == "shannon" or q == 1:

        def cross_entropy(theta: Array, y: Array) -> Array:
            top = theta.max(-1, keepdims=True)
            others = jnp.where(jnp.arange(theta.shape[-1]) == theta.argmax(-1)[..., None], 0, 1)
            rest = jnp.log1p((others * jnp.exp(theta - top)).sum(-1))
            return rest + (y * (top - theta)).sum(-1) + _shannon_negentropy(y)

        return StructuredLoss(
            "Shannon on the simplex",
            math.inf,
            1,
            _shannon_negentropy,
            jax.nn.softmax,
            cross_entropy,
        )
    assert q is not None
    order = float(q)
    return _simplex(
        f"Tsallis {q:g} on the simplex",
        order / (order - 1) if order > 1 else math.inf,
        lambda p: ((p**order).sum(-1) - 1) / (order - 1),
        functools.partial(_entmax, order),
    )


def _simplex(name: str, margin: float, negentropy: _Pointwise, mean: _Pointwise) -> StructuredLoss:
    def loss(theta: Array, y: Array) -> Array:
        # Scores relative to the largest, so that nothing large is subtracted from its like.
        below = theta - theta.max(-1, keepdims=True)
        p = mean(theta)
        # A far-off score has no probability; 0 times minus infinity is 0 here.
        gain = jnp.where(p == y, 0, (p - y) * jnp.where(p == y, 0, below))
        return gain.sum(-1) + negentropy(y) - negentropy(p)

    return StructuredLoss(name, margin, 1, negentropy, mean, loss)


def _half_square(p: Array) -> Array:
    return ((p * p).sum(-1) - 1) / 2


def _shannon_negentropy(p: Array) -> Array:
    return jax.scipy.special.xlogy(p, p).sum(-1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _entmax(q: float, theta: Array) -> Array:
    """Bisection for the shift at which the Tsallis probabilities sum to 1."""
    scale = (q - 1) / q
    # With the top score at 0, the shift lies between -1, where the top alone has probability 1,
    # and the point where equal scores would share it; beyond q < 1 the signs turn.
    below = jnp.maximum((theta - theta.max(-1, keepdims=True)) * abs(scale), -_FAR)
    sign = math.copysign(1.0, scale)

    def probabilities(shift: Array) -> Array:
        base = jnp.maximum(sign * below + shift[..., None], 0)
        return jnp.where(base > 0, jnp.where(base > 0, base, 1) ** (1 / (q - 1)), 0)

    one = jnp.ones(theta.shape[:-1], theta.dtype)
    equal = one * theta.shape[-1] ** (1 - q)
    low, high = jnp.minimum(one, equal), jnp.maximum(one, equal)

    def halve(_: object, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        up = (probabilities(middle).sum(-1) < 1) == (sign > 0)
        return jnp.where(up, middle, low), jnp.where(up, high, middle)

    steps = 30 if theta.dtype.itemsize < 8 else 60
    low, high = jax.lax.fori_loop(0, steps, halve, (low, high))
    p = probabilities((low + high) / 2)
    return p / p.sum(-1, keepdims=True)


_FAR = 1e30  # a difference of scores that leaves no probability in any order


@_entmax.defjvp
def _(q: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (theta,), (tangent,) = primals, tangents
    p = _entmax(q, theta)
    curvature = jnp.where(p > 0, jnp.where(p > 0, p, 1) ** (2 - q), 0)
    shift = (curvature * tangent).sum(-1) / curvature.sum(-1)
    return p, curvature * (tangent - shift[..., None]) / q


@functools.cache
def hypercube_loss(entropy: str) -> StructuredLoss:
    """Multilabel losses; outputs lie in [0, 1]^d, one coordinate per label, along the last axis.

    - "shannon": one logistic loss per label.
    - "squared": Omega = sum y^2 / 2, the SparseMAP loss; predictions are scores clipped to [0, 1].

    Raises:
        ValueError: for another entropy.
    """
    if entropy == "shannon":
        binary = shannon()
        return StructuredLoss(
            "Shannon on the hypercube",
            math.nan,
            1,
            lambda y: binary.phi(y).sum(-1),
            jax.nn.sigmoid,
            # No term of this sum cancels another.
            lambda theta, y: (
                y * binary.value(theta) + (1 - y) * binary.value(-theta) + binary.phi(y)
            ).sum(-1),
        )
    if entropy == "squared":

        def clip(theta: Array) -> Array:
            return jnp.clip(theta, 0, 1)

        def loss(theta: Array, y: Array) -> Array:
            p = clip(theta)
            # (|y - theta|^2 - |p - theta|^2) / 2 in factors of equal sign.
            return ((y - p) * (y / 2 + p / 2 - theta)).sum(-1)

        return StructuredLoss(
            "squared norm on the hypercube",
            math.nan,
            1,
            lambda y: (y * y).sum(-1) / 2,
            clip,
            loss,
        )
    raise ValueError(
        f"hypercube_loss: entropy must be one of ('shannon', 'squared'), got {entropy!r}"
    )


@functools.cache
def birkhoff_loss(mu: float | int = 1.0, iterations: int = 200) -> StructuredLoss:
    """Ranking and matching; outputs are doubly stochastic n x n matrices on the last two axes.

    Omega = sum Y log Y / mu. The prediction scales exp(mu theta) to unit marginals by Sinkhorn's
    iterations in the log domain. These converge at a rate that depends on the spread of the scores;
    for a spread of mu theta beyond about 10, look at `error` and raise `iterations`.

    Raises:
        ValueError: unless mu and iterations are positive.
    """
    if not (math.isfinite(mu) and mu > 0):
        raise ValueError(f"birkhoff_loss: mu must be finite and positive, got {mu!r}")
    if iterations < 1:
        raise ValueError(f"birkhoff_loss: iterations must be at least 1, got {iterations!r}")

    def sinkhorn(theta: Array) -> Array:
        def scale(_: object, log_y: Array) -> Array:
            log_y = log_y - jax.nn.logsumexp(log_y, -1, keepdims=True)
            return log_y - jax.nn.logsumexp(log_y, -2, keepdims=True)

        return jnp.exp(jax.lax.fori_loop(0, iterations, scale, mu * theta))

    def negentropy(y: Array) -> Array:
        return jax.scipy.special.xlogy(y, y).sum((-2, -1)) / mu

    def loss(theta: Array, y: Array) -> Array:
        p = sinkhorn(theta)
        return (theta * (p - y)).sum((-2, -1)) + negentropy(y) - negentropy(p)

    return StructuredLoss(
        f"Shannon on doubly stochastic matrices, mu = {mu:g}",
        math.nan,
        2,
        negentropy,
        sinkhorn,
        loss,
        lambda y: jnp.maximum(jnp.abs(y.sum(-1) - 1).max(-1), jnp.abs(y.sum(-2) - 1).max(-1)),
    )


def polytope_loss(vertices: Float[ArrayLike, "*vertices"]) -> StructuredLoss:
    """No regularizer: Omega is the indicator of the polytope, Omega* its support function.

    The loss is how much better than y the best vertex scores; its subgradient uses that vertex,
    the first of several.

    Raises:
        ValueError: unless vertices is a finite matrix with at least one row.
    """
    points = jnp.asarray(vertices)
    if points.ndim != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(
            "polytope_loss: vertices must be a finite matrix, one vertex per row; "
            f"got shape {points.shape}"
        )

    def best(theta: Array) -> Array:
        return points[(theta @ points.T).argmax(-1)].astype(theta.dtype)

    return StructuredLoss(
        f"indicator of {len(points)} vertices",
        math.nan,
        1,
        lambda y: jnp.zeros(y.shape[:-1], y.dtype),
        best,
        lambda theta, y: (theta * (best(theta) - y)).sum(-1),
    )


# --- Randomized decoding --------------------------------------------------------------------


class Decoding(NamedTuple):
    """How a randomized decoder picks an output.

    Attributes:
        nearest: the vertex closest to the regularized prediction.
        explore: the probability of not returning it, but a random vertex whose mean is `mean`.
        mean: the regularized prediction.
    """

    nearest: Float[Array, "... dimension"]
    explore: Float[Array, ...]
    mean: Float[Array, "... dimension"]

    @property
    def expected(self) -> Float[Array, "*batch dimension"]:
        """The mean of the decoded output: an affine target loss of it is the expected target loss.

        On the simplex these are the probabilities of the classes.
        """
        explore = self.explore[..., None]
        return (1 - explore) * self.nearest + explore * self.mean


def randomized_decoding(
    mean: Float[ArrayLike, "*batch dimension"],
    nearest: Float[ArrayLike, "*nearest"],
    separation: float | int,
    order: int = 2,
) -> Decoding:
    """Returns the nearest vertex, or with probability min(1, 2 distance / separation) explores.

    Sakaue, Bao, Tsuchiya and Oki (2024), Algorithm 1.

    Args:
        mean: the regularized prediction, flattened to a vector.
        nearest: the vertex closest to it.
        separation: nu, the least distance between two vertices in the l_order norm.
        order: 1 or 2, of the norm.

    Raises:
        ValueError: if the shapes differ, the separation is not positive, or the order is another.
    """
    mean, nearest = jnp.asarray(mean), jnp.asarray(nearest)
    if mean.shape != nearest.shape:
        raise ValueError(
            "randomized_decoding: nearest must have the shape of mean, "
            f"{mean.shape}; got {nearest.shape}"
        )
    if not separation > 0 or order not in (1, 2):
        raise ValueError(
            "randomized_decoding: separation must be positive and order 1 or 2; "
            f"got {separation!r} and {order!r}"
        )
    difference = jnp.abs(nearest - mean)
    distance = difference.sum(-1) if order == 1 else jnp.sqrt((difference**2).sum(-1))
    return Decoding(nearest, jnp.minimum(1, 2 * distance / separation), mean)


def _scores(where: str, scores: ArrayLike, event_ndim: int) -> Array:
    """The scores as a floating array; checked for NaN where their values are known."""
    theta = jnp.asarray(scores)
    theta = theta if jnp.issubdtype(theta.dtype, jnp.floating) else theta.astype(float)
    if theta.ndim < event_ndim or 0 in theta.shape[theta.ndim - event_ndim :]:
        raise ValueError(
            f"{where}: scores need at least {event_ndim} non-empty axes, got shape {theta.shape}"
        )
    if not isinstance(theta, jax.core.Tracer) and bool(jnp.isnan(theta).any()):
        raise ValueError(f"{where}: scores must not contain NaN, got {int(jnp.isnan(theta).sum())}")
    return theta
