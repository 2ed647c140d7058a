"""Whether stated confidences can be believed: proper scores, calibration error, risk and coverage.

NumPy in double precision: these are measures of what was predicted, made once after a run.
Isotonic regression, the usual cure, is scikit-learn's.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float, Int, Shaped

from paperlab._checks import require_shape


def brier_score(
    probability: Shaped[ArrayLike, "*batch n"], outcome: Shaped[ArrayLike, "*batch n"]
) -> Float[np.ndarray, "*batch"]:
    """The mean squared difference between a probability and what happened. Brier (1950).

    Args:
        probability: of the event, in [0, 1].
        outcome: 1 where the event happened, 0 where not; its probability gives the expected score.

    Raises:
        ValueError: for probabilities or outcomes outside [0, 1], for shapes that differ, or for
            no predictions.
    """
    p, y = _require_predictions("brier_score", "probability", probability, outcome)
    return np.asarray(np.square(p - y).mean(-1))


def log_loss(
    probability: Shaped[ArrayLike, "*batch n"], outcome: Shaped[ArrayLike, "*batch n"]
) -> Float[np.ndarray, "*batch"]:
    """The mean of minus the logarithm of the probability given to what happened, in nats.

    Infinite where something happened that was given probability 0. Good (1952).

    Args:
        probability: of the event, in [0, 1].
        outcome: 1 where the event happened, 0 where not; its probability gives the expected score.

    Raises:
        ValueError: as `brier_score`.
    """
    p, y = _require_predictions("log_loss", "probability", probability, outcome)
    with np.errstate(divide="ignore", invalid="ignore"):
        event = np.where(y > 0, y * np.log(p), 0.0)
        none = np.where(y < 1, (1 - y) * np.log1p(-p), 0.0)
    return np.asarray(-(event + none).mean(-1))


def expected_calibration_error(
    confidence: Shaped[ArrayLike, "*n_and_classes"],
    outcome: Shaped[ArrayLike, "*n_and_classes"],
    bins: int = 10,
) -> float:
    """The mean distance between stated and observed frequency, over bins of equal width.

    The sum over bins of the share of predictions in a bin times |mean confidence - mean outcome|.
    Bins are closed on the left, [k / bins, (k + 1) / bins), and the last one holds 1. Naeini,
    Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (2015).

    It is biased upwards: see `null_calibration_error`. With the true probabilities as `outcome` it
    is the error that infinitely many outcomes for the same confidences would show.

    Args:
        confidence: one number a prediction, or one a class. Vectors are put into the same bin where
            all their entries are, and distances are summed over classes ("full" error).
        outcome: 1 where the event happened and 0 where not, or its probability; of the same shape.
        bins: of each number, at least 1.

    Raises:
        ValueError: for values outside [0, 1], shapes that differ, no predictions, or no bins.
    """
    where = "expected_calibration_error"
    p, y = _require_predictions(where, "confidence", confidence, outcome)
    if p.ndim > 2:
        raise ValueError(f"{where}: confidence must have one axis or two, got shape {p.shape}")
    columns = (p - y).reshape(len(p), -1)
    group = _bin_of(where, p.reshape(len(p), -1), bins)
    return float(sum(np.abs(np.bincount(group, column)).sum() for column in columns.T) / len(p))


def null_calibration_error(confidence: Shaped[ArrayLike, " n"], bins: int = 10) -> float:
    """What `expected_calibration_error` is on average if every confidence is exactly right.

    The bias of the estimator: it measures finite bins, and no fault of the predictions. Computed
    exactly, from the distribution of the number of successes in each bin. Bröcker and Smith,
    "Increasing the reliability of reliability diagrams" (2007), sample it instead.

    Args:
        confidence: in [0, 1]; a bin of m predictions costs m^2 operations.
        bins: of equal width, at least 1.

    Raises:
        ValueError: for values outside [0, 1], more than one axis, no predictions, or no bins.
    """
    where = "null_calibration_error"
    p, _ = _require_predictions(where, "confidence", confidence, confidence)
    require_shape(f"{where}: confidence", p.shape, (p.size,))
    group = _bin_of(where, p[:, None], bins)
    return sum(_mean_deviation(p[group == b]) for b in range(group.max() + 1)) / len(p)


class RiskCoverage(NamedTuple):
    """The curve of `risk_coverage`, and the area under it."""

    coverage: Float[np.ndarray, " n"]
    risk: Float[np.ndarray, " n"]
    area: float


def risk_coverage(
    confidence: Shaped[ArrayLike, " n"], outcome: Shaped[ArrayLike, " n"]
) -> RiskCoverage:
    """The share of wrong answers among the k most confident ones, for k = 1, ..., n.

    Answers of equal confidence come in any order: the curve is the mean over all their orders, so
    that it depends on no sorting. The area is the trapezoidal rule from coverage 1 / n to 1.
    Geifman and El-Yaniv, "Selective classification for deep neural networks" (2017).

    Args:
        confidence: by which answers are ranked; any finite numbers.
        outcome: 1 for a right answer and 0 for a wrong one, or its probability of being right.

    Raises:
        ValueError: for outcomes outside [0, 1], confidences that are not finite, shapes that
            differ, more than one axis, or no answers.
    """
    where = "risk_coverage"
    s = np.asarray(confidence, float)
    if not np.isfinite(s).all():
        raise ValueError(f"{where}: confidence must be finite, got {s[~np.isfinite(s)][0]}")
    _, y = _require_predictions(where, "confidence", np.zeros_like(s), outcome)
    require_shape(f"{where}: confidence", s.shape, (s.size,))
    level = np.unique(-s, return_inverse=True)[1]
    size, wrong = np.bincount(level), np.bincount(level, 1 - y)
    # Within ties the expected number of errors grows linearly.
    k = np.arange(1, len(s) + 1)
    errors = np.interp(k, np.append(0, np.cumsum(size)), np.append(0, np.cumsum(wrong)))
    coverage, risk = k / len(s), errors / k
    return RiskCoverage(coverage, risk, float(np.trapezoid(risk, coverage)))


def _require_predictions(
    where: str, name: str, probability: ArrayLike, outcome: ArrayLike
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """Both as arrays of one shape with values in [0, 1]."""
    p, y = np.asarray(probability, float), np.asarray(outcome, float)
    require_shape(f"{where}: outcome", y.shape, p.shape)
    if p.ndim == 0 or p.size == 0:
        raise ValueError(f"{where}: {name} must hold at least one prediction, got shape {p.shape}")
    for argument, values in ((name, p), ("outcome", y)):
        outside = values[~((values >= 0) & (values <= 1))]
        if outside.size:
            raise ValueError(f"{where}: {argument} must be in [0, 1], got {outside[0]}")
    return p, y


def _bin_of(
    where: str, columns: Float[np.ndarray, "n classes"], bins: int
) -> Int[np.ndarray, " n"]:
    """A number for each prediction; equal where all its entries lie in the same bins."""
    if bins < 1:
        raise ValueError(f"{where}: bins must be at least 1, got {bins!r}")
    each = np.clip(np.digitize(columns, np.linspace(0, 1, bins + 1)) - 1, 0, bins - 1)
    group = np.zeros(len(each), int)
    for bin_of in each.T:  # one class after the other, so that no code grows large
        group = np.unique(group * bins + bin_of, return_inverse=True)[1]
    return group


def _mean_deviation(p: Float[np.ndarray, " m"]) -> float:
    """E |K - E K| for the number K of successes of independent events of probabilities p."""
    count = functools.reduce(np.convolve, [np.array([1 - q, q]) for q in p])
    return float(np.abs(np.arange(len(p) + 1) - p.sum()) @ count)
