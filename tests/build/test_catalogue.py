"""The catalogue is valid, and each mistake in it gives one line that says where and what."""

import copy

import pytest
import yaml
from conftest import ROOT

from bookbinder import catalogue

BOOK = catalogue.load(ROOT)
SLUG = "tree-wasserstein"


@pytest.fixture
def change(catalogue_copy):
    """Changes a file of the catalogue and gives the lines of complaint."""

    def _change(name, act):
        path = catalogue_copy / "book" / name
        data = yaml.safe_load(path.read_text("utf-8"))
        act(data)
        path.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")
        with pytest.raises(catalogue.CatalogueError) as caught:
            catalogue.load(catalogue_copy)
        return str(caught.value).replace(f"{catalogue_copy}/book/", "").splitlines()

    return _change


def test_the_catalogue_is_valid_and_complete():
    assert len(BOOK.papers) == 69
    assert [p.slug for p in BOOK.papers] == [s for part in BOOK.parts for s in part.papers]


def test_every_notebook_is_in_the_catalogue_with_claims():
    expected = {paper.notebook(ROOT) for paper in BOOK.papers}
    assert set((ROOT / "notebooks").rglob("*.ipynb")) <= expected
    for paper in BOOK.written(ROOT):
        for field in ("claims", "prerequisites", "read", "finding"):
            assert getattr(paper, field), f"{paper.slug} has a notebook and no {field}"


def test_the_library_reads_the_same_rules():
    for paper in BOOK.written(ROOT):
        from paperlab.claims import entry

        assert entry.read(paper.slug).digest == paper.rules().digest


# The entry's first claim and its first check, whatever they are called.
CLAIM = BOOK[SLUG].claims[0].id
CHECK = BOOK[SLUG].claims[0].checks[0].name
MISTAKES = [
    (lambda e: e.update(published="2024-02-31"), "published: Input should be a valid date"),
    (lambda e: e.update(published="3024-01-01"), "published: expected a date between 1950 and"),
    (lambda e: e.update(arxiv="24.1"), "arxiv: String should match pattern"),
    (lambda e: e.update(scope="full"), "scope: Input should be 'exact', 'scaled' or 'mechanism'"),
    (lambda e: e.update(authors=[]), "authors: List should have at least 1 item"),
    (lambda e: e.update(code="github"), "code: String should match pattern"),
    (lambda e: e.update(colour="blue"), "colour: Extra inputs are not permitted"),
    (lambda e: e.update(part="x"), "part: not expected here; the file's name and parts.yml say it"),
    (lambda e: e.update(waived=["rigor"]), "waived: 0: Input should be 'near controls'"),
    (lambda e: e["claims"][0].update(id="1"), "claims, 1: id: String should match pattern"),
    (lambda e: e["claims"][0].pop("whose"), f"claims, {CLAIM}: whose: Field required"),
    (
        lambda e: e["claims"][0].pop("checks"),
        f"claims: {CLAIM}: expected either checks or out_of_reach",
    ),
    (
        lambda e: e["claims"].append(e["claims"][0]),
        f"claims: expected unique claim ids, found {CLAIM} more than once",
    ),
    (
        lambda e: e["claims"][0]["checks"].append(e["claims"][0]["checks"][0]),
        f"claims: {CLAIM}: expected unique names of checks, found {CHECK}",
    ),
    (
        lambda e: [check.pop("controls") for check in e["claims"][0]["checks"]],
        f"claims: {CLAIM}: expected a control for at least one of its checks",
    ),
    (
        lambda e: e["claims"][0]["checks"][0].update(rule={"over": 1}),
        f"claims, {CLAIM}, checks, {CHECK}: rule: expected one of above, below, within, equals",
    ),
    (
        lambda e: e["claims"][0]["checks"][0].update(rule={"below": 1, "direction": 0}),
        f"claims, {CLAIM}, checks, {CHECK}: rule: direction: expected a region wider than 1",
    ),
    (
        lambda e: e["claims"][0]["checks"][0].update(bar="ours", because=None),
        f"claims, {CLAIM}, checks: {CHECK}: expected `because`, the reason of a bar of ours",
    ),
    (
        lambda e: e["claims"][0]["checks"][0].update(controls={"leafless": "far"}),
        f"claims, {CLAIM}, checks, {CHECK}, controls: leafless: Input should be 'near' or 'wreck'",
    ),
]


@pytest.mark.parametrize(("act", "line"), MISTAKES, ids=[line[:48] for _, line in MISTAKES])
def test_a_mistake_is_one_line_with_file_place_field_and_expectation(act, line, change):
    lines = change(f"papers/{SLUG}.yml", act)
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"papers/{SLUG}.yml: {line}"), lines


def test_a_claim_needs_a_near_control_unless_waived(change):
    def act(entry):
        entry["waived"] = []
        for check in entry["claims"][0]["checks"]:
            check["controls"] = dict.fromkeys(check["controls"], "wreck")

    (line,) = change(f"papers/{SLUG}.yml", act)
    assert f"claims: expected a near control for {CLAIM}" in line


def test_parts_and_entries_must_match(change, catalogue_copy):
    (line,) = change("parts.yml", lambda parts: parts[0]["papers"].append("no-such-paper"))
    assert "papers: expected an entry book/papers/no-such-paper.yml" in line
    (catalogue_copy / "book/papers/stray.yml").write_text("title: Stray")
    lines = change("parts.yml", lambda parts: parts[0]["papers"].remove("no-such-paper"))
    assert lines == [
        "papers/stray.yml: expected its paper among the papers of a part in book/parts.yml"
    ]


def test_a_paper_stands_in_one_place(change):
    lines = change("parts.yml", lambda parts: parts[0]["papers"].append(SLUG))
    assert lines == [f"parts.yml: papers: expected each in one place, found {SLUG} twice"]


def test_several_mistakes_are_several_lines(change):
    lines = change(f"papers/{SLUG}.yml", lambda e: e.update(scope="full", arxiv="x"))
    assert len(lines) == 2


def test_a_concept_map_names_papers_of_its_part(change):
    lines = change(
        "parts.yml", lambda parts: parts[0]["map"]["rows"][0][0].update(paper="tree-wasserstein")
    )
    place = "parts.yml: losses-and-online-learning, map"
    assert f"{place}: expected papers of the part, found tree-wasserstein" in lines
    assert f"{place}, links: expected papers of the map, found proper-losses-half-order" in lines


def test_broken_yaml_is_one_line(catalogue_copy):
    (catalogue_copy / f"book/papers/{SLUG}.yml").write_text("claims: [")
    with pytest.raises(catalogue.CatalogueError, match=rf"{SLUG}\.yml: not valid YAML") as caught:
        catalogue.load(catalogue_copy)
    assert len(str(caught.value).splitlines()) == 1


def test_reasons_around_a_rule_are_not_part_of_its_digest():
    paper = BOOK[SLUG].model_dump()
    before = BOOK[SLUG].rules().digest
    for field, value, same in (
        ("because", "another reason", True),
        ("bar", "paper", True),
        ("rule", {"below": 2.0}, False),
        ("controls", {"another": "near"}, False),
        ("kind", "bound", False),
        ("name", "another", False),
    ):
        changed = copy.deepcopy(paper)
        changed["claims"][0]["checks"][0][field] = value
        digest = catalogue.Paper.model_validate(changed).rules().digest
        assert (digest == before) == same, field
