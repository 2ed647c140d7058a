"""A new paper starts with every section, and without touching any other entry."""

import shutil
from pathlib import Path

import nbformat
import pytest

from bookbinder import catalogue, scaffold

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path):
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book/papers.yml", tmp_path / "book/papers.yml")
    return tmp_path


@pytest.fixture
def planned(root):
    return next(p for p in catalogue.load(root / "book/papers.yml").papers if not p.claims)


def test_a_skeleton_with_every_section_and_a_first_claim(root, planned):
    before = {p.slug: p for p in catalogue.load(root / "book/papers.yml").papers}
    path = scaffold.scaffold(planned.slug, root)
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    for heading in ("## In one minute", "## Setup", "## The method", "## Claims", "## Exercises"):
        assert heading in text
    assert f":label: {planned.slug}-3" in text
    assert "{{" not in text
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, "cell", "exec")
    after = {p.slug: p for p in catalogue.load(root / "book/papers.yml").papers}
    assert [claim.id for claim in after[planned.slug].claims] == ["C1"]
    del before[planned.slug], after[planned.slug]
    assert before == after


def test_nothing_is_overwritten(root, planned):
    path = scaffold.scaffold(planned.slug, root)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="exists already"):
        scaffold.scaffold(planned.slug, root)
    assert path.read_bytes() == content


def test_an_unknown_paper_is_refused(root):
    with pytest.raises(ValueError, match=r"no-such-paper: not in book/papers\.yml"):
        scaffold.scaffold("no-such-paper", root)
