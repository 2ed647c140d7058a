"""Estimates: a measured number, its interval, and the replicates it rests on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy  # its parts load when they are used
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
ANYWHERE = (-math.inf, math.inf)

Samples = np.ndarray[Any, np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its confidence interval.

    Attributes:
        value: the point estimate.
        low: lower end of the interval at level `CONFIDENCE`; equals `value` when the quantity is
            computed rather than sampled.
        high: upper end; likewise.
        n: how many replicates (or, for a computed quantity, values) it rests on.
        method: name of the interval's method.
        sampled: whether another draw could have given another number.
        within: the range of the quantity, which no interval leaves.
        samples: one number per replicate, where the estimate is a mean of them.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    sampled: bool = True
    within: tuple[float, float] = ANYWHERE
    samples: Samples | None = dataclasses.field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def __sub__(self, constant: float) -> Estimate:
        """The same measurement from another origin, such as a bound's own exponent."""
        samples = None if self.samples is None else self.samples - constant
        return dataclasses.replace(
            self,
            value=self.value - constant,
            low=self.low - constant,
            high=self.high - constant,
            within=(self.within[0] - constant, self.within[1] - constant),
            samples=samples,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the replicates."""
        plain: dict[str, Any] = {
            name: getattr(self, name) for name in ("value", "low", "high", "n", "method", "sampled")
        }
        return plain if self.within == ANYWHERE else plain | {"within": list(self.within)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Estimate:
        """The inverse of `to_json`."""
        return cls(**plain | {"within": tuple(plain.get("within", ANYWHERE))})


def _flat(values: ArrayLike) -> Samples:
    return np.asarray(values, dtype=np.float64).ravel()


def _undefined(n: int, method: str) -> Estimate:
    """What a maker returns for a sample it cannot use; `Ledger.record` refuses it by name."""
    return Estimate(math.nan, math.nan, math.nan, n, method)


def exact(value: float, n: int = 1) -> Estimate:
    """A computed number: no sampling, hence an interval of zero width."""
    return Estimate(float(value), float(value), float(value), n, "exact", sampled=False)


def residual(values: ArrayLike) -> Estimate:
    """The largest absolute entry of `values`, for identities that hold up to rounding."""
    values = _flat(values)
    if values.size == 0:
        return _undefined(0, "exact")
    return exact(float(np.max(np.abs(values))), values.size)


def mean(samples: ArrayLike, within: tuple[float, float] = ANYWHERE) -> Estimate:
    """Mean over replicates with Student's t interval; a constant sample is a computed number.

    Args:
        samples: one number per independent replicate, at least two.
        within: the range of the quantity, `(0, 1)` for a share; the interval is cut to it, which
            keeps its coverage.

    Raises:
        ValueError: if a sample lies outside `within`.
    """
    samples = _flat(samples)
    if samples.size < 2:
        return _undefined(samples.size, "Student t")
    value = float(np.mean(samples))
    if not math.isfinite(value):
        return _undefined(samples.size, "Student t")
    if (samples < within[0]).any() or (samples > within[1]).any():
        raise ValueError(
            f"mean: samples from {samples.min():g} to {samples.max():g} are not within {within}"
        )
    if (samples == samples[0]).all():
        return dataclasses.replace(
            exact(float(samples[0]), samples.size), method="constant sample", within=within
        )
    half = float(scipy.stats.sem(samples)) * _t_quantile(samples.size)
    low, high = max(value - half, within[0]), min(value + half, within[1])
    return Estimate(
        value, low, high, samples.size, "Student t", within=within, samples=samples.copy()
    )


def _t_quantile(n: int) -> float:
    return float(scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1))


def paired_difference(treatment: ArrayLike, baseline: ArrayLike) -> Estimate:
    """Mean of `treatment - baseline` over paired replicates, Student's t interval.

    Raises:
        ValueError: if the two samples differ in length.
    """
    a, b = _flat(treatment), _flat(baseline)
    if a.size != b.size:
        raise ValueError(
            f"paired_difference: treatment has {a.size} replicates and baseline {b.size}; "
            "pairs need as many of each"
        )
    difference = mean(a - b)
    paired = difference.method == "Student t"
    return dataclasses.replace(difference, method="paired Student t") if paired else difference


def proportion(outcomes: ArrayLike) -> Estimate:
    """Share of true outcomes with Wilson's score interval, which equal outcomes do not collapse.

    Args:
        outcomes: one boolean per independent trial.

    Raises:
        ValueError: if an outcome is neither 0 nor 1.
    """
    outcomes = _flat(outcomes)
    if outcomes.size == 0:
        return _undefined(0, "Wilson")
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise ValueError("proportion: outcomes must be booleans (0 or 1)")
    return dataclasses.replace(wilson(int(outcomes.sum()), outcomes.size), samples=outcomes.copy())


def wilson(successes: int, trials: int) -> Estimate:
    """A share from counts, with Wilson's score interval.

    Raises:
        ValueError: if there is no trial, or not between 0 and `trials` successes.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"wilson: expected 0 <= successes <= trials, got {successes} of {trials}")
    test = scipy.stats.binomtest(successes, trials)
    interval = test.proportion_ci(CONFIDENCE, method="wilson")
    low, high = float(interval.low), float(interval.high)
    return Estimate(successes / trials, low, high, trials, "Wilson", within=(0.0, 1.0))


def correlation(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Pearson's correlation over independent pairs with Fisher's interval, which stays in [-1, 1].

    Args:
        x: one number per pair, at least four; not constant.
        y: likewise.

    Raises:
        ValueError: if the lengths differ.
    """
    x, y = _flat(x), _flat(y)
    if x.size != y.size:
        raise ValueError(f"correlation: x has {x.size} numbers and y {y.size}; pairs need as many")
    if x.size < 4 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return _undefined(x.size, "Fisher z")
    result = scipy.stats.pearsonr(x, y)
    interval = result.confidence_interval(CONFIDENCE)
    ends = float(interval.low), float(interval.high)
    return Estimate(float(result.statistic), *ends, x.size, "Fisher z", within=(-1.0, 1.0))


def slope(x: ArrayLike, y: ArrayLike) -> Estimate:
    """Slope of log y against log x by least squares.

    With one curve, `y` of shape (points,), the interval is the regression's own. With replicated
    curves, `y` of shape (replicates, points), one slope is fitted per replicate and the interval
    is Student's t over replicates.

    Raises:
        ValueError: if shapes disagree, fewer than three points are given, or an entry is not
            positive.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or y.ndim not in (1, 2) or y.shape[-1] != x.size or x.size < 3:
        raise ValueError(
            "slope: needs x of shape (points,) with at least 3 points and y of shape (points,) "
            f"or (replicates, points); got {x.shape} and {y.shape}"
        )
    if not ((x > 0).all() and (y > 0).all()):
        raise ValueError("slope: x and y must be positive; their logarithms are fitted")
    if y.ndim == 2:
        slopes = [np.polyfit(np.log(x), np.log(row), 1)[0] for row in y]
        return dataclasses.replace(mean(slopes), method="log-log slopes, Student t")
    fit = scipy.stats.linregress(np.log(x), np.log(y))
    half = float(fit.stderr * scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, x.size - 2))
    value = float(fit.slope)
    return Estimate(value, value - half, value + half, x.size, "log-log regression")


def bootstrap(samples: ArrayLike, statistic: Callable[..., Any], seed: int) -> Estimate:
    """Any statistic of independent replicates with the percentile bootstrap.

    Args:
        samples: one number per replicate, at least two.
        statistic: a function of an array and `axis`, for instance `numpy.median`.
        seed: of the resampling; pass the notebook's `SEED`.
    """
    samples = _flat(samples)
    method = "percentile bootstrap"
    if samples.size < 2:
        return _undefined(samples.size, method)
    value = float(statistic(samples, axis=0))
    if (samples == samples[0]).all():
        return dataclasses.replace(exact(value, samples.size), method="constant sample")
    low, high = _percentile_interval([samples], statistic, seed)
    return Estimate(value, low, high, samples.size, method)


def interquartile_mean(scores: ArrayLike, seed: int) -> Estimate:
    """Mean of the middle half of all scores, with a bootstrap that resamples each task apart.

    For tasks of different scale, where a mean is one task's and a median wastes the others
    (Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, 2021).

    Args:
        scores: of shape (tasks, replicates), at least two replicates.
        seed: of the resampling; pass the notebook's `SEED`.

    Raises:
        ValueError: if `scores` is not of that shape.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2:
        raise ValueError(
            f"interquartile_mean: needs scores of shape (tasks, replicates), got {scores.shape}"
        )
    method = "stratified bootstrap"
    if scores.shape[1] < 2 or scores.size == 0:
        return _undefined(scores.shape[1], method)
    value = float(scipy.stats.trim_mean(scores, 0.25, axis=None))
    if (scores == scores[:, :1]).all():
        return dataclasses.replace(exact(value, scores.shape[1]), method="constant sample")

    def statistic(*tasks: Samples, axis: int) -> Any:
        return scipy.stats.trim_mean(np.concatenate(tasks, axis), 0.25, axis)

    low, high = _percentile_interval(list(scores), statistic, seed)
    return Estimate(value, low, high, scores.shape[1], method)


def _percentile_interval(
    samples: Sequence[Samples], statistic: Callable[..., Any], seed: int
) -> tuple[float, float]:
    result = scipy.stats.bootstrap(
        samples,
        statistic,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def difference_of(first: Estimate, second: Estimate) -> Estimate | None:
    """Mean of `first - second` where both carry replicates: paired if they are as many, else Welch.

    None where the replicates are not at hand, or nothing varies.
    """
    a, b = first.samples, second.samples
    if a is None or b is None:
        return None
    if a.size == b.size:
        return paired_difference(a, b)
    interval = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(CONFIDENCE)
    value = float(a.mean() - b.mean())
    return Estimate(value, float(interval.low), float(interval.high), min(a.size, b.size), "Welch")
