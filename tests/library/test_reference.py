"""Bundled outputs of the authors' code: complete, and missing ones are told."""

import json

import pytest
from conftest import ROOT

from paperlab import reference

BUNDLED = sorted((ROOT / "book/reference").glob("*.json"))


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_every_bundled_file_says_what_was_run_and_where_it_is(path):
    found = reference.read(path.stem)
    data = json.loads(path.read_text("utf-8"))
    assert data["paper"] == path.stem
    assert "/" in found.repository and len(found.commit) == 40 and found.license
    assert [*found.cases] == [case["name"] for case in data["cases"]]
    for name, case in found.cases.items():
        assert case.what and case.source and case.inputs and case.outputs, name


def test_a_paper_without_reference_outputs_is_refused_by_name():
    with pytest.raises(ValueError, match="no reference outputs are bundled for 'nothing'"):
        reference.read("nothing")
