"""What the book adds to Sphinx: only the scripts a page uses, folded solutions, numbering by page.

Loaded by `book/_config.yml`; the theme in `book/_theme` reads `page_styles`, `page_scripts`,
`page_kind` and `toc_entries` from the page's context.
"""

import enum
import re
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx_exercise.nodes import solution_node  # type: ignore[import-untyped]

from bookbinder import search

SEARCH_SCRIPTS = (
    "_static/documentation_options.js",
    "_static/doctools.js",
    "_static/sphinx_highlight.js",
    "_static/searchtools.js",
    "_static/language_data.js",
    "_static/summaries.js",
    "_static/search.js",
    "searchindex.js",  # last: the search runs as soon as it is there
)


# Tokens of code that the theme leaves in the color of the text; they are half of a page's spans.
UNCOLORED = re.compile(r'<span class="(?:bp|err|n|na|nb|o|p|w)">([^<]*)</span>|<span></span>')


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the extension."""
    # It numbers sections, in the main process only, but does not say that it may run in parallel.
    app.extensions["sphinx_multitoc_numbering"].parallel_read_safe = True
    app.connect("html-page-context", _choose_assets)
    app.connect("doctree-resolved", _drop_repeated_ids)
    app.connect("env-check-consistency", _number_by_page)
    app.connect("autodoc-process-docstring", _dollars_to_math, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", _skip_fields)
    app.connect("autodoc-process-signature", _plain_enum)
    search.setup(app)
    app.add_node(solution_node, override=True, html=(_open_solution, _close_solution))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _choose_assets(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Lists the styles and scripts that this page uses, and no others."""
    body = context.get("body", "")
    styles, scripts = ["_static/paperlab.css"], ["_static/paperlab.js"]
    if r"\(" in body or r"\[" in body:
        styles += ["_static/katex/katex.min.css"]
        scripts += [
            "_static/katex.min.js",
            "_static/auto-render.min.js",
            "_static/katex_autorenderer.js",
        ]
    if "<pre" in body:
        styles += ["_static/copybutton.css"]
        scripts += [
            "_static/documentation_options.js",
            "_static/clipboard.min.js",
            "_static/copybutton.js",
        ]
    if 'class="sd-' in body:
        styles += ["_static/sphinx-design.min.css"]
        scripts += ["_static/design-tabs.js"] if "sd-tab" in body else []
    if "data-table" in body:
        scripts += ["_static/tables.js"]
    if 'id="gallery"' in body:
        scripts += ["_static/gallery.js"]
    if page == "search":
        scripts += SEARCH_SCRIPTS
    context["body"] = UNCOLORED.sub(lambda token: token[1] or "", body)
    context["page_styles"], context["page_scripts"] = styles, scripts
    context["page_kind"] = page.replace("/", "-")
    context["toc_entries"] = context.get("toc", "").count("<li>") - 1


def _number_by_page(app: Sphinx, env: BuildEnvironment) -> None:
    """Numbers exercises from 1 on every page rather than through the whole book.

    It runs after Sphinx has numbered them and has stored its environment, so that the next build
    compares like with like.
    """
    for numbers in env.toc_fignumbers.values():
        for kind, ids in numbers.items():
            numbers[kind] = {name: (n,) for n, name in enumerate(ids, start=1)}


def _drop_repeated_ids(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Takes the ids from the sections inside exercises, which are the same in each."""
    for section in doctree.findall(nodes.section):
        if section["ids"] in (["exercise-content"], ["solution-content"]):
            section["ids"] = []


DISPLAY = re.compile(r"^( *)\$\$(.+?)\$\$ *([^\n]*)$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<![\\$`])\$([^$]+?)\$(?![$`])")
BAR = re.compile(r"(?<!\S)\|(?=\w)")


def _dollars_to_math(
    app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]
) -> None:
    """Lets docstrings write mathematics between dollars, as the notebooks do."""

    def display(match: re.Match[str]) -> str:
        indent, body, rest = match.groups()
        formula = f"\n{indent}   ".join(line.strip() for line in body.strip().splitlines())
        return f"\n{indent}.. math::\n\n{indent}   {formula}\n\n{indent}{rest}"

    # Outside of mathematics a bar before a word is an absolute value, and no substitution.
    parts = re.split(r"(?s)(\$\$.+?\$\$|\$[^$]*\$)", "\n".join(lines))
    parts[::2] = [BAR.sub(r"\\|", part) for part in parts[::2]]
    text = DISPLAY.sub(display, "".join(parts))
    text = INLINE.sub(lambda match: f":math:`{' '.join(match[1].split())}`", text)
    lines[:] = text.split("\n")


def _skip_fields(
    app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Skips fields of named tuples, which their class's docstring describes already."""
    return True if type(member).__name__ == "_tuplegetter" else None


def _plain_enum(
    app: Sphinx, what: str, name: str, item: Any, options: Any, arguments: str, returns: str
) -> tuple[str, str] | None:
    """Leaves out the signature of an enumeration, which is Python's and not the book's."""
    return ("", "") if isinstance(item, enum.EnumMeta) else None


def _open_solution(translator: Any, node: nodes.Element) -> None:
    # Plain text: a link in the summary would navigate where a reader means to unfold.
    title = node.pop(0).astext().partition(" (")[0]
    translator.body.append(translator.starttag(node, "details", CLASS="solution"))
    translator.body.append(f"<summary>{translator.encode(title)}</summary>\n")


def _close_solution(translator: Any, node: nodes.Element) -> None:
    translator.body.append("</details>\n")
