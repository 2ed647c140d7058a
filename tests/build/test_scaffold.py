"""A new paper starts with every section, and without touching any other entry."""

import nbformat
import pytest

from bookbinder import catalogue, check, scaffold


@pytest.fixture
def planned(catalogue_copy):
    return next(p for p in catalogue.load(catalogue_copy).papers if not p.claims)


def test_a_skeleton_with_every_section_and_a_first_claim(catalogue_copy, planned):
    before = {p.slug: p for p in catalogue.load(catalogue_copy).papers}
    path = scaffold.scaffold(planned.slug, root=catalogue_copy)
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
    path = scaffold.scaffold(planned.slug, root=catalogue_copy)
    content = path.read_bytes()
    with pytest.raises(ValueError, match="exists already"):
        scaffold.scaffold(planned.slug, root=catalogue_copy)
    assert path.read_bytes() == content


def test_a_paper_that_is_not_planned_gets_an_entry_and_a_place(catalogue_copy):
    before = catalogue.load(catalogue_copy)
    part = before.parts[1]
    path = scaffold.scaffold("a-new-paper", part.slug, catalogue_copy)
    after = catalogue.load(catalogue_copy)
    assert path == after["a-new-paper"].notebook(catalogue_copy) and path.exists()
    assert after.parts[1].papers == [*part.papers, "a-new-paper"]
    assert [p for p in after.papers if p.slug != "a-new-paper"] == before.papers
    entry = (catalogue_copy / "book/papers/a-new-paper.yml").read_text("utf-8")
    told = check.left_open(entry)
    for field in ("title", "authors", "published", "venue", "scope", "tags", "finding"):
        assert any(line.startswith(f"{field}:") for line in told), field
    filled = "\n".join(line for line in entry.splitlines() if line.strip() not in told)
    assert check.left_open(filled) == []


@pytest.mark.parametrize("part", [None, "no-such-part"])
def test_an_unknown_paper_needs_a_part_that_exists(catalogue_copy, part):
    listed = (catalogue_copy / "book/parts.yml").read_bytes()
    with pytest.raises(ValueError, match=r"no-such-paper: not planned yet; expected PART="):
        scaffold.scaffold("no-such-paper", part, catalogue_copy)
    assert (catalogue_copy / "book/parts.yml").read_bytes() == listed
    assert not (catalogue_copy / "book/papers/no-such-paper.yml").exists()


def test_a_planned_paper_stays_in_its_part(catalogue_copy, planned):
    other = next(p.slug for p in catalogue.load(catalogue_copy).parts if p.slug != planned.part)
    with pytest.raises(ValueError, match=f"planned in the part {planned.part}, got {other}"):
        scaffold.scaffold(planned.slug, other, catalogue_copy)


def test_a_bad_slug_is_refused(catalogue_copy):
    part = catalogue.load(catalogue_copy).parts[0].slug
    with pytest.raises(ValueError, match="A_Paper: expected a slug"):
        scaffold.scaffold("A_Paper", part, catalogue_copy)
