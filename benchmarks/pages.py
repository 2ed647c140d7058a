"""What a notebook defines, without its runs, for benchmarks of a page's own functions."""

import ast
from pathlib import Path
from typing import Any

import nbformat


def definitions(notebook: Path, names: set[str]) -> dict[str, Any]:
    """A notebook's imports, and of its functions, classes and settings those named."""
    kept: list[ast.stmt] = []
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.parse(cell.source).body:
            defined = {t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)}
            defined.add(getattr(node, "name", ""))
            if isinstance(node, ast.Import | ast.ImportFrom) or names & defined:
                kept.append(node)
    page: dict[str, Any] = {}
    exec(compile(ast.Module(kept, []), str(notebook), "exec"), page)
    return page
