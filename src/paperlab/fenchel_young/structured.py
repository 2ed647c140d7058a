"""Losses of several classes, label sets, rankings and the vertices of any polytope."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Real

from paperlab._checks import require_scores
from paperlab.fenchel_young.binary import shannon
from paperlab.fenchel_young.simplex import sparsemax_unchecked

_Pointwise = Callable[[Array], Array]


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
        return self.mean(require_scores(f"{self.name}.predict", scores, self.event_ndim))

    def error(self, scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*batch"]:
        """How far the prediction is from the polytope, by its worst constraint.

        Raises:
            ValueError: for scores with NaN or with too few axes.
        """
        theta = require_scores(f"{self.name}.error", scores, self.event_ndim)
        if self.violation is None:
            return jnp.zeros(theta.shape[: -self.event_ndim], theta.dtype)
        return self.violation(self.mean(theta))

    def conjugate(self, scores: Float[ArrayLike, "*scores"]) -> Float[Array, "*batch"]:
        """Omega*(theta); its gradient is the prediction.

        Raises:
            ValueError: for scores with NaN or with too few axes.
        """
        theta = require_scores(f"{self.name}.conjugate", scores, self.event_ndim)
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
        theta = require_scores(f"{self.name}.value", scores, self.event_ndim)
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
        return _simplex("squared norm on the simplex", 1.0, _half_square, sparsemax_unchecked)
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
