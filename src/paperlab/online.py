"""Online learning: one loop for every learner, pluggable stepsizes, and the best comparator.

A learner holds a point, meets a round, and is told a loss, a gradient and what its prediction
costs. `run` is that loop, compiled; a stepsize rule and an update make it online gradient descent,
follow the regularized leader, or any mixture of the two. `best_comparator` solves for the point
that would have been best in hindsight, with a certificate.

Source: Orabona, "A modern introduction to online learning" (2019), Chapters 2, 4 and 7.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, ArrayLike, Float

from paperlab._checks import require_positive

_Floats = np.ndarray[Any, np.dtype[np.float64]]

# --- What happens in a round ------------------------------------------------------------------


class Outcome(NamedTuple):
    """What a learner is told after a round.

    Attributes:
        surrogate: the loss whose gradient it follows, at its point.
        target: what its prediction costs, in expectation over its own randomness.
        gradient: of the surrogate at its point.
        info: anything else to keep, a pytree of arrays.
    """

    surrogate: Float[Array, ""]
    target: Float[Array, ""]
    gradient: Float[Array, ...]
    info: Any = ()


class History(NamedTuple):
    """What a run leaves behind.

    Attributes:
        surrogate: surrogate loss of each round.
        target: target loss of each round.
        stepsize: of each round.
        gradient_norm: Euclidean (Frobenius) norm of each round's gradient.
        info: as the rounds gave it, with a leading axis of rounds.
        average: mean of the points that were played.
        final: the point after the last round.
    """

    surrogate: Float[Array, " rounds"]
    target: Float[Array, " rounds"]
    stepsize: Float[Array, " rounds"]
    gradient_norm: Float[Array, " rounds"]
    info: Any
    average: Float[Array, ...]
    final: Float[Array, ...]


# --- Stepsizes --------------------------------------------------------------------------------


class Stepsize(NamedTuple):
    """A stepsize rule: a state, and how an outcome turns it into a stepsize and the next state."""

    start: Any
    update: Callable[[Any, Outcome], tuple[Array, Any]]


def constant(eta: float | Float[Array, ""]) -> Stepsize:
    """The same stepsize in every round.

    Raises:
        ValueError: for a number that is not positive and finite.
    """
    require_positive("constant", "eta", eta)
    return Stepsize((), lambda state, outcome: (jnp.asarray(eta, float), state))


def adagrad(scale: float | Float[Array, ""]) -> Stepsize:
    """`scale` over the root of the sum of squared gradient norms so far, this round's included.

    With scale D / sqrt(2), where D is the diameter of the domain, the regret of projected gradient
    descent is at most sqrt(2) D times the root of the sum of squared gradient norms. Orabona
    (2019), Theorem 4.14.

    Raises:
        ValueError: for a number that is not positive and finite.
    """
    require_positive("adagrad", "scale", scale)

    def update(total: Array, outcome: Outcome) -> tuple[Array, Array]:
        total = total + _squared_norm(outcome.gradient)
        return jnp.where(total > 0, scale / jnp.sqrt(jnp.where(total > 0, total, 1)), 0), total

    return Stepsize(0.0, update)


def polyak(largest: float | Float[Array, ""] = math.inf) -> Stepsize:
    """As large as the gap between surrogate and target loss allows, and never growing.

    eta_t = min(eta_{t-1}, 2 (surrogate - target) / squared gradient norm); a round without gradient
    leaves it alone. Sakaue, Bao and Cao (2026), Section 3.4.

    Args:
        largest: the stepsize to start from.
    """

    def update(eta: Array, outcome: Outcome) -> tuple[Array, Array]:
        norm = _squared_norm(outcome.gradient)
        flat = norm < _FLAT
        cap = 2 * (outcome.surrogate - outcome.target) / jnp.where(flat, 1, norm)
        eta = jnp.where(flat, eta, jnp.minimum(eta, jnp.maximum(cap, 0)))
        return jnp.where(flat, 0, eta), eta

    return Stepsize(largest, update)


_FLAT = 1e-18  # a squared gradient norm below this moves nothing


# --- Updates ----------------------------------------------------------------------------------

# From the point, the sum of all gradients, this round's gradient and stepsize to the next point.
Update = Callable[[Array, Array, Array, Array], Array]


def descent(project: Callable[[Array], Array] = lambda point: point) -> Update:
    """Projected online gradient descent: project(point - eta gradient).

    Args:
        project: onto the domain, for instance `optax.projections.projection_l2_ball` with a radius;
            the identity leaves the domain unbounded.
    """
    return lambda point, total, gradient, eta: project(point - eta * gradient)


def follow_the_regularized_leader(mirror: Callable[[Array], Array]) -> Update:
    """The point that is best for all gradients so far and a regularizer divided by eta.

    Args:
        mirror: the gradient of the regularizer's conjugate, applied to -eta times the sum of the
            gradients. `jax.nn.softmax` for negative entropy on the simplex;
            `fenchel_young.sparsemax` for half the squared norm there.
    """
    return lambda point, total, gradient, eta: mirror(-eta * total)


# --- The loop ---------------------------------------------------------------------------------


def run(
    play: Callable[[Array, Any], Outcome],
    rounds: Any,
    start: Float[ArrayLike, "*point"],
    stepsize: Stepsize,
    update: Update | None = None,
) -> History:
    """Plays all rounds, one after the other.

    Runs under `jit` and `vmap`, over rounds, starts and the numbers in a stepsize rule.

    Args:
        play: from the learner's point and a round to the outcome. An adversary may look at the
            point.
        rounds: a pytree of arrays with a leading axis of rounds.
        start: the first point.
        stepsize: from `constant`, `adagrad`, `polyak`.
        update: from `descent` (the default) or `follow_the_regularized_leader`.

    Raises:
        ValueError: if there are no rounds, their leading axes differ in length, or the gradient
            does not have the shape of the point.
    """
    lengths = {np.shape(leaf)[0] if np.ndim(leaf) else 0 for leaf in jax.tree.leaves(rounds)}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            "run: rounds need the same leading axis of at least 1 round; "
            f"got leading axes of lengths {sorted(lengths)}"
        )
    (count,) = lengths
    first = jnp.asarray(start, float)
    move = descent() if update is None else update

    def step(carry: tuple[Array, Array, Array, Any], round_: Any) -> tuple[Any, Any]:
        point, total, points, state = carry
        outcome = play(point, round_)
        if outcome.gradient.shape != point.shape:
            raise ValueError(
                f"run: the gradient must have the point's shape {point.shape}; "
                f"play returned one of shape {outcome.gradient.shape}"
            )
        eta, state = stepsize.update(state, outcome)
        total = total + outcome.gradient
        norm = jnp.sqrt(_squared_norm(outcome.gradient))
        kept = (outcome.surrogate, outcome.target, eta, norm, outcome.info)
        return (move(point, total, outcome.gradient, eta), total, points + point, state), kept

    zero = jnp.zeros_like(first)
    state = jax.tree.map(lambda leaf: jnp.asarray(leaf, first.dtype), stepsize.start)
    (final, _, points, _), kept = jax.lax.scan(step, (first, zero, zero, state), rounds)
    surrogate, target, eta, norm, info = kept
    return History(surrogate, target, eta, norm, info, points / count, final)


# --- The best point in hindsight -----------------------------------------------------------------


class Comparator(NamedTuple):
    """The minimizer of a strongly convex objective.

    Attributes:
        point: where the solver stopped.
        value: the objective there.
        lower: what the minimum is at least, by strong convexity: the value minus the squared norm
            of the gradient over 2 m.
    """

    point: Float[Array, ...]
    value: float
    lower: float


def best_comparator(
    objective: Callable[..., Array],
    start: Float[ArrayLike, "*point"],
    *data: Any,
    strong_convexity: float,
    tolerance: float = 1e-6,
) -> Comparator:
    """Minimizes a smooth, strongly convex objective with L-BFGS and certifies the result.

    A guarantee "for every U: learner <= sum of S_t(U) + c times the squared norm of U" holds for
    all U at once exactly if it holds for the minimum of the right-hand side. That is one convex
    program, with strong convexity 2 c; compare the learner with `lower`.

    Args:
        objective: of the point and the data, to a scalar; compiled once per function. Wants
            64-bit floats.
        start: where to begin.
        *data: further arguments of the objective.
        strong_convexity: the modulus m, in the Euclidean norm.
        tolerance: largest certified error of the value, relative to the larger of it and 1.

    Raises:
        ValueError: if the strong convexity is not positive.
        RuntimeError: if the solver stops before the tolerance is certified.
    """
    require_positive("best_comparator", "strong_convexity", strong_convexity)
    first = np.asarray(start, np.float64)
    evaluate = _value_and_gradient(objective)

    def flat(x: _Floats) -> tuple[float, _Floats]:
        value, gradient = evaluate(jnp.asarray(x.reshape(first.shape)), *data)
        return float(value), np.asarray(gradient, np.float64).ravel()

    # Its own criterion is relative to the value; ours is on the gradient, through `lower`.
    options = {"maxiter": 5000, "maxfun": 10000, "ftol": 0.0, "gtol": 1e-9, "maxcor": 30}
    solution = scipy.optimize.minimize(
        flat, first.ravel(), jac=True, method="L-BFGS-B", options=options
    )
    value, gradient = flat(solution.x)
    lower = value - float(gradient @ gradient) / (2 * strong_convexity)
    if not value - lower <= tolerance * max(1.0, abs(value)):
        raise RuntimeError(
            f"best_comparator: stopped at {value} with a minimum known to be at least {lower} only "
            f"({solution.message})"
        )
    return Comparator(jnp.asarray(solution.x.reshape(first.shape)), value, lower)


@functools.cache
def _value_and_gradient(objective: Callable[..., Array]) -> Callable[..., tuple[Array, Array]]:
    return jax.jit(jax.value_and_grad(objective))


def _squared_norm(gradient: Array) -> Array:
    return jnp.sum(gradient**2)
