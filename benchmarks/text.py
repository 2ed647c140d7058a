"""BLEU and watermarked decoding beside their peers: `python -m benchmarks.text`.

BLEU is held against sacrebleu on the same sentences. Decoding with a soft watermark takes all
sources together; the peer is the usual loop: source after source, a green list drawn anew after
each word from its seed, and all extensions of the text sorted.
"""

from typing import Any

import numpy as np
import scipy.special
from benchmarks.compare import compare
from sacrebleu.metrics import BLEU

from paperlab import text

SHARE, DELTA, LIMIT = 0.25, 4.0, 56


def green_list(key: int, previous: int, words: int) -> np.ndarray:
    """The green words after one word, by a generator seeded for that word alone."""
    draw = np.random.default_rng((key, previous)).normal(size=words)
    return draw <= np.sort(draw)[int(SHARE * words) - 1]


def one_by_one(world: text.SynonymWorld, sources: list[np.ndarray]) -> list[np.ndarray]:
    """Greedy decoding with a soft watermark, source after source."""
    texts = []
    for source in sources:
        next_word = world.next_word([source])
        words: list[int] = []
        score, best, best_score = 0.0, np.array([], int), -np.inf
        for t in range(LIMIT):
            last = words[-1] if words else world.eos
            step = next_word(t, np.array([last]))[0]
            if words:
                green = green_list(0, last, len(step))
                step = scipy.special.log_softmax(step + DELTA * green)
            for word in np.argsort(-step):
                if word != world.eos:
                    words.append(int(word))
                    score += step[word]
                    break
                if score + step[word] > best_score:
                    best, best_score = np.append(words, world.eos), score + step[word]
        texts.append(np.array(words) if score > best_score else best)
    return texts


def main() -> None:
    """Times BLEU of 40 and 640 sentences, and decoding of 40."""
    rng = np.random.default_rng(0)
    world = text.SynonymWorld.draw(rng)
    for number in (40, 640):
        sources = world.sources(rng, number)
        one, two = (world.sample(sources, rng, LIMIT) for _ in range(2))
        strings = [[" ".join(map(str, words)) for words in texts] for texts in (one, two)]
        peer = BLEU(tokenize="none", smooth_method="none")

        def sacrebleu(strings: Any = strings, peer: Any = peer) -> float:
            return float(peer.corpus_score(strings[0], [strings[1]]).score)

        def ours(one: Any = one, two: Any = two) -> float:
            return text.bleu(one, two)

        np.testing.assert_allclose(ours(), sacrebleu())
        compare(f"BLEU of {number} sentences (sacrebleu)", ours, sacrebleu)

    sources = world.sources(rng, 40)
    words = len(world.word_class)
    lists = np.stack([green_list(0, previous, words) for previous in range(words)])

    def together() -> Any:
        pushed = text.soft_watermark(
            world.next_word(sources), lists[None], DELTA, np.zeros(len(sources), int)
        )
        return text.beam_search(pushed, len(sources), world.eos, LIMIT)

    for a, b in zip(together(), one_by_one(world, sources), strict=True):
        np.testing.assert_array_equal(a, b)
    compare(
        "40 texts with a soft watermark (loop over sources)",
        together,
        lambda: one_by_one(world, sources),
        rounds=3,
    )


if __name__ == "__main__":
    main()
