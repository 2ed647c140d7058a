"""Verdicts never take the book away, and acceptance runs its sealed draws through Snakemake."""

import json

import nbformat
import pytest
import yaml

from bookbinder.accept import Refused, write

MEASURE = """
import numpy as np
rng = np.random.default_rng(SEED)
values, zeros = rng.normal(20, 1, 8), rng.normal(-20, 1, 8)
open('../../../runs', 'a').write(f'{SEED} ')
"""
LEDGER = """
from paperlab import claims
ledger = claims.Ledger("a")
ledger.record("C1", claims.Check("one", claims.mean(values), {"zero": claims.mean(zeros)}))
ledger.report()
"""


@pytest.fixture
def book(small_book):
    """A book of one paper whose measurement hangs on the seed, accepted over two draws."""
    small_book.write(a=[MEASURE])
    rewrite(small_book, LEDGER)
    path = small_book.root / "src/bookbinder/accept.py"
    path.write_text(path.read_text().replace("DRAWS = 10\n", "DRAWS = 2\n"))
    return small_book


def rewrite(book, ledger):
    path = book.root / "notebooks/part/a.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].source = ledger
    nbformat.write(notebook, path)


def accept(book):
    return book.build("accept", "--config", "papers=all")


def recorded(book):
    return json.loads((book.root / "book/record/a.json").read_text())


def runs(book):
    return (book.root / "runs").read_text().split()


def test_an_acceptance_from_first_draws_to_another_processor_and_a_weak_control(book):
    status, output = accept(book)
    assert status == 0, output
    first = recorded(book)
    assert sorted(map(int, runs(book))) == sorted([0, *first["seeds"]]), "each draw ran once"
    (claim,) = first["claims"]
    assert claim["verdict"] == "reproduced" and claim["agreement"] == 2
    assert len(claim["checks"][0]["draws"]) == 2 and len(first["acceptances"]) == 1

    status, output = accept(book)
    assert status == 0 and recorded(book) == first, output
    assert len(runs(book)) == 3, "nothing was out of date"

    # A newcomer's run reads otherwise than the record: the notebook is executed and nothing fails.
    other = json.loads(json.dumps(first))
    other["claims"][0]["verdict"] = "not reproduced"
    other["environment"]["processor"] = "another"
    (book.root / "book/record/a.json").write_text(json.dumps(other))
    (book.root / "build/executed/a.ipynb").unlink()
    status, output = book.build(*book.executed("a"))
    assert status == 0, output
    assert "C1   reproduced" in output

    # A changed rule meets fresh draws; a control that passes is recorded, and refused here.
    entry = yaml.safe_load((book.root / "book/papers/a.yml").read_text())
    entry["claims"][0]["checks"][0]["rule"] = {"above": 0.5}
    book.write_entry("a", entry)
    rewrite(book, LEDGER.replace("claims.mean(zeros)", "claims.mean(values + 1)"))
    status, output = accept(book)
    assert status != 0
    assert "C1   undecided" in output and "a C1: no control is rejected" in output
    assert recorded(book) == other, "a refused record stays as it was"
    assert not set(map(int, runs(book)[5:])) & set(first["seeds"])


def test_a_changed_library_meets_new_draws_of_the_same_seeds(book):
    status, output = accept(book)
    assert status == 0, output
    first = recorded(book)
    module = book.root / "src/paperlab/claims/estimates.py"
    module.write_text(module.read_text() + "\n# another state\n")
    (book.root / "book/record/a.json").unlink()
    status, output = accept(book)
    assert status == 0, output
    assert recorded(book)["library"] != first["library"]
    assert sorted(map(int, runs(book))) == sorted([0, 0, *first["seeds"], *first["seeds"]])


def test_a_changed_word_runs_no_draw_again(book):
    status, output = accept(book)
    assert status == 0, output
    drawn = runs(book)
    entry = yaml.safe_load((book.root / "book/papers/a.yml").read_text())
    entry["claims"][0]["statement"] = "The same in other words."
    book.write_entry("a", entry)
    (book.root / "book/record/a.json").unlink()
    (book.root / "build/executed/a.ipynb").unlink()
    status, output = accept(book)
    assert status == 0, output
    assert runs(book) == [*drawn, "0"], "the run with SEED 0 alone shows the words"
    assert recorded(book)["claims"][0]["statement"] == "The same in other words."


def test_a_first_run_of_other_code_is_refused(book, monkeypatch):
    """Snakemake takes a file that was executed by hand for current, whatever it was made from."""
    monkeypatch.chdir(book.root)
    stored = book.root / "notebooks/part/a.ipynb"
    (book.root / "build/executed").mkdir(parents=True, exist_ok=True)
    notebook = nbformat.read(stored, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("another = 1"))
    nbformat.write(notebook, book.root / "build/executed/a.ipynb")
    with pytest.raises(Refused, match="of other code: delete it"):
        write("a")
