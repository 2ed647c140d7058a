"""The record belongs to the rules and code as they stand, and this build's runs do not drift."""

import os
from pathlib import Path

import nbformat
import pytest

from bookbinder import catalogue, check, execute, record
from paperlab.claims import WAIVERS

ROOT = Path(__file__).parents[2]
PAPERS = catalogue.load(ROOT).written(ROOT)
RECORDS = {paper.slug: record.read(paper.slug, ROOT) for paper in PAPERS}

# The pages that were written before the rules of the second edition; the list only shrinks.
FIRST_EDITION = {
    "adaptive-interpolated-distillation", "aquila2", "beta-potential-transport",
    "brenier-isotonic-regression", "concrete-k-means", "convolutional-fenchel-young",
    "deepseek-v3", "geometry-calibrated-policy-optimization", "infinity-instruct",
    "inverse-linear-optimization", "nonstationary-structured-prediction",
    "online-structured-prediction", "optimization-inspired-adaptation", "proper-losses-half-order",
    "proximal-flow-matching", "robust-loss-learning",
    "trust-region-distillation", "unbalanced-word-alignment", "zipfian-whitening",
}  # fmt: skip


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_the_record_has_the_words_of_the_entry(paper):
    """The header and the scoreboard show the record's: a claim reworded since is accepted anew."""
    own = {claim.id: claim for claim in paper.claims}
    for claim in RECORDS[paper.slug]["claims"]:
        for field in ("statement", "paper", "where", "whose"):
            said = getattr(own[claim["id"]], field)
            assert claim[field] == said, f"make accept P={paper.slug}: {claim['id']}, {field}"


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_the_record_belongs_to_these_rules_and_this_code(paper):
    accepted, now = RECORDS[paper.slug], record.digests(paper, ROOT)
    assert accepted, f"not accepted yet: make accept P={paper.slug}"
    assert [accepted["rules"], accepted["code"]] == [now["rules"], now["code"]], "out of date"
    assert [claim["id"] for claim in accepted["claims"]] == [claim.id for claim in paper.claims]
    latest = accepted["acceptances"][-1]
    assert (latest["rules"], latest["code"]) == (accepted["rules"], accepted["code"])
    assert latest["verdicts"] == {c["id"]: c["verdict"] for c in accepted["claims"]}


def test_this_build_does_not_drift():
    executed = record.collect([paper.slug for paper in PAPERS], ROOT / record.EXECUTED)
    accepted = {slug: own for slug, own in RECORDS.items() if own}
    assert record.drift(accepted, executed) == []


def test_another_instruction_set_gives_no_drift(tmp_path, monkeypatch):
    """A newcomer's older processor, emulated: one paper, chosen by the state of the notebooks."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_max_isa=SSE4_2")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
    chosen = int(execute.digest_of(paper.notebook(ROOT) for paper in PAPERS), 16) % len(PAPERS)
    paper = PAPERS[chosen]
    target = tmp_path / f"{paper.slug}.ipynb"
    execute.execute(paper.notebook(), target)
    measured = record.claims_of(target)["claims"]
    assert record.drift(RECORDS, {paper.slug: measured}) == []


# --- Waivers --------------------------------------------------------------------------------


def needs(paper: catalogue.Paper) -> set[str]:
    """What a page would be refused for without its waivers."""
    claims = [claim for claim in paper.claims if claim.checks]
    rows = [row for claim in RECORDS[paper.slug]["claims"] for row in claim["checks"]]
    notebook = nbformat.read(paper.notebook(ROOT), as_version=4)
    lacking = {
        "near controls": any(not claim.has_near_control for claim in claims),
        "replicates": any(
            row["estimate"]["sampled"] and row["estimate"]["n"] < 8 and not row["few"]
            for row in rows
        ),
        "could pass": any(
            row["verdict"] in ("undecided", "not reproduced")
            and not row["refuted"]
            and not any(x["verdict"] == "reproduced" for x in row["attainable"])
            for row in rows
        ),
        "view": bool(check.over_budget(notebook) or check.loose_ends(notebook)),
    }
    return {name for name in WAIVERS if lacking[name]}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.slug)
def test_waivers_are_of_the_first_edition_and_needed(paper):
    assert needs(paper) == set(paper.waived), "a waiver that is not needed goes; no new one comes"
    assert not paper.waived or paper.slug in FIRST_EDITION
