"""What the book's search knows: the prose of its pages, and no code, formula or number.

Sphinx indexes all that a page shows, of which most is code and digits; with 69 papers the index
would weigh a megabyte. It has no setting for that, so the class it takes is replaced here. Each
page's text goes into a file of its own, from which the search page shows the words around a hit:
Sphinx would fetch whole pages for it, which no browser allows for a book opened from disk.
"""

import json
import re
from pathlib import Path

import sphinx.search
from docutils import nodes  # type: ignore[import-untyped]
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

TEXTS = "_static/text"  # below the site's root
SILENT = (nodes.comment, nodes.literal_block, nodes.math, nodes.math_block)
DRAWN = re.compile(r"(?s)<(svg|style|script)\b.*?</\1>|\\[(\[].*?\\[)\]]|<[^<>]+>")
EVERYWHERE = {"In one minute", "Setup", "The method", "The experiment", "Figures", "Claims"}
EVERYWHERE |= {"What this does not show", "Exercises"}  # headings that find nothing


class Words(SearchEnglish):
    """English, without what nobody looks for: numbers, and words with one of three digits."""

    stopwords = SearchEnglish.stopwords | {"s"}  # of "bird's"; the two stemmers disagree on it

    def word_filter(self, word: str) -> bool:
        """Whether a word is indexed."""
        return super().word_filter(word) and not re.search(r"^\d+e?\d*$|\d{3}|^_", word)


class Prose(sphinx.search.IndexBuilder):
    """Sphinx's index, fed with prose."""

    def feed(self, docname: str, filename: str, title: str, doctree: nodes.document) -> None:
        """Indexes a page and stores its text."""
        told = prose(doctree)
        super().feed(docname, filename, title, told)
        target = Path(self.env.app.outdir, TEXTS, f"{docname}.js")
        target.parent.mkdir(parents=True, exist_ok=True)
        name, text = json.dumps(docname), json.dumps(_text(told), ensure_ascii=False)
        target.write_text(f"PAGE_TEXTS[{name}] = {text};\n", "utf-8")


def setup(app: Sphinx) -> None:
    """Makes Sphinx use this index."""
    sphinx.search.IndexBuilder = Prose  # type: ignore[misc]
    app.add_search_language(Words)


def prose(doctree: nodes.document) -> nodes.document:
    """A copy without code and formulas, and with the words of raw HTML as text."""
    copy = doctree.deepcopy()
    for node in list(copy.findall(lambda node: isinstance(node, SILENT))):
        node.parent.remove(node)
    for node in list(copy.findall(nodes.raw)):
        words = DRAWN.sub(" ", node.astext()) if "html" in node.get("format", "") else ""
        node.parent.replace(node, nodes.paragraph("", " ".join(words.split())))
    for node in list(copy.findall(nodes.title)):
        in_section = isinstance(node.parent, nodes.section)
        if not in_section or node.astext() in EVERYWHERE:
            node.parent.remove(node)
    for node in list(copy.findall(addnodes.index)):
        if not isinstance(node.parent, nodes.term):  # the library's names are indexed as objects
            node.parent.remove(node)
    return copy


def _text(doctree: nodes.document) -> str:
    """A page's text in one line, without its title."""
    for title in list(doctree.findall(nodes.title))[:1]:
        title.parent.remove(title)
    return " ".join(doctree.astext().split())
