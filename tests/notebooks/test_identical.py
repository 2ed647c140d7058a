"""Two executions on one machine give the same claim values, to the last bit.

Checked on three papers, others after every commit.
"""

import hashlib
import json
import subprocess
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


# Each on its own, so that the workers of pytest-xdist share them.
@pytest.mark.parametrize("paper", chosen(catalogue.load(ROOT).written(ROOT)), ids=lambda p: p.slug)
def test_the_same_source_gives_the_same_values(paper, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    execute.execute(paper.notebook(), tmp_path / f"{paper.slug}.ipynb")
    first = record.claims_of(ROOT / f"build/executed/{paper.slug}.ipynb")
    second = record.claims_of(tmp_path / f"{paper.slug}.ipynb")
    assert json.dumps(first) == json.dumps(second)
