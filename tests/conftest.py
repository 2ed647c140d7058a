"""A small book of its own for tests of the build: fast notebooks, the real tools."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
check = claims.Check("one", claims.exact(1.0), claims.greater_than(0), {{"zero": claims.exact(0)}})
ledger.record("C1", check)
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
        entries = []
        for slug in notebooks:
            entry = {"slug": slug, "title": slug, "authors": ["A. Author"], "arxiv": None}
            entry |= {"published": "2024-01-01", "venue": "none", "code": None, "part": "part"}
            entry |= {"scope": "exact", "tags": ["tag"], "prerequisites": []}
            claim = {"id": "C1", "statement": "One is positive.", "paper": None, "where": "here"}
            entries.append(entry | {"claims": [claim]})
        parts = [{"slug": "part", "title": "Part", "summary": "A part."}]
        text = yaml.safe_dump({"parts": parts, "papers": entries}, sort_keys=False)
        (self.root / "book/papers.yml").write_text(text.replace("'2024-01-01'", "2024-01-01"))
        for slug, cells in notebooks.items():
            self.write_notebook(slug, cells)

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
