"""Executes one notebook with nbmake, once per change of what it depends on.

    python -m bookbinder.execute SLUG [--seed N] [--limit SECONDS]

The executed copy appears under `build/executed/` in one step and only when every cell ran. With
`--seed` other than 0 it goes to `build/seeds/` instead: a look at other draws, not the record.
"""

import argparse
import ast
import functools
import hashlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat

from bookbinder import catalogue

BUILD = Path("build")
LIBRARY = Path("src/paperlab")
# Otherwise XLA's own settings, so that a reader's kernel gives the page's digits: lower levels of
# optimization save less than a tenth of the CPU time, and the longest notebooks run for longer.
# XLA reads up to the first word without a dash, and silently ignores what stands behind it.
XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"
LIMIT = 300  # seconds; a notebook's budget is 45 on the reference core
ANSI = re.compile(r"\x1b\[[0-9;]*m")

# Each kernel computes on one thread: two notebooks fill two cores, and sums keep their order.
SINGLE_THREAD = {
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
}


class NotebookFailure(Exception):
    """A notebook that did not run to its end; the message says where and why."""


# --- What is stale --------------------------------------------------------------------------


def fingerprint(paper: catalogue.Paper, root: Path = Path()) -> str:
    """Digest of all that an execution depends on.

    These are the notebook, the library modules it imports directly or through another, the
    pinned requirements, the paper's claims in the catalogue and its reference outputs, Python's
    version, and what the environment says about numerics.
    """
    notebook, outputs = paper.notebook(root), root / f"book/reference/{paper.slug}.json"
    files = (notebook, outputs, *library_modules(notebook, root), root / "requirements.txt")
    claims = [claim.model_dump() for claim in paper.claims]
    return digest_of(files, [claims, list(paper.waived), sys.version_info[:2], settings()])


def settings() -> dict[str, str]:
    """What of a kernel's environment changes numbers: ours, then what the reader has set."""
    flags = [*XLA_FLAGS.split(), *os.environ.get("XLA_FLAGS", "").split()]
    return {
        "XLA_FLAGS": " ".join(dict.fromkeys(flags)),
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE", ""),
    }


def digest_of(files: Iterable[Path | str], values: Any = None) -> str:
    """Digest of the files' contents and of values that JSON can hold; a missing file counts."""
    digest = hashlib.sha256(json.dumps(values).encode())
    for path in map(Path, files):
        content = path.read_bytes() if path.exists() else b"missing"
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def library_modules(notebook: Path, root: Path = Path()) -> list[Path]:
    """Files of the library that a notebook imports, directly or through another, sorted."""
    cells = nbformat.read(notebook, as_version=4).cells
    waiting = [cell.source for cell in cells if cell.cell_type == "code"]
    found = {root / LIBRARY / "__init__.py"}
    while waiting:
        for name in _imported(waiting.pop()):
            for path in _files_of(root / LIBRARY / name):
                if path not in found:
                    found.add(path)
                    waiting.append(path.read_text("utf-8"))
    return sorted(found)


def _files_of(module: Path) -> list[Path]:
    """Source files of a module, which may be a package."""
    if module.is_dir():
        return sorted(module.rglob("*.py"))
    file = module.with_suffix(".py")
    return [file] if file.exists() else []


@functools.cache  # most notebooks import the same modules
def _imported(source: str) -> frozenset[str]:
    """Names of the library's modules imported anywhere in some code."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # the execution will say where
        return frozenset()
    return frozenset(name for node in ast.walk(tree) for name in _imported_by(node))


def _imported_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            package, _, rest = alias.name.partition(".")
            if package == "paperlab" and rest:
                yield rest.split(".")[0]
    elif isinstance(node, ast.ImportFrom):
        package, _, rest = (node.module or "").partition(".")
        if node.level or package == "paperlab":
            rest = (node.module or "") if node.level else rest
            yield from [rest.split(".")[0]] if rest else [a.name for a in node.names]


# --- Execution ------------------------------------------------------------------------------


def execute(source: Path, target: Path, seed: int | None = None, limit: float = LIMIT) -> None:
    """Runs a copy of `source` and publishes it, with running time and peak memory, as `target`.

    Raises:
        NotebookFailure: if a cell raises, the time limit passes, or the kernel dies.
    """
    notebook = nbformat.read(source, as_version=4)
    if seed is not None:
        _set_seed(notebook, seed)
    (BUILD / "notebooks").mkdir(parents=True, exist_ok=True)
    # A folder of its own: a run orphaned by a killed build must not write into this one's copy.
    with tempfile.TemporaryDirectory(prefix=source.stem, dir=BUILD / "notebooks") as folder:
        copy, watch = Path(folder, source.name), Path(folder, "watch.json")
        nbformat.write(notebook, copy)
        start = time.perf_counter()
        output = _run_nbmake(copy, watch, limit)
        seconds = time.perf_counter() - start
        notebook = nbformat.read(copy, as_version=4)
        state = json.loads(watch.read_text()) if watch.exists() else {"cell": 0, "peak_bytes": 0}
    if output is not None:
        raise NotebookFailure(_explain(source.stem, notebook, state, output))
    notebook.metadata["paperlab"] = {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(state["cpu_seconds"], 1),
        "compile_seconds": round(state["compile_seconds"], 1),
        "peak_bytes": state["peak_bytes"],
        "python": platform.python_version(),
    }
    _publish(notebook, target)


def _set_seed(notebook: Any, seed: int) -> None:
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source, count = re.subn(r"(?m)^SEED = .*$", f"SEED = {seed}", cell.source)
            if count == 1:
                return
    raise NotebookFailure("no cell tagged `parameters` sets SEED")


def _run_nbmake(copy: Path, watch: Path, limit: float) -> str | None:
    """What nbmake printed if the notebook failed, else None."""
    profile = BUILD / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    config = "c.InteractiveShellApp.extensions = ['bookbinder.kernel_watch']\n"
    (profile / "ipython_kernel_config.py").write_text(config)
    environment = os.environ | SINGLE_THREAD | {k: v for k, v in settings().items() if v}
    environment |= {
        "IPYTHONDIR": str(BUILD.resolve() / "ipython"),
        "PAPERLAB_KERNEL_WATCH": str(watch.resolve()),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "JAX_COMPILATION_CACHE_DIR": str(BUILD.resolve() / "jax-cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # draws reuse the small programs, too
        # An entry that another kernel is still writing is compiled anew, without a word.
        "PYTHONWARNINGS": "ignore:Error reading persistent compilation cache",
    }
    command = [sys.executable, "-m", "pytest", "-p", "nbmake.pytest_plugin", "--nbmake"]
    command += ["--overwrite", f"--nbmake-timeout={int(limit)}", "-q", "-o", "addopts="]
    command += ["-p", "no:cacheprovider", str(copy)]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"Timeout: the notebook did not finish within {limit:g} s"
    return None if process.returncode == 0 else ANSI.sub("", output)


def _explain(slug: str, notebook: Any, state: dict[str, int], output: str) -> str:
    """Notebook, cell, and the last lines of what went wrong.

    nbmake's own result tells of a cell that raises, but there is none when the kernel dies or the
    notebook runs out of time; the watch in the kernel knows the cell in all three cases.
    """
    where = f"{slug}: failed in code cell {state['cell']}"
    if "Kernel died" in output:
        peak = state["peak_bytes"] / 2**20
        return f"{where}: the kernel died, killed for memory perhaps (last seen at {peak:.0f} MiB)"
    if not output.startswith("Timeout"):
        for cell in notebook.cells:
            for result in cell.get("outputs", []):
                if result.output_type == "error":
                    output = ANSI.sub("", "\n".join(result.traceback))
    lines = [line for line in output.splitlines() if line.strip()]
    return "\n    ".join([where, *lines[-8:]])


def _publish(notebook: Any, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    nbformat.write(notebook, partial)
    os.replace(partial, target)


def main() -> None:
    """Command line; exits with 1 and an explanation if the notebook fails."""
    parser = argparse.ArgumentParser(description="Execute one notebook of the book.")
    parser.add_argument("slug")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--limit", type=float, default=LIMIT)
    options = parser.parse_args()
    source = catalogue.load()[options.slug].notebook()
    folder = "executed" if options.seed is None else f"seeds/{options.seed}"
    try:
        execute(source, BUILD / folder / source.name, options.seed, options.limit)
    except NotebookFailure as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
