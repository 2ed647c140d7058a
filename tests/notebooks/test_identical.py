"""The notebook that a page offers, run with the wheel that the site offers, gives its values.

To the last bit, on the machine that built the book: so the same source gives the same values twice.
Checked on three papers, others after every commit.
"""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bookbinder import catalogue, execute, record

ROOT = Path(__file__).parents[2]


def commit(papers: list[catalogue.Paper]) -> str:
    """The commit checked out; without git a digest of the notebooks."""
    try:
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return execute.digest_of(paper.notebook(ROOT) for paper in papers)


def chosen(papers: list[catalogue.Paper], count: int = 3) -> list[catalogue.Paper]:
    """Papers drawn by the commit."""
    drawn = commit(papers)
    return sorted(
        papers, key=lambda paper: hashlib.sha256(f"{drawn} {paper.slug}".encode()).digest()
    )[:count]


@pytest.fixture
def library(tmp_path):
    """The site's wheel, unpacked; without it on the path kernels import the checkout's library."""
    (wheel,) = (ROOT / "build/site").glob("paperlab_book-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "library")
    return tmp_path / "library"


# Each on its own, so that the workers of pytest-xdist share them.
@pytest.mark.parametrize("paper", chosen(catalogue.load(ROOT).written(ROOT)), ids=lambda p: p.slug)
def test_the_downloaded_notebook_gives_the_pages_values(paper, library, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(library))
    command = [sys.executable, "-c", "import paperlab; print(paperlab.__file__)"]
    imported = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    assert Path(imported.stdout.strip()) == library / "paperlab/__init__.py"
    download = ROOT / f"build/site/{paper.part}/{paper.slug}.ipynb"
    execute.execute(download, tmp_path / f"{paper.slug}.ipynb")
    first = record.claims_of(ROOT / f"build/executed/{paper.slug}.ipynb")
    second = record.claims_of(tmp_path / f"{paper.slug}.ipynb")
    assert json.dumps(first) == json.dumps(second)
