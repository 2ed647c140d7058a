"""English text that is on every reader's disk already: the documentation of the pinned packages.

Docstrings are read from source files without importing them, in a fixed order, so that the same
versions give the same text, letter by letter, on every Python that the book supports. (Python's
own documentation changes with it and is no source.) `Corpus.describe` says which of the sources
differ from the text that the book's accepted numbers were made with.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import gc
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

# What may be asked for, and the distribution that each package comes from.
_DISTRIBUTIONS = {
    "numpy": "numpy",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "matplotlib": "matplotlib",
    "jax": "jax",
}
SOURCES = tuple(_DISTRIBUTIONS)
DEFAULT = ("numpy", "sklearn", "matplotlib")

# Version and start of the fingerprint of each source in the book's accepted build.
REFERENCE = {
    "numpy": ("2.4.6", "6e28404493ab"),
    "sklearn": ("1.9.1", "0c37d285aca6"),
    "scipy": ("1.17.1", "b0a30306fcd8"),
    "matplotlib": ("3.11.2", "739aec337ed9"),
    "jax": ("0.10.2", "d977e1c460d4"),
}

ALPHABET = " abcdefghijklmnopqrstuvwxyz.,-'()"

MIN_TOKENS = 8  # shorter paragraphs are headings, signatures and one-word entries
# Tests, vendored copies, and a part of numpy that its wheels for Python 3.11 alone contain.
_SKIPPED = frozenset(
    ["test", "tests", "testing", "_vendor", "vendor", "externals", "__pycache__", "distutils"]
)
# Written at the build, hence not the same in every wheel of one version.
_GENERATED = frozenset(["__config__.py", "_distributor_init.py", "version.py", "_version.py"])


@dataclasses.dataclass(frozen=True)
class Document:
    """One module's docstrings, or one data set's description.

    Attributes:
        name: such as `numpy.linalg._linalg` or `sklearn.datasets:iris`.
        paragraphs: text between blank lines, white space normalized, without interpreter
            sessions; each has at least `MIN_TOKENS` tokens.
    """

    name: str
    paragraphs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Source:
    """The documents of one package; no paragraph occurs twice.

    Attributes:
        name: one of `SOURCES`.
        version: of the package.
        documents: ordered by kind, then by name.
        fingerprint: SHA-256 of names and text, in hexadecimal.
    """

    name: str
    version: str
    documents: tuple[Document, ...]
    fingerprint: str

    def describe(self) -> str:
        """One line: version, fingerprint, and whether this is the reference text."""
        version, start = REFERENCE[self.name]
        line = f"{self.name} {self.version}: text {self.fingerprint[: len(start)]}, "
        if self.fingerprint.startswith(start):
            return line + "the reference text"
        return line + (
            f"NOT the reference text ({start} of {self.name} {version}); numbers that rest on it "
            "differ slightly from the book's"
        )


@dataclasses.dataclass(frozen=True)
class Corpus:
    """English documents from one or more sources."""

    sources: tuple[Source, ...]

    @property
    def documents(self) -> tuple[Document, ...]:
        """All documents, source by source."""
        return tuple(document for source in self.sources for document in source.documents)

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """All paragraphs, document by document."""
        return tuple(text for document in self.documents for text in document.paragraphs)

    @functools.cached_property
    def size(self) -> int:
        """Number of tokens, as `tokenize` counts them."""
        return sum(len(tokenize(text)) for text in self.paragraphs)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the sources' fingerprints, in hexadecimal."""
        return _sha256(source.fingerprint for source in self.sources)

    @property
    def is_reference(self) -> bool:
        """Whether every source is the text that the book's accepted numbers were made with."""
        return all(s.fingerprint.startswith(REFERENCE[s.name][1]) for s in self.sources)

    def describe(self) -> str:
        """Size and fingerprint, and per source whether it is the reference text."""
        head = (
            f"{len(self.documents):,} documents, {len(self.paragraphs):,} paragraphs, "
            f"{self.size:,} tokens, sha256 {self.fingerprint[:12]}"
        )
        return "\n".join([head, *("  " + source.describe() for source in self.sources)])


def tokenize(text: str) -> list[str]:
    """Lower-case runs of the letters a to z, in order."""
    return re.findall("[a-z]+", text.lower())


def characters(text: str) -> Int[np.ndarray, " length"]:
    """Positions in `ALPHABET` of a text's characters.

    Upper case becomes lower case; each run of anything else, white space included, becomes one
    space.

    Raises:
        ValueError: if nothing of the text is left.
    """
    kept = re.sub(f"[^{re.escape(ALPHABET[1:])}]+", " ", text.lower()).strip()
    if not kept:
        raise ValueError("characters: text has no character of the alphabet")
    codes = np.frombuffer(kept.encode("ascii"), np.uint8)
    place = np.zeros(128, np.int32)
    place[np.frombuffer(ALPHABET.encode("ascii"), np.uint8)] = np.arange(len(ALPHABET))
    return place[codes]


def hold_out(
    sequence: Shaped[np.ndarray, " length"], block: int, every: int = 10
) -> tuple[Shaped[np.ndarray, "train block"], Shaped[np.ndarray, "held block"]]:
    """Cuts a sequence into blocks and holds out every n-th, so that no text is in both parts.

    Args:
        sequence: such as the characters of a text; what does not fill a last block is dropped.
        block: length of a block.
        every: the first of each `every` blocks is held out.

    Returns:
        The blocks to train on and those held out, each in their order.

    Raises:
        ValueError: if `block` is not positive, `every` is less than 2, or the sequence is too short
            to leave a block on either side.
    """
    if block < 1 or every < 2:
        raise ValueError(f"hold_out: needs block >= 1 and every >= 2, got {block} and {every}")
    count = len(sequence) // block
    if count < 2:
        raise ValueError(f"hold_out: {len(sequence)} elements are less than two blocks of {block}")
    blocks = sequence[: count * block].reshape(count, block)
    held = np.arange(count) % every == 0
    return blocks[~held], blocks[held]


def english(sources: Sequence[str] = DEFAULT) -> Corpus:
    """Documentation of pinned packages as an English corpus.

    Takes about a second per million bytes of source text the first time; later calls in the same
    process reuse the text.

    Args:
        sources: names from `SOURCES`, in the order wanted.

    Raises:
        ValueError: if `sources` is empty, repeats a name, or names something else than `SOURCES`.
    """
    names = list(sources)
    if isinstance(sources, str) or not names or len(set(names)) < len(names):
        raise ValueError(f"english: sources must be distinct names in a sequence, got {sources!r}")
    if unknown := [name for name in names if name not in SOURCES]:
        raise ValueError(
            f"english: unknown source {', '.join(map(repr, unknown))}; "
            f"expected names from {', '.join(SOURCES)}"
        )
    return Corpus(tuple(_read(name) for name in names))


@functools.cache
def _read(name: str) -> Source:
    version = importlib.metadata.version(_DISTRIBUTIONS[name])
    spec = importlib.util.find_spec(name)  # of a top-level name: finds, does not import
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    found = [*_modules(root, f"{name}."), *_descriptions(root, f"{name}.")]
    return _source(name, version, found)


def _source(name: str, version: str, found: Iterable[tuple[str, str]]) -> Source:
    """Cuts (document name, raw text) pairs into paragraphs, each kept at its first occurrence."""
    seen: set[str] = set()
    documents = []
    for title, text in found:
        kept = [p for p in _paragraphs(text) if not (p in seen or seen.add(p))]  # type: ignore[func-returns-value]
        if kept:
            documents.append(Document(title, tuple(kept)))
    fingerprint = _sha256("\n\n".join((d.name, *d.paragraphs)) for d in documents)
    return Source(name, version, tuple(documents), fingerprint)


def _paragraphs(text: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", text):
        paragraph = " ".join(block.split())
        if ">>> " not in paragraph and len(tokenize(paragraph)) >= MIN_TOKENS:
            yield paragraph


def _modules(root: Path, prefix: str) -> Iterator[tuple[str, str]]:
    """Dotted name and docstrings of every module below `root`, by name."""
    paths = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [f for f in subfolders if f.isidentifier() and f not in _SKIPPED]
        texts = [f for f in files if f.endswith(".py") and f not in _GENERATED]
        paths += [Path(folder, file) for file in texts]
    named = {prefix + ".".join(p.relative_to(root).with_suffix("").parts): p for p in paths}
    # The collector would walk the growing syntax trees over and over; they hold no cycles.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for name in sorted(named):
            source = named[name].read_bytes()
            if b'"""' in source or b"'''" in source:
                yield name, "\n\n".join(_docstrings(_parse(source)))
    finally:
        if collecting:
            gc.enable()


def _parse(source: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes in other people's docstrings
        return ast.parse(source)


def _docstrings(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[str]:
    """Docstrings of a definition and of what its body defines directly, in source order."""
    if text := ast.get_docstring(node):
        yield text
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings(inner)


def _descriptions(root: Path, prefix: str) -> Iterator[tuple[str, str]]:
    """Descriptions of bundled data sets (scikit-learn)."""
    for path in sorted((root / "datasets" / "descr").glob("*.rst")):
        yield f"{prefix}datasets:{path.stem}", path.read_text("utf-8")


def _sha256(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n\n".join(parts).encode()).hexdigest()
