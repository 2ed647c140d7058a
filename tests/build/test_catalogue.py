"""The catalogue is valid, and each mistake in it gives one line that says where and what."""

import copy
from pathlib import Path

import pytest
import yaml

from bookbinder import catalogue

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data():
    return yaml.safe_load((ROOT / "book/papers.yml").read_text("utf-8"))


def load(data, tmp_path):
    path = tmp_path / "papers.yml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
    return catalogue.load(path)


def test_the_catalogue_is_valid_and_complete():
    book = catalogue.load(ROOT / "book/papers.yml")
    assert len(book.papers) == 69
    assert {paper.part for paper in book.papers} == {part.slug for part in book.parts}


def test_every_notebook_is_in_the_catalogue_with_claims():
    book = catalogue.load(ROOT / "book/papers.yml")
    expected = {paper.notebook(ROOT) for paper in book.papers}
    assert set((ROOT / "notebooks").rglob("*.ipynb")) <= expected
    for paper in book.written(ROOT):
        assert paper.claims, f"{paper.slug} has a notebook and no claims"
        assert paper.prerequisites, f"{paper.slug} has a notebook and no prerequisites"


MISTAKES = [
    ({"slug": "Not a Slug"}, "Not a Slug: slug: String should match pattern"),
    ({"part": "no-such-part"}, "{slug}: part: expected one of losses-and-online-learning"),
    ({"published": "2024-02-31"}, "{slug}: published: Input should be a valid date"),
    ({"published": "3024-01-01"}, "{slug}: published: expected a date between 1950 and today"),
    ({"arxiv": "24.1"}, "{slug}: arxiv: String should match pattern"),
    ({"scope": "full"}, "{slug}: scope: Input should be 'exact', 'scaled' or 'mechanism'"),
    ({"authors": []}, "{slug}: authors: List should have at least 1 item"),
    ({"code": "github"}, "{slug}: code: String should match pattern"),
    ({"colour": "blue"}, "{slug}: colour: Extra inputs are not permitted"),
    ({"claims": [{"id": "1"}]}, "{slug}, claims, 1: id: String should match pattern"),
]


@pytest.mark.parametrize(("change", "line"), MISTAKES, ids=[str(c) for c, _ in MISTAKES])
def test_a_mistake_is_one_line_with_file_entry_field_and_expectation(change, line, data, tmp_path):
    paper = data["papers"][3]
    line = line.format(slug=paper["slug"])
    paper |= change
    with pytest.raises(catalogue.CatalogueError) as caught:
        load(data, tmp_path)
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{tmp_path}/papers.yml: papers, {line}")


def test_slugs_and_claim_ids_are_unique(data, tmp_path):
    twice = copy.deepcopy(data)
    twice["papers"].append(twice["papers"][0])
    with pytest.raises(catalogue.CatalogueError, match="slug: expected unique slugs, found 2"):
        load(twice, tmp_path)
    claim = {"id": "C1", "statement": "x", "paper": None, "where": "y"}
    data["papers"][0]["claims"] = [claim, claim]
    with pytest.raises(
        catalogue.CatalogueError, match="claims: expected unique claim ids, found C1"
    ):
        load(data, tmp_path)


def test_several_mistakes_are_several_lines(data, tmp_path):
    data["papers"][0]["scope"], data["papers"][1]["arxiv"] = "full", "x"
    with pytest.raises(catalogue.CatalogueError) as caught:
        load(data, tmp_path)
    assert len(str(caught.value).splitlines()) == 2


def test_a_concept_map_names_papers_of_its_part(data, tmp_path):
    concepts = data["parts"][0]["map"]
    concepts["rows"][0][0]["paper"] = "tree-wasserstein"
    with pytest.raises(catalogue.CatalogueError) as caught:
        load(data, tmp_path)
    lines = str(caught.value)
    assert "losses-and-online-learning, map: expected papers of the part, found tree-w" in lines
    assert "map, links: expected papers of the map, found proper-losses-half-order" in lines


def test_broken_yaml_is_one_line(tmp_path):
    path = tmp_path / "papers.yml"
    path.write_text("papers: [")
    with pytest.raises(catalogue.CatalogueError, match=r"papers\.yml: not valid YAML") as caught:
        catalogue.load(path)
    assert len(str(caught.value).splitlines()) == 1
