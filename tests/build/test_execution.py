"""The build executes each notebook once per change, survives a kill, and names what failed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from bookbinder import catalogue, execute

COUNT = "open('../../../runs-{0}', 'a').write('x')"


def runs(book, *slugs: str) -> list[int]:
    """How often each notebook was executed so far."""
    paths = [book.root / f"runs-{slug}" for slug in slugs]
    return [path.stat().st_size if path.exists() else 0 for path in paths]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the build did not get under way"
        time.sleep(0.2)


def test_each_notebook_runs_exactly_once_per_change_of_content(small_book):
    book = small_book
    book.write(
        a=[COUNT.format("a")],
        b=[COUNT.format("b"), "from paperlab import figures"],
        c=[COUNT.format("c"), "from paperlab import outer"],
    )
    library = book.root / "src/paperlab"
    (library / "outer.py").write_text("from paperlab.inner import x\n")
    (library / "inner.py").write_text("x = 1\n")

    def build() -> list[int]:
        status, output = book.build(*book.executed("a", "b", "c"))
        assert status == 0, output
        return runs(book, "a", "b", "c")

    assert build() == [1, 1, 1]
    assert build() == [1, 1, 1], "nothing changed"

    for path in (book.root / "notebooks").rglob("*.ipynb"):
        os.utime(path)
    os.utime(library / "inner.py")
    assert build() == [1, 1, 1], "touched, not changed"

    path = book.root / "notebooks/part/a.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += " with another word of prose"
    nbformat.write(notebook, path)
    assert build() == [2, 1, 1], "one notebook's prose changed"

    (library / "inner.py").write_text("x = 2\n")
    assert build() == [2, 1, 2], "a module imported through another changed"

    (library / "figures.py").write_text((library / "figures.py").read_text() + "\n# word\n")
    assert build() == [2, 2, 2], "a module imported directly changed"


def test_a_killed_build_completes_without_repeating_what_was_done(small_book):
    book = small_book
    wait = "import time, os\nwhile not os.path.exists('../../../go'): time.sleep(0.1)"
    book.write(a=[COUNT.format("a")], b=[COUNT.format("b"), wait])
    process = book.start(*book.executed("a", "b"))
    done = book.root / "build/executed/a.ipynb"
    wait_until(lambda: runs(book, "a", "b") == [1, 1] and done.exists())
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (book.root / "build/executed/b.ipynb").exists()
    (book.root / "go").touch()
    status, output = book.build(*book.executed("a", "b"))
    assert status == 0, output
    assert runs(book, "a", "b") == [1, 2]
    for slug in ("a", "b"):
        executed = nbformat.read(book.root / f"build/executed/{slug}.ipynb", as_version=4)
        assert executed.cells[-1].outputs


def test_two_builds_at_once_are_refused(small_book):
    book = small_book
    wait = "import time, os\nwhile not os.path.exists('../../../go'): time.sleep(0.1)"
    book.write(a=[COUNT.format("a"), wait])
    first = book.start(*book.executed("a"))
    wait_until(lambda: runs(book, "a") == [1])
    status, _ = book.build(*book.executed("a"))
    assert status != 0
    (book.root / "go").touch()
    assert first.wait(timeout=120) == 0
    assert runs(book, "a") == [1]


def test_a_failing_notebook_is_named_and_the_others_finish(small_book):
    book = small_book
    book.write(
        good=[COUNT.format("good")],
        raises=["x = 1", "def f():\n    raise RuntimeError('the reason')\nf()"],
        dies=["import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"],
    )
    status, output = book.build(*book.executed("good", "raises", "dies"))
    assert status != 0
    assert "raises: failed in code cell 3" in output
    assert "RuntimeError: the reason" in output
    assert "dies: failed in code cell 3: the kernel died" in output
    assert runs(book, "good") == [1]
    assert (book.root / "build/executed/good.ipynb").exists()
    for slug in ("raises", "dies"):
        assert not (book.root / f"build/executed/{slug}.ipynb").exists()


def test_the_terminal_shows_progress_and_verdicts(small_book):
    book = small_book
    book.write(a=[], b=[])
    status, output = book.build(*book.executed("a", "b"))
    assert status == 0, output
    assert "running   " in output
    assert "2 of 2 notebooks" in output
    assert output.count("C1   reproduced") == 2


def test_a_time_limit_is_named(small_book, monkeypatch):
    book = small_book
    book.write(slow=["import time; time.sleep(60)"])
    monkeypatch.chdir(book.root)
    monkeypatch.setenv("PYTHONPATH", str(book.root / "src"))
    source, target = Path("notebooks/part/slow.ipynb"), Path("build/executed/slow.ipynb")
    with pytest.raises(execute.NotebookFailure, match=r"slow: failed in code cell 2\s+Timeout"):
        execute.execute(source, target, limit=10)
    assert not target.exists()


def test_times_and_the_kernels_own_memory_are_recorded(small_book, monkeypatch):
    book = small_book
    compiles = "for n in range(1, 9):\n    jax.numpy.sort(jax.numpy.ones(n))"
    book.write(a=["import jax\nblock = bytearray(300_000_000)", compiles])
    monkeypatch.chdir(book.root)
    monkeypatch.setenv("PYTHONPATH", str(book.root / "src"))
    target = Path("build/executed/a.ipynb")
    execute.execute(Path("notebooks/part/a.ipynb"), target)
    usage = nbformat.read(target, as_version=4).metadata["paperlab"]
    assert 300e6 < usage["peak_bytes"] < 900e6
    assert 0 < usage["compile_seconds"] < usage["cpu_seconds"] < usage["seconds"]


def test_flags_of_the_environment_reach_xla(small_book, monkeypatch):
    book = small_book
    book.write(a=["import os\nprint(os.environ['XLA_FLAGS'])"])
    monkeypatch.chdir(book.root)
    monkeypatch.setenv("PYTHONPATH", str(book.root / "src"))
    ours = execute.XLA_FLAGS.split()
    assert all(flag.startswith("--") for flag in ours)
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2")
    target = Path("build/executed/a.ipynb")
    execute.execute(Path("notebooks/part/a.ipynb"), target)
    printed = nbformat.read(target, as_version=4).cells[2].outputs[0].text.split()
    assert printed == [*ours, "--xla_cpu_max_isa=SSE4_2"]
    monkeypatch.setenv("XLA_FLAGS", execute.XLA_FLAGS)  # said twice, it is still one setting
    assert execute.settings()["XLA_FLAGS"] == execute.XLA_FLAGS

    # XLA refuses a flag that it does not know, provided that it reads that far.
    environment = os.environ | {"XLA_FLAGS": f"{' '.join(printed)} --xla_no_such_flag=1"}
    starts = [sys.executable, "-c", "import jax; jax.devices()"]
    refused = subprocess.run(starts, env=environment, capture_output=True, text=True)
    assert refused.returncode != 0
    assert "--xla_no_such_flag" in refused.stderr


def test_another_seed_replaces_the_parameter(small_book, monkeypatch):
    book = small_book
    book.write(a=["print(f'seed {SEED}')"])
    monkeypatch.chdir(book.root)
    monkeypatch.setenv("PYTHONPATH", str(book.root / "src"))
    target = Path("build/seeds/7/a.ipynb")
    execute.execute(Path("notebooks/part/a.ipynb"), target, seed=7)
    assert "seed 7" in target.read_text()


def test_the_digest_depends_on_nothing_else(small_book, monkeypatch):
    book = small_book
    book.write(a=["from paperlab import figures"], b=["import paperlab.replicate"])
    papers = catalogue.load(book.root).papers
    before = [execute.fingerprint(paper, book.root) for paper in papers]
    (book.root / "book/other.md").write_text("words")
    (book.root / "src/bookbinder/publish.py").write_text("# changed")
    (book.root / "src/paperlab/unused.py").write_text("x = 1")
    assert [execute.fingerprint(paper, book.root) for paper in papers] == before
    (book.root / "requirements.txt").write_text("other")
    after = [execute.fingerprint(paper, book.root) for paper in papers]
    assert all(x != y for x, y in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["XLA_FLAGS", "OPENBLAS_CORETYPE"])
def test_the_digest_depends_on_the_choice_of_instructions(small_book, monkeypatch, name):
    book = small_book
    book.write(a=["x = 1"])
    (paper,) = catalogue.load(book.root).papers
    monkeypatch.delenv(name, raising=False)
    before = execute.fingerprint(paper, book.root)
    monkeypatch.setenv(name, "--xla_cpu_max_isa=AVX" if name == "XLA_FLAGS" else "Nehalem")
    assert execute.fingerprint(paper, book.root) != before
