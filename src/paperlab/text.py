"""Texts as sequences of tokens: overlap scores, green lists and their tests, beam search.

A text is one array of tokens, numbers or strings, without padding. NumPy throughout: nothing here
is large enough to be compiled.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float, Int

from paperlab._checks import require_positive

Text = Sequence[Any] | np.ndarray

# --- Overlap with a reference ---------------------------------------------------------------------


def bleu(hypotheses: Sequence[Text], references: Sequence[Text], order: int = 4) -> float:
    """Corpus BLEU with one reference a text, from 0 to 100, without smoothing.

    The geometric mean over n = 1, ..., `order` of the share of n-grams that the reference has too,
    each counted at most as often as there, times exp(1 - r / h) where the hypotheses' total length
    h is below the references' r. Papineni et al., "BLEU: a method for automatic evaluation of
    machine translation" (2002).

    Raises:
        ValueError: for no texts, different numbers of them, or an order below 1.
    """
    if len(hypotheses) != len(references) or not len(references):
        raise ValueError(
            f"bleu: expected as many hypotheses as references and at least one, got "
            f"{len(hypotheses)} and {len(references)}"
        )
    if order < 1:
        raise ValueError(f"bleu: order must be at least 1, got {order!r}")
    sides = [[np.asarray(text) for text in side] for side in (hypotheses, references)]
    length = [np.array([len(text) for text in side]) for side in sides]
    # Both sides in one row of tokens, and for each token its pair and what is left of its text.
    tokens = np.unique(np.concatenate(sides[0] + sides[1]), return_inverse=True)[1]
    pair = np.concatenate([np.repeat(np.arange(len(n)), n) for n in length])
    left = np.concatenate([np.arange(n, 0, -1) for side in length for n in side])
    is_reference = np.arange(len(tokens)) >= length[0].sum()
    gram, log_precision = np.zeros_like(tokens), 0.0
    for n in range(1, order + 1):
        # An n-gram is the (n - 1)-gram that begins there and the token that follows it.
        gram = gram[: len(tokens) - n + 1] * (tokens.max(initial=0) + 1) + tokens[n - 1 :]
        gram = np.unique(gram, return_inverse=True)[1]
        key = pair[: len(gram)] * (gram.max(initial=0) + 1) + gram
        whole, of_reference = left[: len(gram)] >= n, is_reference[: len(gram)]
        kind, count = np.unique(key[whole & ~of_reference], return_counts=True)
        other, most = np.unique(key[whole & of_reference], return_counts=True)
        _, i, j = np.intersect1d(kind, other, assume_unique=True, return_indices=True)
        shared = np.minimum(count[i], most[j]).sum()
        if not shared:
            return 0.0
        log_precision += np.log(shared / count.sum()) / order
    brevity = min(0.0, 1 - length[1].sum() / length[0].sum())
    return 100 * float(np.exp(log_precision + brevity))


def rouge_1(hypothesis: Text, reference: Text) -> float:
    """ROUGE-1: the F-measure of shared tokens, each counted at most as often as in either text.

    Lin, "ROUGE: a package for automatic evaluation of summaries" (2004). 0 for an empty text.
    """
    shared = Counter(list(hypothesis)) & Counter(list(reference))
    return _f_measure(shared.total(), hypothesis, reference)


def rouge_l(hypothesis: Text, reference: Text) -> float:
    """ROUGE-L: the F-measure of the longest common subsequence. Lin (2004). 0 for an empty text."""
    longest = [0] * (len(reference) + 1)  # of the hypothesis so far and the first j tokens
    for token in hypothesis:
        before = longest.copy()
        for j, other in enumerate(reference):
            longest[j + 1] = before[j] + 1 if token == other else max(before[j + 1], longest[j])
    return _f_measure(longest[-1], hypothesis, reference)


def _f_measure(shared: int, hypothesis: Text, reference: Text) -> float:
    return 2 * shared / (len(hypothesis) + len(reference)) if shared else 0.0


# --- Green lists ----------------------------------------------------------------------------------


def green_lists(key: int, vocabulary: int, share: float) -> Bool[np.ndarray, "previous next"]:
    """Which words are green after each word: floor(share * vocabulary) of them, drawn from a key.

    Kirchenbauer et al., "A watermark for large language models" (2023), Algorithm 2.

    Args:
        key: the secret, from which every list is drawn.
        vocabulary: number of words.
        share: of words that are green, in (0, 1).

    Raises:
        ValueError: for a share outside (0, 1), or one so small that no word would be green.
    """
    _require_share("green_lists", share)
    # The product of a decimal fraction, such as 0.29 * 100, may fall just below a whole number.
    number = int(share * vocabulary + 1e-9)
    if number < 1:
        raise ValueError(
            f"green_lists: share must give at least one green word of {vocabulary}, got {share!r}"
        )
    rank = np.random.default_rng(key).random((vocabulary, vocabulary)).argsort(1).argsort(1)
    return rank < number


def count_green(text: Int[np.ndarray, " words"], lists: Bool[np.ndarray, "previous next"]) -> int:
    """How many words of a text are green after the word before them; the first has no color."""
    return int(lists[text[:-1], text[1:]].sum())


def z_score(green: float, transitions: int, share: float) -> float:
    """How many standard deviations the number of green words lies above chance.

    (green - share * transitions) / sqrt(share * (1 - share) * transitions). Kirchenbauer et al.
    (2023), equation 3.

    Raises:
        ValueError: for no transitions, or a share outside (0, 1).
    """
    _require_share("z_score", share)
    require_positive("z_score", "transitions", transitions)
    return (green - share * transitions) / math.sqrt(share * (1 - share) * transitions)


def least_green(
    transitions: int | Int[np.ndarray, "*n"], share: float, level: float
) -> Int[np.ndarray, "*n"]:
    """The least number of green words that a text written by chance reaches at most at a level.

    The smallest g with P(Binomial(transitions, share) >= g) <= level, exactly; it is transitions +
    1, which no text reaches, where even all words green are too likely.

    Raises:
        ValueError: for a negative number of transitions, or a share or level outside (0, 1).
    """
    _require_share("least_green", share)
    _require_share("least_green", level, "level")
    n = np.asarray(transitions)
    if (n < 0).any():
        raise ValueError(f"least_green: transitions must not be negative, got {n.min()}")
    g = scipy.stats.binom.isf(level, n, share).astype(int) + 1
    return np.where(n == 0, 1, g)


def _require_share(where: str, number: float, name: str = "share") -> None:
    if not 0 < number < 1:
        raise ValueError(f"{where}: {name} must be in (0, 1), got {number!r}")


# --- Beam search ----------------------------------------------------------------------------------

#: From the number of words so far and the last word of each unfinished text (first axis: which
#: source is rendered) to the log-probabilities of the next word, on a new last axis. Before the
#: first word the last word is the end-of-text token.
NextWord = Callable[[int, Int[np.ndarray, "sources *beams"]], Float[np.ndarray, "..."]]


def soft_watermark(
    next_word: NextWord,
    lists: Bool[np.ndarray, "keys previous next"],
    delta: float | Float[np.ndarray, " sources"],
    key: Int[np.ndarray, " sources"],
) -> NextWord:
    """The language model that is pushed towards green words, normalized again.

    Adds delta to the log-probability of each word that is green after the last one. The first word
    has no predecessor and is not pushed. With delta = infinity, the hard watermark, only green
    words are left. Kirchenbauer et al. (2023), Algorithms 1 and 2.

    Args:
        next_word: the language model.
        lists: which words are green, for each key.
        delta: the push, at least 0, one for all sources or one each; may be infinite.
        key: the place among `lists` of the key of each source.

    Raises:
        ValueError: for a negative push.
    """
    if not (np.asarray(delta) >= 0).all():
        raise ValueError(
            f"soft_watermark: delta must not be negative, got {float(np.min(delta))!r}"
        )

    def pushed(t: int, last: Int[np.ndarray, sources * beams]) -> Float[np.ndarray, ...]:
        step = next_word(t, last)
        if t == 0:
            return step
        each = (-1, *[1] * (last.ndim - 1))
        green = lists[key.reshape(each), last]
        # Taken from the other words, which is the same once normalized, and may be infinite.
        push = np.asarray(delta, step.dtype).reshape(each if np.ndim(delta) else ())
        step = np.where(green, step, step - push[..., None])
        step = step - step.max(-1, keepdims=True)
        return np.asarray(step - np.log(np.exp(step).sum(-1, keepdims=True)))

    return pushed


def beam_search(
    next_word: NextWord, sources: int, eos: int, limit: int, beams: int = 1
) -> list[np.ndarray]:
    """The likeliest text that is found for each source, all sources at once.

    Each step extends every unfinished text by every word and keeps the best `beams`; an extension
    that ends the text is finished if it ranks before the last one kept. The result is the best
    finished text, or the best unfinished one of `limit` words where that is likelier.

    Args:
        next_word: the language model.
        sources: how many texts are written.
        eos: the token that ends a text, and counts as a word.
        limit: the largest number of words.
        beams: unfinished texts kept for each source.

    Raises:
        ValueError: for a number of sources, words or beams below 1.
    """
    for name, number in (("sources", sources), ("limit", limit), ("beams", beams)):
        if number < 1:
            raise ValueError(f"beam_search: {name} must be at least 1, got {number!r}")
    text = np.full((sources, beams, limit), eos)
    score = np.where(np.arange(beams) > 0, -np.inf, np.zeros((sources, beams)))
    best, best_score = [row[0, :0] for row in text], np.full(sources, -np.inf)  # finished
    for t in range(limit):
        total = score[..., None] + next_word(t, text[:, :, t - 1])  # sources, beams, words
        ended = total[..., eos].copy()
        total[..., eos] = -np.inf
        kept = largest(total.reshape(sources, -1), beams)
        score = np.take_along_axis(total.reshape(sources, -1), kept, 1)
        ended = np.where(ended > score[:, -1:], ended, -np.inf)
        for i in np.flatnonzero(ended.max(1) > best_score):
            best[i], best_score[i] = np.append(text[i, ended[i].argmax(), :t], eos), ended[i].max()
        beam, word = np.divmod(kept, total.shape[-1])
        text = np.take_along_axis(text, beam[..., None], 1)
        text[:, :, t] = word
        if (best_score > score[:, 0]).all():  # no text becomes likelier by going on
            return best
    return [
        row[0] if s[0] > b else found
        for row, s, b, found in zip(text, score, best_score, best, strict=True)
    ]


def largest(scores: Float[np.ndarray, "*batch n"], number: int) -> Int[np.ndarray, "*batch k"]:
    """Where the largest entries along the last axis are, in falling order.

    Raises:
        ValueError: unless that axis holds so many.
    """
    if not 1 <= number <= scores.shape[-1]:
        raise ValueError(
            f"largest: number must be from 1 to the {scores.shape[-1]} entries, got {number!r}"
        )
    if number == 1:
        return np.asarray(scores.argmax(-1)[..., None])
    some = np.argpartition(-scores, number - 1, -1)[..., :number]
    return np.take_along_axis(some, (-np.take_along_axis(scores, some, -1)).argsort(-1), -1)


# --- A language whose conditional distribution is known -------------------------------------------


@dataclasses.dataclass(frozen=True)
class SynonymWorld:
    """Sources are sequences of concepts, and each concept has five synonyms.

    Which synonym is likely depends on the class of the word before. With a small probability any
    word of the vocabulary comes, so that every word has a price. When the concepts are used up the
    text most likely ends. Words 5 c, ..., 5 c + 4 render concept c; the last word ends a text.

    Attributes:
        log_probability: of the next word, by what is to be rendered (the last row: nothing more)
            and the class of the word before.
        word_class: of each word.
    """

    log_probability: Float[np.ndarray, "contents classes words"]
    word_class: Int[np.ndarray, " words"]

    #: The mean preference for a concept's synonyms.
    PREFERENCE = (0.55, 0.22, 0.12, 0.07, 0.04)

    @classmethod
    def draw(
        cls, rng: np.random.Generator, concepts: int = 100, classes: int = 4, stray: float = 0.01
    ) -> SynonymWorld:
        """A world of its own: preferences times exp(N(0, 1)), one for each class and synonym.

        Args:
            rng: decides the preferences and the classes of words.
            concepts: how many; the vocabulary has five words for each, and the end of the text.
            classes: of the word before.
            stray: the probability that any word comes, all alike; twice that after the last
                concept, where otherwise the text ends.
        """
        synonyms, words = len(cls.PREFERENCE), len(cls.PREFERENCE) * concepts + 1
        weight = np.exp(rng.normal(size=(concepts, classes, synonyms))) * cls.PREFERENCE
        weight /= weight.sum(-1, keepdims=True)
        p = np.full((concepts + 1, classes, words), stray / words)
        for c in range(concepts):
            p[c, :, c * synonyms : (c + 1) * synonyms] += (1 - stray) * weight[c]
        p[-1] = 2 * stray / (words - 1)
        p[-1, :, -1] = 1 - 2 * stray
        return cls(np.log(p).astype(np.float32), rng.integers(0, classes, words))

    @property
    def eos(self) -> int:
        """The word that ends a text."""
        return len(self.word_class) - 1

    def sources(
        self, rng: np.random.Generator, number: int, shortest: int = 8, longest: int = 40
    ) -> list[np.ndarray]:
        """Random sequences of concepts, of lengths between `shortest` and `longest`."""
        lengths = rng.integers(shortest, longest + 1, number)
        return [rng.integers(0, len(self.log_probability) - 1, n) for n in lengths]

    def next_word(self, sources: Sequence[np.ndarray]) -> NextWord:
        """The language model for these sources, as `beam_search` wants it."""
        content = np.full((len(sources), max(map(len, sources)) + 1), len(self.log_probability) - 1)
        for i, source in enumerate(sources):
            content[i, : len(source)] = source

        def log_probabilities(
            t: int, last: Int[np.ndarray, sources * beams]
        ) -> Float[np.ndarray, ...]:
            to_render = content[:, min(t, content.shape[1] - 1)]
            content_of = to_render.reshape(-1, *[1] * (last.ndim - 1))
            return np.asarray(self.log_probability[content_of, self.word_class[last]])

        return log_probabilities

    def sample(
        self, sources: Sequence[np.ndarray], rng: np.random.Generator, limit: int
    ) -> list[np.ndarray]:
        """A text drawn for each source, cut after `limit` words."""
        next_word, text = self.next_word(sources), np.full((len(sources), limit), self.eos)
        for t in range(limit):
            gumbel = rng.gumbel(size=(len(sources), len(self.word_class)))
            text[:, t] = (next_word(t, text[:, t - 1]) + gumbel).argmax(1)
        ends = (text == self.eos).argmax(1) + 1
        return [
            row[: end if row[end - 1] == self.eos else limit]
            for row, end in zip(text, ends, strict=True)
        ]
