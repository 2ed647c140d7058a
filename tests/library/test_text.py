"""Overlap scores against sacrebleu and rouge-score, green lists and search against enumeration."""

import itertools
import math

import jaxtyping
import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from paperlab import text

seeds = st.integers(0, 2**31)
sentences = st.lists(st.integers(0, 4), max_size=12)
pairs = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=6)


# --- Overlap --------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(pairs=pairs, order=st.integers(1, 4))
def test_bleu_agrees_with_sacrebleu(pairs, order):
    peer = BLEU(tokenize="none", smooth_method="none", max_ngram_order=order)
    hypotheses, references = (
        [" ".join(f"w{token}" for token in sentence) for sentence in sentences]
        for sentences in zip(*pairs, strict=True)
    )
    expected = peer.corpus_score(hypotheses, [references]).score
    assert text.bleu(*zip(*pairs, strict=True), order) == pytest.approx(expected, rel=1e-9)


def test_bleu_by_hand():
    # 1-grams 3 of 4, 2-grams 1 of 3; the reference is one word longer
    expected = 100 * math.sqrt(3 / 4 * 1 / 3) * math.exp(1 - 5 / 4)
    assert text.bleu([list("abxc")], [list("abycd")], 2) == pytest.approx(expected)
    assert text.bleu([list("abcd")], [list("abcd")]) == pytest.approx(100)
    assert text.bleu([list("abc")], [list("abc")]) == 0  # no 4-gram
    assert text.bleu([[]], [list("abcd")]) == 0


@settings(max_examples=50, deadline=None)
@given(pairs=pairs)
def test_bleu_does_not_depend_on_names_or_order_of_texts(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    renamed = [[f"w{token}" for token in sentence] for sentence in hypotheses]
    score = text.bleu(hypotheses, references)
    assert text.bleu(hypotheses[::-1], references[::-1]) == pytest.approx(score)
    assert text.bleu(renamed, [[f"w{t}" for t in r] for r in references]) == pytest.approx(score)


@settings(max_examples=150, deadline=None)
@given(hypothesis=sentences, reference=sentences)
def test_rouge_agrees_with_rouge_score(hypothesis, reference):
    words = [" ".join(f"w{token}" for token in sentence) for sentence in (reference, hypothesis)]
    scores = RougeScorer(["rouge1", "rougeL"]).score(*words)
    assert text.rouge_1(hypothesis, reference) == pytest.approx(scores["rouge1"].fmeasure)
    assert text.rouge_l(hypothesis, reference) == pytest.approx(scores["rougeL"].fmeasure)


# --- Green lists ----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(key=seeds, vocabulary=st.integers(2, 60), share=st.floats(0.01, 0.99))
def test_each_list_has_its_share_and_depends_on_the_key(key, vocabulary, share):
    assume(share * vocabulary >= 1)
    lists = text.green_lists(key, vocabulary, share)
    assert lists.shape == (vocabulary, vocabulary)
    assert set(lists.sum(1)) == {math.floor(share * vocabulary + 1e-9)}
    np.testing.assert_array_equal(lists, text.green_lists(key, vocabulary, share))


def test_lists_of_two_keys_are_unrelated():
    one, two = (text.green_lists(key, 400, 0.25) for key in (0, 1))
    shared = (one & two).mean()
    assert abs(shared - 1 / 16) < 5 * math.sqrt(1 / 16 * 15 / 16) / 400


def test_a_share_that_is_a_whole_number_of_words_gives_that_number():
    assert text.green_lists(0, 100, 0.29)[0].sum() == 29  # 0.29 * 100 is 28.999999999999996


def test_green_words_are_counted_from_the_second():
    lists = np.array([[False, True], [True, False]])
    assert text.count_green(np.array([0, 1, 1, 0]), lists) == 2
    assert text.count_green(np.array([1]), lists) == 0
    assert text.z_score(2, 4, 0.25) == pytest.approx(1 / math.sqrt(0.75))


@settings(max_examples=200, deadline=None)
@given(n=st.integers(0, 120), share=st.floats(1e-4, 0.999), level=st.floats(1e-8, 0.99))
def test_least_green_is_the_first_that_chance_does_not_reach(n, share, level):
    g = int(text.least_green(n, share, level))
    tail = scipy.stats.binom.sf(np.arange(-1, n + 1), n, share)  # P(K >= 0), ..., P(K >= n + 1)
    assert 0 < g <= n + 1
    assert tail[g] <= level * (1 + 1e-9)
    assert tail[g - 1] > level * (1 - 1e-9)


def test_least_green_by_hand_and_for_many_lengths():
    # three transitions, half of them green by chance: P(3) = 1/8, P(2 or more) = 1/2
    assert text.least_green(3, 0.5, 0.2) == 3
    assert text.least_green(3, 0.5, 0.1) == 4  # out of reach
    np.testing.assert_array_equal(text.least_green(np.array([0, 3, 3]), 0.5, 0.5), [1, 2, 2])


# --- Search ---------------------------------------------------------------------------------------


def bigrams(seed, words, sources=1):
    """A random language model for each source; the last word ends a text."""
    rng = np.random.default_rng(seed)
    table = np.log(rng.dirichlet(np.ones(words), (sources, words)))
    return lambda t, last: table[np.arange(sources).reshape(-1, *[1] * (last.ndim - 1)), last]


@settings(max_examples=25, deadline=None)
@given(seed=seeds, words=st.integers(2, 4), limit=st.integers(1, 5))
def test_with_all_beams_the_search_is_exhaustive(seed, words, limit):
    eos, model = words - 1, bigrams(seed, words)
    (found,) = text.beam_search(model, 1, eos, limit, beams=words**limit)
    texts = [
        (*body, eos) for n in range(limit) for body in itertools.product(range(eos), repeat=n)
    ] + list(itertools.product(range(eos), repeat=limit))

    def score(words):
        total, last = 0.0, eos
        for t, word in enumerate(words):
            total += model(t, np.array([[last]]))[0, 0, word]
            last = word
        return total

    assert score(found) == pytest.approx(max(map(score, texts)))


@settings(max_examples=25, deadline=None)
@given(seed=seeds, beams=st.integers(1, 3))
def test_sources_do_not_disturb_each_other(seed, beams):
    eos, model = 5, bigrams(seed, 6, sources=3)
    together = text.beam_search(model, 3, eos, 8, beams)
    for source in range(3):
        alone = text.beam_search(
            lambda t, last, i=source: model(t, np.repeat(last, 3, 0))[i : i + 1], 1, eos, 8, beams
        )
        np.testing.assert_array_equal(together[source], alone[0])


@settings(max_examples=25, deadline=None)
@given(seed=seeds, number=st.integers(1, 6))
def test_largest_entries_come_in_falling_order(seed, number):
    scores = np.random.default_rng(seed).normal(size=(2, 3, 6))
    expected = np.argsort(-scores, -1)[..., :number]
    np.testing.assert_array_equal(text.largest(scores, number), expected)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, delta=st.sampled_from([0.0, 0.5, 4.0, np.inf]))
def test_a_push_is_a_bias_on_green_words(seed, delta):
    lists = np.stack([text.green_lists(seed + k, 12, 0.3) for k in range(2)])
    model, last, key = bigrams(seed, 12, sources=3), np.array([[1], [2], [11]]), np.array([0, 1, 0])
    pushed = text.soft_watermark(model, lists, delta, key)
    np.testing.assert_array_equal(pushed(0, last), model(0, last))
    green = lists[key[:, None], last]
    if delta == np.inf:
        expected = np.where(green, np.exp(model(1, last)), 0)
    else:
        expected = np.exp(model(1, last) + delta * green)
    np.testing.assert_allclose(np.exp(pushed(1, last)), expected / expected.sum(-1, keepdims=True))
    each = text.soft_watermark(model, lists, np.array([delta, 0.0, delta]), key)(1, last)
    np.testing.assert_allclose(each[[0, 2]], pushed(1, last)[[0, 2]])
    np.testing.assert_allclose(each[1], model(1, last)[1])


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_the_hard_watermark_writes_only_green_words(seed):
    lists = text.green_lists(seed, 30, 0.3)
    model = text.soft_watermark(bigrams(seed, 30, sources=4), lists[None], np.inf, np.zeros(4, int))
    for found in text.beam_search(model, 4, 29, 12):
        assert text.count_green(found, lists) == len(found) - 1


# --- The world ------------------------------------------------------------------------------------


def world(seed=0, concepts=12):
    return text.SynonymWorld.draw(np.random.default_rng(seed), concepts)


def test_next_words_are_distributions_and_follow_the_source():
    w = world()
    p = np.exp(w.log_probability.astype(float))
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-6)
    model = w.next_word([np.array([3, 7]), np.array([5])])
    step = np.exp(model(0, np.full((2, 1), w.eos)))
    assert step[0, 0, 15:20].sum() > 0.98
    assert step[1, 0, 25:30].sum() > 0.98
    after = np.exp(model(1, np.array([[15], [25]])))
    assert after[0, 0, 35:40].sum() > 0.98
    assert after[1, 0, w.eos] == pytest.approx(0.98)


def test_samples_have_the_stated_frequencies():
    w, number = world(1), 4000
    source = [np.array([2])] * number
    texts = w.sample(source, np.random.default_rng(2), 6)
    p = np.exp(w.log_probability[2, w.word_class[w.eos]].astype(float))
    seen = np.bincount([t[0] for t in texts], minlength=len(p))
    assert (
        scipy.stats.chisquare(seen[10:15], p[10:15] / p[10:15].sum() * seen[10:15].sum()).pvalue
        > 1e-4
    )
    assert all(len(t) == 6 or t[-1] == w.eos for t in texts)
    assert all((t[:-1] != w.eos).all() for t in texts)


def test_sources_have_the_lengths_asked_for():
    drawn = world().sources(np.random.default_rng(0), 200, 3, 5)
    assert {len(source) for source in drawn} == {3, 4, 5}
    assert {c for source in drawn for c in source} == set(range(12))


# --- Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: text.bleu([], []), "as many hypotheses as references and at least one, got 0"),
        (lambda: text.bleu([[1]], [[1], [2]]), "got 1 and 2"),
        (lambda: text.bleu([[1]], [[1]], 0), "order must be at least 1, got 0"),
        (lambda: text.green_lists(0, 100, 0.001), "at least one green word of 100, got 0.001"),
        (lambda: text.green_lists(0, 100, 1.0), r"share must be in \(0, 1\), got 1.0"),
        (lambda: text.z_score(1, 0, 0.5), "transitions must be positive and finite, got 0"),
        (lambda: text.least_green(-1, 0.5, 0.5), "transitions must not be negative, got -1"),
        (lambda: text.least_green(1, 0.5, 0.0), r"level must be in \(0, 1\), got 0.0"),
        (
            lambda: text.soft_watermark(bigrams(0, 3), np.ones((1, 3, 3), bool), -1.0, np.zeros(1)),
            "delta must not be negative, got -1.0",
        ),
        (
            lambda: text.largest(np.zeros((2, 3)), 4),
            "must be from 1 to the 3 entries, got 4",
        ),
        (lambda: text.beam_search(bigrams(0, 3), 1, 2, 0), "limit must be at least 1, got 0"),
        (lambda: text.beam_search(bigrams(0, 3), 1, 2, 4, 0), "beams must be at least 1, got 0"),
    ],
)
def test_bad_input_is_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # it would see some first
    with pytest.raises(ValueError, match=message):
        call()
