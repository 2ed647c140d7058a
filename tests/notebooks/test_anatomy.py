"""Every notebook has the sections, figures, claims and exercises that a reader may expect."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from bookbinder import catalogue, record

ROOT = Path(__file__).parents[2]
PAPERS = catalogue.load(ROOT).written(ROOT)
SECTIONS = [
    "In one minute",
    "Setup",
    "The method",
    "The experiment",
    "Figures",
    "Claims",
    "What this does not show",
    "Exercises",
]
MEMORY_BUDGET = 2e9  # bytes
NETWORK = {"urllib", "requests", "http", "socket", "httpx", "aiohttp", "ftplib", "subprocess"}


# Each notebook is read once for all its tests.
@pytest.fixture(scope="module", params=PAPERS, ids=lambda paper: paper.slug)
def paper(request) -> catalogue.Paper:
    return request.param


@pytest.fixture(scope="module")
def notebook(paper) -> Any:
    return nbformat.read(paper.notebook(ROOT), as_version=4)


@pytest.fixture(scope="module")
def executed(paper) -> Any:
    path = ROOT / f"build/executed/{paper.slug}.ipynb"
    assert path.exists(), "not executed yet: make book"
    return nbformat.read(path, as_version=4)


def of_type(notebook: Any, kind: str) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def headings(notebook: Any) -> Iterator[tuple[int, str, int]]:
    """(level, text, cell index) of every heading outside code fences."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            text = re.sub(r"(?ms)^(`{3,}).*?^\1", "", cell.source)
            for marks, title in re.findall(r"(?m)^(#+) (.*)$", text):
                yield len(marks), title, index


def section_start(notebook: Any, title: str) -> int:
    return next(i for level, text, i in headings(notebook) if level == 2 and text.startswith(title))


def trees(notebook: Any) -> Iterator[ast.AST]:
    for cell in of_type(notebook, "code"):
        yield from ast.walk(ast.parse(cell.source))


def test_sections_are_there_and_in_order(notebook):
    levels = list(headings(notebook))
    assert [level for level, _, _ in levels].count(1) == 1
    assert max(level for level, _, _ in levels) <= 3
    titles = [title for level, title, _ in levels if level == 2]
    assert len(titles) == len(SECTIONS), titles
    for title, section in zip(titles, SECTIONS, strict=True):
        assert title.startswith(section)


def test_the_first_cell_is_the_title_alone(notebook):
    assert re.fullmatch(r"# [^\n]+", notebook.cells[0].source.strip())


def test_one_parameters_cell_sets_the_seed(notebook):
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert re.search(r"(?m)^SEED = 0\b", tagged[0].source)
    position = notebook.cells.index(tagged[0])
    assert section_start(notebook, "Setup") < position < section_start(notebook, "The method")


def test_stored_without_outputs(notebook):
    for cell in of_type(notebook, "code"):
        assert cell.outputs == []
        assert cell.execution_count is None
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


def test_what_the_page_folds_is_folded_in_jupyterlab(notebook):
    for cell in of_type(notebook, "code"):
        folded = "hide-input" in cell.metadata.get("tags", [])
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == hidden, cell.source.splitlines()[0]


def test_what_draws_a_figure_is_folded(notebook):
    """Else its caption and alternative text stand as source above the picture they describe."""
    for cell in of_type(notebook, "code"):
        tags = cell.metadata.get("tags", [])
        draws = re.search(r"figures\.(show|explorer)\(", cell.source)
        if draws or "figure" in tags:
            assert "hide-input" in tags, cell.source.splitlines()[0]


def test_no_table_is_lost_in_the_middle_of_a_cell(notebook):
    """Jupyter shows the last value of a cell alone."""
    for cell in of_type(notebook, "code"):
        for statement in ast.parse(cell.source).body[:-1]:
            assert not (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Call)
                and ast.unparse(statement.value.func) in {"tables.show", "figures.show"}
            ), ast.unparse(statement)[:60]


def test_figures_compute_nothing_that_other_code_reads(notebook):
    """Cells tagged `figure` are no part of the digest that seals the draws."""
    cells = of_type(notebook, "code")
    for index, cell in enumerate(cells):
        if "figure" not in cell.metadata.get("tags", []):
            continue
        bound = names(cell, ast.Store)
        assert "rng" not in bound | names(cell, ast.Load), "a figure draws random numbers"
        for later in cells[index + 1 :]:
            if "figure" not in later.metadata.get("tags", []):
                needed = names(later, ast.Load) - names(later, ast.Store)
                assert not bound & needed, (cell.source.splitlines()[0], bound & needed)
                bound -= names(later, ast.Store)


def names(cell: Any, context: type[ast.expr_context]) -> set[str]:
    nodes = list(ast.walk(ast.parse(cell.source)))
    found = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, context)}
    if context is ast.Store:
        found |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return found


def test_the_ledger_is_the_last_code_before_the_limits(notebook):
    end = section_start(notebook, "What this does not show")
    before = [cell for cell in notebook.cells[:end] if cell.cell_type == "code"]
    assert before[-1].source.strip().splitlines()[-1] == "ledger.report()"


def test_three_exercises_with_executed_solutions(notebook, paper):
    start = section_start(notebook, "Exercises")
    text = "\n".join(cell.source for cell in notebook.cells[start:])
    labels = re.findall(r"(?m)^`{3,}\{exercise\}.*\n:label: (\S+)$", text)
    assert labels == [f"{paper.slug}-{number}" for number in (1, 2, 3)]
    solutions: dict[str, int] = {}
    current = None
    for cell in notebook.cells[start:]:
        if match := re.search(r"\{solution-start\} (\S+)\n:class: dropdown", cell.source):
            current = match[1]
            solutions[current] = 0
        elif "{solution-end}" in cell.source:
            current = None
        elif cell.cell_type == "code":
            assert current, "code outside a solution"
            solutions[current] += 1
    assert list(solutions) == labels
    assert all(solutions.values()), "a solution without code that runs"


def test_nothing_is_downloaded(notebook):
    for node in trees(notebook):
        if isinstance(node, ast.Import):
            assert not NETWORK & {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in NETWORK
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            assert not name.startswith("fetch_")


def test_all_randomness_comes_from_the_seed(notebook):
    sources = {"key", "PRNGKey", "default_rng", "RandomState", "SeedSequence", "seed"}
    for node in trees(notebook):
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert "random" not in {
                alias.name for alias in node.names if isinstance(node, ast.Import)
            }
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        name = function.rpartition(".")[2]
        if function.startswith(("np.random.", "numpy.random.")):
            assert name in {"default_rng", "Generator", "SeedSequence"}, function
        if name in sources:
            assert node.args or node.keywords, f"{function}() without a seed"
        seeds = node.args if name in sources else []
        seeds = [*seeds, *(k.value for k in node.keywords if k.arg in ("random_state", "seed"))]
        for value in seeds:
            assert not isinstance(value, ast.Constant), f"literal seed: {ast.unparse(node)}"


def test_executed_without_noise(executed):
    for cell in of_type(executed, "code"):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


def test_printed_outputs_are_short(executed):
    """A value left at a cell's end, such as a model's arrays, fills a page with digits."""
    for cell in of_type(executed, "code"):
        for output in cell.outputs:
            data = output.get("data", {})
            shown = output.get("text", "" if len(data) > 1 else data.get("text/plain", ""))
            assert len(shown.splitlines()) <= 25, (cell.source.splitlines()[-1], shown[:200])


def test_every_figure_has_caption_and_alternative_text(executed):
    figures = 0
    for cell in of_type(executed, "code"):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                figures += 1
                page = data["text/html"]
                alt = re.search(r'<svg role="img" aria-label="([^"]+)"', page)
                caption = re.search(r"<figcaption>(.+?)</figcaption>", page, re.DOTALL)
                assert alt and len(alt[1].split()) >= 12, "alternative text says too little"
                assert caption and len(caption[1].split()) >= 8, "caption says too little"
    assert figures >= 3, "one for the idea, the paper's, and a teacher's"


def test_the_ledger_is_complete(executed, paper):
    claims = record.claims_of(ROOT / f"build/executed/{paper.slug}.ipynb")
    assert claims["paper"] == paper.slug
    assert [c["id"] for c in claims["claims"]] == [c.id for c in paper.claims]
    for claim in claims["claims"]:
        if claim["verdict"] == "out of reach":
            assert claim["reason"]
        else:
            assert any(check["controls"] for check in claim["checks"])


def test_the_memory_budget_is_kept(executed):
    assert executed.metadata["paperlab"]["peak_bytes"] < MEMORY_BUDGET
