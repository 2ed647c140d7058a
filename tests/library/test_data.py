"""The English corpus, against `inspect`, which reads the same documentation."""

import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab import data


@pytest.fixture(scope="module")
def corpus() -> data.Corpus:
    return data.english()


def _document(corpus: data.Corpus, name: str) -> str:
    (found,) = [d for d in corpus.documents if d.name == name]
    return "\n".join(found.paragraphs)


@pytest.mark.parametrize(
    ("module", "item"),
    [
        ("matplotlib.lines", "Line2D.set_marker"),
        ("matplotlib", None),
        ("numpy.fft._helper", "fftshift"),
        ("sklearn.cluster._kmeans", "kmeans_plusplus"),
    ],
)
def test_holds_the_docstrings_that_inspect_shows(
    corpus: data.Corpus, module: str, item: str | None
) -> None:
    thing = importlib.import_module(module)
    for part in item.split(".") if item else ():
        thing = getattr(thing, part)
    name = f"{module}.__init__" if module == "matplotlib" else module
    text, paragraphs = _document(corpus, name), (inspect.getdoc(thing) or "").split("\n\n")
    long = [p for p in paragraphs if ">>>" not in p and len(data.tokenize(p)) >= data.MIN_TOKENS]
    assert long
    for paragraph in long:
        assert " ".join(paragraph.split()) in text


def test_holds_the_data_set_descriptions(corpus: data.Corpus) -> None:
    from sklearn.datasets import load_iris

    description = " ".join(load_iris().DESCR.split())
    paragraphs = _document(corpus, "sklearn.datasets:iris").split("\n")
    assert sum(p in description for p in paragraphs) >= len(paragraphs) - 1


def test_has_the_size_that_language_notebooks_need(corpus: data.Corpus) -> None:
    assert 300_000 < corpus.size < 1_000_000
    assert corpus.size == sum(len(data.tokenize(p)) for p in corpus.paragraphs)
    assert len(corpus.documents) >= 500


def test_every_source_is_free_of_repeats_sessions_and_scraps(corpus: data.Corpus) -> None:
    for source in corpus.sources:
        paragraphs = [p for d in source.documents for p in d.paragraphs]
        assert len(set(paragraphs)) == len(paragraphs)
        assert not any(">>> " in p for p in paragraphs)
        assert min(len(data.tokenize(p)) for p in paragraphs) >= data.MIN_TOKENS
        assert len({d.name for d in source.documents}) == len(source.documents)


def test_the_same_text_gives_the_same_fingerprint(corpus: data.Corpus) -> None:
    data._read.cache_clear()
    again = data.english(("numpy",))
    assert again.sources == (corpus.sources[0],)
    assert again.fingerprint != corpus.fingerprint


@pytest.mark.parametrize("name", data.SOURCES)
def test_every_python_reads_the_reference_text(name: str) -> None:
    (source,) = data.english((name,)).sources
    version, start = data.REFERENCE[name]
    if source.version != version:
        pytest.skip(f"{name} {source.version} is not the pinned {version}")
    assert source.fingerprint.startswith(start)
    assert source.describe().endswith("the reference text")


def test_the_reference_is_that_of_the_pinned_versions() -> None:
    lock = Path(__file__).parents[2].joinpath("requirements.txt").read_text("utf-8")
    pinned = dict(re.findall(r"(?m)^([\w-]+)==([\w.]+)", lock))
    for name in data.SOURCES:
        assert data.REFERENCE[name][0] == pinned[data._DISTRIBUTIONS[name]]


def test_another_version_is_said_clearly(
    corpus: data.Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(data.REFERENCE, "numpy", ("1.9.0", "0123456789ab"))
    assert not corpus.is_reference
    line = corpus.describe().splitlines()[1]
    assert "NOT the reference text" in line
    assert "numpy 1.9.0" in line
    assert corpus.sources[0].version == importlib.metadata.version("numpy")


def test_reading_imports_nothing() -> None:
    code = (
        "import sys; from paperlab import data; before = set(sys.modules);"
        "data.english(('numpy',)); print(*(set(sys.modules) - before))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not any(name.partition(".")[0] == "numpy" for name in shown.stdout.split())


@given(st.text(max_size=60))
def test_tokens_are_lower_case_letters_in_order(text: str) -> None:
    tokens = data.tokenize(text)
    assert all(t.isascii() and t.isalpha() and t.islower() for t in tokens)
    assert data.tokenize(" ".join(tokens)) == tokens


@given(st.lists(st.text(alphabet="abc \n>.", max_size=80), max_size=6))
def test_any_text_is_cut_into_unique_paragraphs(texts: list[str]) -> None:
    source = data._source("numpy", "0", ((f"d{i}", t) for i, t in enumerate(texts)))
    kept = [p for d in source.documents for p in d.paragraphs]
    assert len(set(kept)) == len(kept)
    assert all(d.paragraphs for d in source.documents)
    assert all(p == " ".join(p.split()) for p in kept)


def test_fingerprint_sees_every_letter_and_every_border() -> None:
    words = "one two three four five six seven eight"
    prints = {
        data._source("numpy", "0", found).fingerprint
        for found in (
            [("a", words)],
            [("b", words)],
            [("a", words.replace("eight", "nine"))],
            [("a", f"{words}\n\n{words} nine")],
            [("a", words), ("b", f"{words} nine")],
        )
    }
    assert len(prints) == 5


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ((), "distinct names"),
        (("numpy", "numpy"), "distinct names"),
        ("numpy", "distinct names"),
        (("pandas", "numpy"), "unknown source 'pandas'.*numpy, sklearn"),
        (("python",), "unknown source 'python'"),
    ],
)
def test_bad_sources_are_named(sources: tuple[str, ...] | str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.english(sources)


@given(st.text(max_size=60).filter(lambda t: any(c in data.ALPHABET[1:] for c in t.lower())))
def test_characters_spell_the_text_without_what_the_alphabet_lacks(text: str) -> None:
    spelled = "".join(data.ALPHABET[i] for i in data.characters(text))
    words = "".join(c if c in data.ALPHABET else " " for c in text.lower()).split()
    assert spelled == " ".join(words)
    assert (data.characters(spelled) == data.characters(text)).all()


def test_text_without_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="no character of the alphabet"):
        data.characters(" 123\n")


@given(st.integers(2, 60), st.integers(1, 5), st.integers(2, 11))
def test_held_out_blocks_and_the_rest_are_the_sequence(count: int, block: int, every: int) -> None:
    sequence = np.arange(count * block + block - 1)
    train, held = data.hold_out(sequence, block, every)
    assert sorted([*train.ravel(), *held.ravel()]) == list(range(count * block))
    assert len(held) == -(-count // every)
    assert (held[:, 0] % (every * block) == 0).all()


@pytest.mark.parametrize(
    ("length", "block", "every", "message"),
    [(20, 0, 10, "block >= 1"), (20, 2, 1, "every >= 2"), (5, 3, 10, "less than two blocks of 3")],
)
def test_impossible_blocks_are_refused(length: int, block: int, every: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.hold_out(np.zeros(length), block, every)
