"""Drift is told apart from noise and from another processor; the site is swapped in whole."""

import copy

import nbformat
import numpy as np
import pytest
from conftest import ROOT

from bookbinder import accept, catalogue, publish, record
from paperlab import claims
from paperlab.claims import MIME_TYPE, entry

RULES = {
    "claims": [
        {
            "id": "C1",
            "statement": "Up.",
            "paper": None,
            "where": "here",
            "checks": [
                {
                    "name": "gain",
                    "rule": {"above": 0},
                    "bar": "theory",
                    "controls": {"sign flipped": "near"},
                },
                {"name": "residual", "rule": {"below": 1e-6}, "bar": "theory"},
            ],
        }
    ]
}
ENTRY = entry.parse("paper", RULES)


def run(values, residual=1e-12):
    gain = claims.Check("gain", claims.mean(values), {"sign flipped": claims.mean(-values)})
    rest = claims.Check("residual", claims.exact(residual))
    return claims.judge(ENTRY, {"C1": {"gain": gain, "residual": rest}})


@pytest.fixture
def first():
    """The run with SEED 0."""
    return run(np.random.default_rng(0).normal(1, 0.5, 8))


@pytest.fixture
def accepted(first, monkeypatch):
    """A record over ten draws."""
    draws = [run(np.random.default_rng(seed).normal(1, 0.5, 8)) for seed in range(1, 11)]
    paper = catalogue.load(ROOT)["tree-wasserstein"].model_copy(update={"slug": "paper"})
    monkeypatch.setattr(catalogue.Paper, "rules", lambda self: ENTRY)
    monkeypatch.setattr(
        record, "digests", lambda *_: dict.fromkeys(["rules", "code", "library"], "")
    )
    return {"paper": accept.assemble(paper, first, draws, ROOT)}


def elsewhere(accepted):
    """The same record, made on another processor."""
    other = copy.deepcopy(accepted)
    other["paper"]["environment"]["processor"] = "another"
    return other


def test_nothing_changed(accepted, first):
    assert record.drift(accepted, {"paper": first}) == []
    assert record.drift(elsewhere(accepted), {"paper": first}) == []


def test_another_last_digit_is_drift_at_home_and_not_elsewhere(accepted, first):
    first[0]["checks"][0]["estimate"]["value"] *= 1 + 1e-6
    (line,) = record.drift(accepted, {"paper": first})
    assert line.startswith("paper C1, gain: recorded ") and "in the record's environment" in line
    assert record.drift(elsewhere(accepted), {"paper": first}) == []


@pytest.mark.parametrize("shift", [0.0, 0.2, -0.3])
def test_what_chance_explains_is_no_drift_elsewhere(accepted, shift):
    other = run(np.random.default_rng(99).normal(1 + shift, 0.5, 8))
    assert record.drift(elsewhere(accepted), {"paper": other}) == []


@pytest.mark.parametrize("shift", [4.0, -4.0])
def test_a_broken_method_is_drift_everywhere(accepted, shift):
    broken = run(np.random.default_rng(0).normal(1 + shift, 0.5, 8))
    assert record.drift(accepted, {"paper": broken})
    lines = record.drift(elsewhere(accepted), {"paper": broken})
    assert any("is outside" in line for line in lines)


def test_the_recorded_number_again_is_no_drift_however_far_from_the_draws(accepted, first):
    other = elsewhere(accepted)
    row, estimate = other["paper"]["claims"][0]["checks"][0], first[0]["checks"][0]["estimate"]
    row["seed_0"][0] = estimate["value"] = 50.0
    assert record.drift(other, {"paper": first}) == []
    estimate["value"] = 51.0
    assert record.drift(other, {"paper": first})


def test_what_no_seed_changes_keeps_its_verdict_elsewhere(accepted, first):
    other = elsewhere(accepted)
    row = other["paper"]["claims"][0]["checks"][0]
    row["seed_0"], row["draws"] = [0.1, 0.1, 0.1], [[0.1, 0.1, 0.1]] * 10  # with a rounded mean
    assert record.drift(other, {"paper": first}) == []
    first[0]["checks"][0]["verdict"] = "not reproduced"
    assert record.drift(other, {"paper": first})


def test_a_computed_check_keeps_its_verdict(accepted):
    broken = run(np.random.default_rng(0).normal(1, 0.5, 8), residual=1e-3)
    (line,) = record.drift(elsewhere(accepted), {"paper": broken})
    assert line == "paper C1, residual: computed as not reproduced; the draws say reproduced"


def test_a_lost_check_is_drift(accepted, first):
    del first[0]["checks"][1]
    assert any(
        "in the record, not in this run" in x for x in record.drift(accepted, {"paper": first})
    )


def test_no_more_false_alarms_than_promised(accepted):
    """Over many books of one paper, chance alone drifts at most as often as the level says."""
    rng, alarms = np.random.default_rng(5), 0
    for _ in range(400):
        alarms += bool(record.drift(elsewhere(accepted), {"paper": run(rng.normal(1, 0.5, 8))}))
    assert alarms <= 0.05 * 400  # the level is 1%, the record's own ten draws are one sample


def test_what_reads_otherwise_is_told_by_claim(accepted):
    unclear = run(np.random.default_rng(0).normal(0, 1, 8))
    assert record.otherwise(accepted["paper"], unclear) == [
        ("C1", "reproduced", unclear[0]["verdict"])
    ]


def test_coverage_counts_sampled_checks_only(accepted):
    inside, total, shared = record.coverage(accepted.values())
    assert total == 10 and 6 <= inside <= 10 and shared == 0


def test_seeds_are_sealed_by_rules_and_code():
    seeds = accept.seeds("rules", "code")
    assert len(set(seeds)) == 10 and all(0 <= seed < 2**31 for seed in seeds)
    assert seeds == accept.seeds("rules", "code")
    assert not set(seeds) & set(accept.seeds("rules", "code ") + accept.seeds("rule", "code"))


def test_acceptances_are_only_appended(accepted, first, monkeypatch):
    earlier = accepted["paper"]
    monkeypatch.setattr(record, "read", lambda *_: earlier)
    paper = catalogue.load(ROOT)["tree-wasserstein"]
    draws = [run(np.random.default_rng(seed).normal(1, 0.5, 8)) for seed in range(1, 11)]
    again = accept.assemble(paper, first, draws, ROOT)
    assert again["acceptances"][:1] == earlier["acceptances"]
    assert len(again["acceptances"]) == 2


def test_weak_evidence_is_refused_by_claim(accepted):
    assert accept.weaknesses(accepted["paper"]) == []
    accepted["paper"]["claims"][0]["weaknesses"] = [{"of": "controls", "text": "no control"}]
    assert accept.weaknesses(accepted["paper"]) == ["paper C1: no control"]


def test_a_record_is_text_with_a_list_of_numbers_on_a_line(accepted):
    import json

    text = accept.to_text(accepted["paper"])
    assert json.loads(text) == json.loads(json.dumps(accepted["paper"]))
    assert max(len(line) for line in text.splitlines()) < 300
    assert '"seed_0": [' in text


def test_figures_and_prose_are_not_code(tmp_path):
    cells = [
        nbformat.v4.new_markdown_cell("words"),
        nbformat.v4.new_code_cell("x = 1"),
        nbformat.v4.new_code_cell("plot(x)", metadata={"tags": ["figure", "hide-input"]}),
    ]

    def digest(*sources):
        for cell, source in zip(cells, sources, strict=True):
            cell.source = source
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
        return record.code_digest(tmp_path / "a.ipynb")

    before = digest("words", "x = 1", "plot(x)")
    assert digest("other words", "x = 1", "plot(x, color)") == before
    assert digest("words", "x = 2", "plot(x)") != before


@pytest.mark.parametrize("ledgers", [0, 2])
def test_an_executed_notebook_holds_one_ledger(tmp_path, ledgers):
    output = nbformat.v4.new_output("display_data", {MIME_TYPE: {"paper": "a", "claims": []}})
    cells = [nbformat.v4.new_code_cell("x", outputs=[output]) for _ in range(ledgers)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    with pytest.raises(ValueError, match=f"a: expected one ledger, found {ledgers}"):
        record.claims_of(tmp_path / "a.ipynb")


def test_the_site_is_replaced_in_one_step(tmp_path):
    for text in ("first", "second"):
        complete = tmp_path / "site.next"
        complete.mkdir()
        (complete / "index.html").write_text(text)
        publish.publish(complete, tmp_path / "site")
        assert (tmp_path / "site/index.html").read_text() == text
        assert not complete.exists()
    assert len(list((tmp_path / "sites").iterdir())) == 1


def test_an_incomplete_site_leaves_the_earlier_one(tmp_path):
    complete = tmp_path / "site.next"
    complete.mkdir()
    (complete / "index.html").write_text("whole")
    publish.publish(complete, tmp_path / "site")
    complete.mkdir()
    with pytest.raises(FileNotFoundError, match="nothing was published"):
        publish.publish(complete, tmp_path / "site")
    assert (tmp_path / "site/index.html").read_text() == "whole"
