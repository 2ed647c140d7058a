"""Checks one paper in seconds, without running it: `python -m bookbinder.check SLUG`.

The entry's schema and what it leaves open, the budget of words and of lines in view, names that
are computed and never used, functions that are never called, and references to a line, table or
figure that is not there.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from typing import Any

import nbformat

from bookbinder import catalogue
from bookbinder.scaffold import FILL_IN
from bookbinder.times import LINES, WORDS, lines_in_view, words_in_view

REFERENCE = re.compile(r"\bthe (line|table|figure|picture|plot)s? (below|above)\b")
# What must stand there: in a code cell's source, or in Markdown.
SHOWN = {
    "line": r"print\(|display\(|Markdown\(|^\|",
    "table": r"table\(|Markdown\(|display\(|\.to_markdown|print\(|^\s*\|.*\|",
    "figure": r"figures\.(show|explorer)\(",
    "picture": r"figures\.(show|explorer)\(",
    "plot": r"figures\.(show|explorer)\(",
}


def loose_ends(notebook: Any) -> list[str]:
    """One line for each unused name and each reference to something that is not there."""
    return [*unused_names(notebook), *dangling_references(notebook)]


def unused_names(notebook: Any) -> list[str]:
    """Top-level variables and functions of the cells that nothing reads.

    Names in unpacked tuples, class fields and names that begin with an underscore are passed over.
    """
    bound: dict[str, str] = {}
    read = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        for node in tree.body:
            for name, kind in _bound(node):
                bound.setdefault(name, kind)
        read |= {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }
    return [
        f"{kind} `{name}` is never {'called' if kind == 'function' else 'used'}"
        for name, kind in bound.items()
        if name not in read and not name.startswith("_")
    ]


def _bound(node: ast.stmt) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef):
        yield node.name, "function"
    elif isinstance(node, ast.Assign):
        yield from ((t.id, "variable") for t in node.targets if isinstance(t, ast.Name))


def dangling_references(notebook: Any) -> list[str]:
    """References such as "the table below" with no such thing in that part of the section."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        for what, where in REFERENCE.findall(cell.source):
            pattern = re.compile(SHOWN[what], re.MULTILINE)
            if not any(pattern.search(text) for text in _near(notebook.cells, index, where)):
                found.append(f"“the {what} {where}” in cell {index}: there is none in the section")
    return found


def _near(cells: list[Any], index: int, where: str) -> Iterator[str]:
    """Sources from a cell to the end, or back to the start, of its second-level section."""
    step = 1 if where == "below" else -1
    yield cells[index].source
    index += step
    while 0 <= index < len(cells):
        heading = cells[index].cell_type == "markdown" and cells[index].source.startswith("## ")
        if heading and step == 1:
            return
        yield cells[index].source
        if heading:
            return
        index += step


def over_budget(notebook: Any) -> list[str]:
    """Where words and lines in view exceed their caps."""
    words, lines = words_in_view(notebook), lines_in_view(notebook)
    told = [f"{words:,} words, of {WORDS:,} at most"] if words > WORDS else []
    return told + ([f"{lines} lines of code in view, of {LINES} at most"] if lines > LINES else [])


def left_open(entry: str) -> list[str]:
    """The lines of an entry that a new paper was started with and nobody has filled in."""
    return [line.strip() for line in entry.splitlines() if FILL_IN in line]


def main() -> None:
    """Command line; exits with 1 and a line per problem that no waiver excuses."""
    parser = argparse.ArgumentParser(description="Check a paper without running it.")
    parser.add_argument("slug")
    slug = parser.parse_args().slug
    try:
        paper = catalogue.load()[slug]
    except catalogue.CatalogueError as error:
        sys.exit(str(error))
    except KeyError:
        sys.exit(f"{slug}: not in the catalogue")
    notebook = nbformat.read(paper.notebook(), as_version=4)
    path = catalogue.PAPERS / f"{slug}.yml"
    open_ends = left_open(path.read_text("utf-8"))
    problems = over_budget(notebook) + loose_ends(notebook)
    print(*(f"{path}: {line}" for line in open_ends), *problems, sep="\n")
    if open_ends or (problems and "view" not in paper.waived):
        sys.exit(1)


if __name__ == "__main__":
    main()
