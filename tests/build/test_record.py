"""Drift is told apart from noise, and the site is swapped in whole or not at all."""

import copy

import nbformat
import pytest

from bookbinder import publish, record
from paperlab.claims import MIME_TYPE

ESTIMATE = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 5, "method": "Student t"}
CONTROL = {"broken": "sign flipped", "estimate": ESTIMATE, "verdict": "not reproduced"}
CHECK = {
    "measured": "gain",
    "estimate": ESTIMATE,
    "rule": "> 0",
    "verdict": "reproduced",
    "controls": [CONTROL],
}
ACCEPTED = {"paper": [{"id": "C1", "verdict": "reproduced", "checks": [CHECK]}]}


@pytest.fixture
def measured():
    return copy.deepcopy(ACCEPTED)


def test_nothing_changed(measured):
    assert record.drift(ACCEPTED, measured) == []
    assert record.moved(ACCEPTED, measured) == []


def test_a_changed_verdict_is_drift(measured):
    claim = measured["paper"][0]
    claim["verdict"] = claim["checks"][0]["verdict"] = "partly"
    assert record.drift(ACCEPTED, measured) == [
        "paper C1: accepted reproduced, now partly",
        "paper C1, gain: accepted reproduced (> 0), now partly (> 0)",
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["paper"][0]["checks"][0].update(rule="> -1"),
        lambda r: r["paper"][0]["checks"][0].update(measured="loss"),
        lambda r: r["paper"][0]["checks"][0]["controls"].clear(),
        lambda r: r["paper"][0]["checks"].clear(),
        lambda r: r["paper"].clear(),
        lambda r: r.clear(),
        lambda r: r.update(new=[{"id": "C1", "verdict": "reproduced", "checks": []}]),
    ],
)
def test_a_loosened_rule_or_a_lost_check_is_drift(measured, change):
    change(measured)
    assert record.drift(ACCEPTED, measured)


def test_a_moved_value_is_told_but_is_not_drift(measured):
    estimate = measured["paper"][0]["checks"][0]["estimate"]
    estimate["value"] = 1.1
    assert record.drift(ACCEPTED, measured) == []
    assert record.moved(ACCEPTED, measured) == [
        "paper C1, gain: accepted 1 [0.5, 1.5], now 1.1 [0.5, 1.5]"
    ]
    estimate["value"] = 1.0000001
    assert record.moved(ACCEPTED, measured) == []


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
