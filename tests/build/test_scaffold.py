"""A new paper starts with every section, and without touching any other entry."""

import nbformat
import pytest

from bookbinder import catalogue, scaffold


@pytest.fixture
def planned(catalogue_copy):
    return next(p for p in catalogue.load(catalogue_copy).papers if not p.claims)


def test_a_skeleton_with_every_section_and_a_first_claim(catalogue_copy, planned):
    before = {p.slug: p for p in catalogue.load(catalogue_copy).papers}
    path = scaffold.scaffold(planned.slug, catalogue_copy)
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
    after = {p.slug: p for p in catalogue.load(catalogue_copy).papers}
    assert [claim.id for claim in after[planned.slug].claims] == ["C1"]
    del before[planned.slug], after[planned.slug]
    assert before == after


def test_nothing_is_overwritten(catalogue_copy, planned):
    path = scaffold.scaffold(planned.slug, catalogue_copy)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="exists already"):
        scaffold.scaffold(planned.slug, catalogue_copy)
    assert path.read_bytes() == content


def test_an_unknown_paper_is_refused(catalogue_copy):
    with pytest.raises(ValueError, match=r"no-such-paper: no entry"):
        scaffold.scaffold("no-such-paper", catalogue_copy)
