"""Two executions on one machine give the same claim values, to the last bit."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bookbinder import catalogue, execute, record

ROOT = Path(__file__).parents[2]
PAPERS = catalogue.load(ROOT / "book/papers.yml").written(ROOT)


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """A second execution of every notebook, two at a time."""
    folder = tmp_path_factory.mktemp("again")

    def run(paper: catalogue.Paper) -> None:
        execute.execute(paper.notebook(), folder / f"{paper.slug}.ipynb")

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.chdir(ROOT)
        list(pool.map(run, PAPERS))
    return folder


@pytest.mark.parametrize("slug", [paper.slug for paper in PAPERS])
def test_the_same_source_gives_the_same_values(again, slug):
    first = record.claims_of(ROOT / f"build/executed/{slug}.ipynb")
    second = record.claims_of(again / f"{slug}.ipynb")
    assert json.dumps(first) == json.dumps(second)
