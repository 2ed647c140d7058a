"""Tests and those who take them: paired outcomes, guessing, answer keys, correction for chance.

NumPy and scipy.stats: these count what happened. Outcomes are 0 or 1 (failed or passed), options
of a question are numbered from 0 (A, B, C, ...).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Int, Shaped
from scipy import stats

from paperlab._checks import require_shape

_TAILS = ("two-sided", "greater", "less")


class PairedOutcomes(NamedTuple):
    """The four counts of the same instances tried twice, with and without a treatment."""

    repairs: Int[np.ndarray, "*batch"]
    """Failed at base, passed when treated."""
    regressions: Int[np.ndarray, "*batch"]
    """Passed at base, failed when treated."""
    both: Int[np.ndarray, "*batch"]
    """Passed twice."""
    neither: Int[np.ndarray, "*batch"]
    """Failed twice."""

    @property
    def net(self) -> Int[np.ndarray, "*batch"]:
        """Repairs minus regressions."""
        return np.asarray(self.repairs - self.regressions)

    @property
    def effect(self) -> Float[np.ndarray, "*batch"]:
        """The difference of the two success rates, which is the net count over all instances."""
        return np.asarray(self.net / (self.repairs + self.regressions + self.both + self.neither))

    @property
    def repair_rate(self) -> Float[np.ndarray, "*batch"]:
        """Repairs as a share of the failures at base; NaN where nothing failed."""
        return _share(self.repairs, self.repairs + self.neither)

    @property
    def regression_rate(self) -> Float[np.ndarray, "*batch"]:
        """Regressions as a share of the successes at base; NaN where nothing passed."""
        return _share(self.regressions, self.regressions + self.both)

    def p_value(
        self, alternative: Literal["two-sided", "greater", "less"] = "two-sided"
    ) -> Float[np.ndarray, "*batch"]:
        """McNemar's exact test: without an effect, repairs are half of the changes, binomially.

        McNemar (1947), in the conditional form. It is 1 where no instance changed.

        Args:
            alternative: "greater" asks whether the treatment helps, "less" whether it harms.

        Raises:
            ValueError: for an unknown alternative.
        """
        if alternative not in _TAILS:
            raise ValueError(f"p_value: alternative must be one of {_TAILS}, got {alternative!r}")
        null = stats.binom(self.repairs + self.regressions, 0.5)
        helps, harms = null.sf(self.repairs - 1), null.cdf(self.repairs)
        if alternative == "two-sided":
            return np.asarray(np.minimum(1.0, 2 * np.minimum(helps, harms)))
        return np.asarray(helps if alternative == "greater" else harms)


def paired_outcomes(
    base: Shaped[ArrayLike, "*batch n"], treated: Shaped[ArrayLike, "*batch n"]
) -> PairedOutcomes:
    """Counts repairs and regressions over the last axis.

    Args:
        base: outcome of each instance without the treatment, 0 or 1.
        treated: outcome of the same instances with it, in the same order.

    Raises:
        ValueError: for outcomes other than 0 and 1, for shapes that differ, or for no instance.
    """
    b, s = (_require_outcomes(name, x) for name, x in (("base", base), ("treated", treated)))
    require_shape("paired_outcomes: treated", s.shape, b.shape)
    cells = (~b & s, b & ~s, b & s, ~b & ~s)
    return PairedOutcomes(*(np.asarray(cell.sum(-1)) for cell in cells))


def answer_from_prior(
    rng: np.random.Generator,
    key: Int[ArrayLike, "*batch"],
    knows: Shaped[ArrayLike, "*#batch"],
    prior: Float[ArrayLike, " options"],
) -> Int[np.ndarray, "*batch"]:
    """The answers of one who knows some questions and guesses the others by habit.

    The expected accuracy is `knows + (1 - knows) * prior[key]`, averaged over questions.

    Args:
        rng: draws what is known and what is guessed.
        key: the right option of each question.
        knows: probability to know a question; a number, or an array that broadcasts over `key`.
        prior: probability of each option as a guess.

    Raises:
        ValueError: for a key outside the options, `knows` outside [0, 1], or a prior that is
            negative or does not sum to 1.
    """
    where = "answer_from_prior"
    p = np.asarray(prior, float)
    if p.ndim != 1 or not (p >= 0).all() or not np.isclose(p.sum(), 1):
        raise ValueError(f"{where}: prior must be probabilities that sum to 1, got {p}")
    right = _require_key(where, key, p.size)
    known = np.asarray(knows, float)
    if not ((known >= 0) & (known <= 1)).all():
        raise ValueError(f"{where}: knows must lie in [0, 1], got {knows!r}")
    guess = rng.choice(p.size, size=right.shape, p=p / p.sum())
    return np.where(rng.random(right.shape) < known, right, guess)


def shuffle_key(
    rng: np.random.Generator, key: Int[ArrayLike, "*batch n"], options: int
) -> tuple[Int[np.ndarray, "*batch n options"], Int[np.ndarray, "*batch n"]]:
    """Puts the options of each question into a random order.

    Args:
        rng: draws one order a question, uniformly.
        key: the right option of each question.
        options: of each question, at least 2.

    Returns:
        For each question the old option at each new place, and the new place of the right one.

    Raises:
        ValueError: for fewer than two options, or a key outside them.
    """
    if options < 2:
        raise ValueError(f"shuffle_key: options must be at least 2, got {options}")
    right = _require_key("shuffle_key", key, options)
    order = rng.permuted(np.broadcast_to(np.arange(options), (*right.shape, options)), axis=-1)
    return order, np.argmax(order == right[..., None], axis=-1)


def chance_corrected(
    accuracy: Shaped[ArrayLike, "*#batch"], chance: Shaped[ArrayLike, "*#batch"]
) -> Float[np.ndarray, "*batch"]:
    """The accuracy on a scale where guessing scores 0 and perfection 1.

    `(accuracy - chance) / (1 - chance)`, the form of Cohen's kappa (1960).

    Args:
        accuracy: in [0, 1].
        chance: what guessing scores, in [0, 1); broadcasts against `accuracy`.

    Raises:
        ValueError: for an accuracy outside [0, 1] or a chance outside [0, 1).
    """
    scored, guessed = np.asarray(accuracy, float), np.asarray(chance, float)
    if not ((scored >= 0) & (scored <= 1)).all():
        raise ValueError(f"chance_corrected: accuracy must lie in [0, 1], got {accuracy!r}")
    if not ((guessed >= 0) & (guessed < 1)).all():
        raise ValueError(f"chance_corrected: chance must lie in [0, 1), got {chance!r}")
    return np.asarray((scored - guessed) / (1 - guessed))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _require_outcomes(name: str, values: ArrayLike) -> Bool[np.ndarray, "*batch n"]:
    outcomes = np.asarray(values)
    if outcomes.ndim < 1 or outcomes.shape[-1] == 0:
        raise ValueError(
            f"paired_outcomes: {name} must hold an instance, got shape {outcomes.shape}"
        )
    if not np.isin(outcomes, (0, 1)).all():
        raise ValueError(
            f"paired_outcomes: {name} must be 0 or 1, got {np.setdiff1d(outcomes, (0, 1))[:3]}"
        )
    return outcomes.astype(bool)


def _require_key(where: str, key: ArrayLike, options: int) -> Int[np.ndarray, "*batch n"]:
    right = np.asarray(key)
    if not np.issubdtype(right.dtype, np.integer) or not ((right >= 0) & (right < options)).all():
        raise ValueError(f"{where}: key must be whole numbers from 0 to {options - 1}, got {key!r}")
    return right
