"""What each paper costs, the machine and the reader, against the budget.

    python -m bookbinder.times

Marks: `!` over the budget, `!!` over the hard limit.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from bookbinder import catalogue
from bookbinder.execute import BUILD

CPU, CPU_LIMIT = 25, 45  # seconds on one core, compilation and imports included
MEMORY = 1.5e9  # bytes
WORDS = 2500
LINES = 350

HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}

# What a page folds or shows as code, and what is no prose, in the order in which it is cut out.
CUTS = (
    (r"(?s)\{solution-start\}.*?\{solution-end\}", " "),
    (r"(?ms)^(`{3,}|:{3,})\{(dropdown|solution)\}.*?^\1[ \t]*$", " "),
    (r"(?ms)^(`{3,})(\{(math|code|code-block|code-cell)\}|(?!\{))[^\n]*\n.*?^\1[ \t]*$", " "),
    (r"(?m)^(`{3,}|:{3,})\{[\w:-]+\}", " "),  # the first line of another directive: its name
    (r"(?m)^:[\w-]+:.*$", " "),  # a directive's options
    (r"(?s)\$\$.*?\$\$", " "),
    (r"\$[^$]+\$", " x "),  # a formula in a sentence counts as a word
    (r"(?s)<!--.*?-->|<[^<>]+>", " "),
    (r"\]\([^)\s]*\)", "] "),
)


def words_in_view(notebook: Any) -> int:
    """Words of prose that a reader sees: none of code, {dropdown} blocks and solutions."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for pattern, replacement in CUTS:
        text = re.sub(pattern, replacement, text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def lines_in_view(notebook: Any) -> int:
    """Lines of code that a reader sees, blank ones aside: none of folded cells and solutions."""
    return sum(
        bool(line.strip())
        for cell in _outside_solutions(notebook)
        if cell.cell_type == "code" and not HIDDEN & set(cell.metadata.get("tags", []))
        for line in cell.source.splitlines()
    )


def reading_minutes(notebook: Any) -> int:
    """Minutes to read a page: 220 words or 30 lines of code in view take one."""
    return math.ceil(words_in_view(notebook) / 220 + lines_in_view(notebook) / 30)


def _outside_solutions(notebook: Any) -> Iterator[Any]:
    inside = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for edge in re.findall(r"\{solution-(start|end)\}", cell.source):
                inside = edge == "start"
        if not inside:
            yield cell


def row(slug: str, notebook: Any) -> list[str]:
    """One paper's line of the table; its notebook must be executed."""
    used = notebook.metadata["paperlab"]
    cpu, memory = used["cpu_seconds"], used["peak_bytes"]
    words, lines = words_in_view(notebook), lines_in_view(notebook)
    return [
        slug,
        f"{cpu:.1f}{_mark(cpu, CPU, CPU_LIMIT)}",
        f"{used['compile_seconds'] / cpu:.0%}",
        f"{memory / 1e9:.2f}{_mark(memory, MEMORY)}",
        f"{words:,}{_mark(words, WORDS)}",
        f"{lines}{_mark(lines, LINES)}",
    ]


def _mark(value: float, budget: float, limit: float = float("inf")) -> str:
    return "!!" if value > limit else "!" if value > budget else ""


def table(rows: list[list[str]]) -> str:
    """Rows below a heading and the budget, numbers aligned whether marked or not."""
    heading = ["paper", "CPU s", "compiling", "memory GB", "words", "lines"]
    budget = ["(budget)", f"{CPU}", "", f"{MEMORY / 1e9:.2f}", f"{WORDS:,}", f"{LINES}"]
    width = max(len(line[0]) for line in [heading, *rows])
    return "\n".join(
        f"{name:{width}}" + "".join(_aligned(value) for value in values)
        for name, *values in [heading, budget, *rows]
    )


def _aligned(value: str) -> str:
    marks = value[len(value.rstrip("!")) :]
    return f"{value.rstrip('!'):>11}{marks:2}"


def main() -> None:
    """Prints the table of all papers that were executed, and names the others."""
    papers = catalogue.load().written()
    paths = {paper.slug: BUILD / "executed" / f"{paper.slug}.ipynb" for paper in papers}
    done = {s: nbformat.read(p, as_version=4) for s, p in paths.items() if Path(p).exists()}
    timed = {s: n for s, n in done.items() if "cpu_seconds" in n.metadata.get("paperlab", {})}
    rows = [row(slug, notebook) for slug, notebook in timed.items()]
    used = [notebook.metadata["paperlab"] for notebook in timed.values()]
    if rows:
        cpu = sum(u["cpu_seconds"] for u in used)
        share = sum(u["compile_seconds"] for u in used) / cpu
        rows.append([f"{len(used)} papers", f"{cpu:.1f}", f"{share:.0%}", "", "", ""])
    print(table(rows))
    if missing := sorted(paths.keys() - timed.keys()):
        print(f"\nNot executed, or by an older build: {', '.join(missing)}")


if __name__ == "__main__":
    main()
