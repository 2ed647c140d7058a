"""A small book of its own for tests of the build: fast notebooks, the real tools."""

import datetime
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from hypothesis import settings

ROOT = Path(__file__).parent.parent

# The same examples everywhere, unless HYPOTHESIS_PROFILE=explore asks for new ones.
settings.register_profile("ci", derandomize=True)
settings.register_profile("explore", max_examples=500, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

LEDGER = """
from paperlab import claims
ledger = claims.Ledger("{slug}")
ledger.record("C1", claims.Check("one", claims.exact(1.0), {{"zero": claims.exact(0)}}))
ledger.report()
"""


class SmallBook:
    """A copy of the build's machinery around notebooks of a test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "src", root / "src", symlinks=True)
        for name in ("Snakefile", "Makefile", "pyproject.toml", "requirements.txt"):
            shutil.copy(ROOT / name, root / name)
        (root / "book").mkdir()
        self.environment = os.environ | {
            "PYTHONPATH": str(root / "src"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def write(self, **notebooks: list[str]) -> None:
        """Writes notebooks of the given code cells, and a catalogue that lists them."""
        check = {"name": "one", "rule": {"above": 0}, "bar": "theory", "controls": {"zero": "near"}}
        claim = {"id": "C1", "whose": "paper", "statement": "One is positive.", "paper": None}
        claim |= {"where": "here", "checks": [check]}
        for slug in notebooks:
            entry = {"title": slug, "authors": ["A. Author"], "arxiv": None, "code": None}
            entry |= {"published": datetime.date(2024, 1, 1), "venue": "none", "scope": "exact"}
            entry |= {
                "tags": ["optimization"],
                "keywords": ["word"],
                "read": "all",
                "finding": "One.",
                "claims": [claim],
            }
            self.write_entry(slug, entry)
        parts = [{"slug": "part", "title": "Part", "summary": "A part.", "papers": [*notebooks]}]
        (self.root / "book/parts.yml").write_text(yaml.safe_dump(parts, sort_keys=False))
        for slug, cells in notebooks.items():
            self.write_notebook(slug, cells)

    def write_entry(self, slug: str, entry: dict[str, Any]) -> None:
        """Writes one paper's entry."""
        path = self.root / f"book/papers/{slug}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(entry, sort_keys=False))

    def write_notebook(self, slug: str, cells: list[str]) -> Path:
        """Writes one notebook that ends in a ledger."""
        notebook = nbformat.v4.new_notebook()
        parameters = nbformat.v4.new_code_cell("SEED = 0", metadata={"tags": ["parameters"]})
        code = [nbformat.v4.new_code_cell(text) for text in [*cells, LEDGER.format(slug=slug)]]
        notebook.cells = [nbformat.v4.new_markdown_cell(f"# {slug}"), parameters, *code]
        for number, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{number}"
        path = self.root / f"notebooks/part/{slug}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        return path

    def start(self, *targets: str) -> subprocess.Popen[str]:
        """Starts Snakemake as the Makefile does, in a process group of its own."""
        command = ["make", "--no-print-directory", "-f", "-", "run"]
        recipe = f"include {self.root}/Makefile\nrun:\n\t@$(SNAKEMAKE) {' '.join(targets)}\n"
        process = subprocess.Popen(
            [*command, f"VENV={Path(sys.executable).parent.parent}"],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(recipe)
        process.stdin.close()
        process.stdin = None
        return process

    def build(self, *targets: str) -> tuple[int, str]:
        """Exit status and terminal output of a whole run."""
        process = self.start(*targets)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output

    def executed(self, *slugs: str) -> list[str]:
        """The targets that stand for executed notebooks."""
        return [f"build/executed/{slug}.ipynb" for slug in slugs]


@pytest.fixture
def small_book(tmp_path: Path) -> SmallBook:
    return SmallBook(tmp_path)


@pytest.fixture
def catalogue_copy(tmp_path: Path) -> Path:
    """A folder with the catalogue's files in their places."""
    shutil.copytree(ROOT / "book/papers", tmp_path / "book/papers")
    shutil.copy(ROOT / "book/parts.yml", tmp_path / "book/parts.yml")
    return tmp_path
