"""Writes `build/source/`, the complete source of the site, from the catalogue, the executed
notebooks and `book/`.

    python -m bookbinder.stage

Files whose content does not change are left untouched, so that Sphinx rebuilds only what did.
"""

import ast
import base64
import copy
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml
from PIL import Image, ImageOps

from bookbinder import catalogue, concept_map, download, pages, record, times
from bookbinder.catalogue import Catalogue, CatalogueError, Paper, Part
from bookbinder.pages import Run
from paperlab.claims import MIME_TYPE
from paperlab.claims.display import table

BOOK = Path("book")
LIBRARY = Path("src/paperlab")
EXECUTED = Path("build/executed")
SOURCE = Path("build/source")

THUMBNAIL = (384, 216)
EXAMPLE = ("deepseek-r1", "C1")  # explained step by step in "How to read"
BACK = '<p class="back"><a href="#verdicts">All verdicts at a glance</a></p>'  # from the ledger
MARKER = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)


class StageError(ValueError):
    """What keeps the site from being staged; names the file."""


def stage(
    executed: Path = EXECUTED, target: Path = SOURCE, root: Path = Path()
) -> tuple[Catalogue, list[Run]]:
    """Writes the site's source below `target` and returns what it was made from.

    Args:
        executed: folder of executed notebooks, `<slug>.ipynb`.
        target: folder to fill; what does not belong there is removed.
        root: the repository.

    Raises:
        StageError: if an executed notebook is missing or lacks what its page needs.
        CatalogueError: if the catalogue is invalid.
    """
    everything = catalogue.load(root)
    notebooks, runs = {}, []
    for paper in everything.written(root):
        notebook = _read(executed / f"{paper.slug}.ipynb")
        notebooks[paper.slug] = notebook
        runs.append(_run(paper, notebook, executed, root))
    wheel, content = download.build_wheel(root)
    files = _static_files(root / BOOK) | {
        f"_downloads/{wheel}": content,
        "_downloads/requirements.txt": (root / "requirements.txt").read_bytes(),
    }
    files |= _generated_files(everything, runs, notebooks, wheel, root)
    config = yaml.safe_load((root / BOOK / "_config.yml").read_text("utf-8"))
    works = download.bibliography(files[f"{n}.bib"].decode() for n in ("references", "papers"))
    for run in runs:
        notebook = _with_draws(notebooks[run.paper.slug], run)
        files |= _paper_files(run, notebook, config, wheel, root)
        offered = download.notebook(notebook, run, works, wheel)
        files[f"_downloads/{run.page}.ipynb"] = _serialized(offered)
    _write(files, target)
    return everything, runs


# --- Reading --------------------------------------------------------------------------------


def _read(path: Path) -> Any:
    if not path.exists():
        raise StageError(f"{path}: missing; execute the notebook first")
    return nbformat.read(path, as_version=4)


def _run(paper: Paper, notebook: Any, executed: Path, root: Path) -> Run:
    first = notebook.cells[0]
    heading = re.fullmatch(r"# (.+)", first.source.strip())
    if first.cell_type != "markdown" or not heading:
        raise StageError(f"{paper.slug}: the first cell must hold the title and nothing else")
    try:
        measured = notebook.metadata["paperlab"]
        claims = record.claims_of(executed / f"{paper.slug}.ipynb")["claims"]
        return Run(
            paper,
            heading[1].strip(),
            claims,
            _accepted(paper, root),
            record.is_of_older_library(paper, root),
            measured["seconds"],
            measured["peak_bytes"],
            times.reading_minutes(notebook),
            measured["python"],
        )
    except KeyError as error:
        raise StageError(f"{paper.slug}: the executed notebook lacks metadata {error}") from None
    except ValueError as error:
        raise StageError(str(error)) from None


def _accepted(paper: Paper, root: Path) -> record.Record | None:
    """The paper's record; none that was accepted under other rules, whose claims are not these."""
    accepted = record.read(paper.slug, root)
    return accepted if accepted and accepted["rules"] == paper.rules().digest else None


# --- Content --------------------------------------------------------------------------------

Files = dict[str, bytes]
Pieces = Mapping[str, Callable[[], str]]


def _static_files(book: Path) -> Files:
    """Everything of `book/` that is taken as it is."""
    return {
        str(path.relative_to(book)): path.read_bytes()
        for path in sorted(book.rglob("*"))
        if path.is_file()
        and path.suffix != ".md"
        and path.name != "parts.yml"
        and path.parent.name not in ("papers", "record", "reference", "pieces")
        and "__pycache__" not in path.parts
    }


def _generated_files(
    everything: Catalogue, runs: list[Run], notebooks: Mapping[str, Any], wheel: str, root: Path
) -> Files:
    """Pages with generated pieces, table of contents, bibliography, API pages."""
    parts = [
        (part, own)
        for part in everything.parts
        if (own := [run for run in runs if run.paper.part == part.slug])
    ]
    modules = _modules(root / LIBRARY)
    files = _pages_of_the_book(everything, runs, modules, wheel, root)
    files |= {
        f"{part.slug}/index.md": _part_page(part, own, notebooks, root).encode()
        for part, own in parts
    }
    lines = _search_lines(files, everything, runs, modules)
    record_of_all = {run.paper.slug: run.accepted or {"claims": run.measured} for run in runs}
    offered = json.dumps(record_of_all, indent=1, ensure_ascii=False, sort_keys=True)
    return files | {
        "_toc.yml": pages.files.table_of_contents(parts, list(modules)).encode(),
        "papers.bib": pages.files.bibliography([run.paper for run in runs]).encode(),
        "_static/summaries.js": pages.files.summaries(lines).encode(),
        "_downloads/claims.json": f"{offered}\n".encode(),
    }


def _pages_of_the_book(
    everything: Catalogue, runs: list[Run], modules: Mapping[str, str], wheel: str, root: Path
) -> Files:
    """The pages that are written by hand, filled in, and the library's."""
    planned = len(everything.papers) - len(runs)
    pieces: Pieces = {
        "summary": lambda: pages.landing.summary(runs, planned, root),
        "gallery": lambda: pages.landing.gallery(everything, runs, root),
        "library": lambda: pages.landing.library(wheel, root),
        "costs": lambda: pages.landing.costs(runs, root),
        "findings": lambda: pages.findings.by_part(everything, runs, root),
        "first-findings": lambda: pages.findings.first(everything, runs, root),
        "audit": lambda: pages.scoreboard.audit(runs, root),
        "claims": lambda: pages.scoreboard.claims(runs, root),
        "waivers": lambda: pages.scoreboard.waivers(runs, root),
        "notebooks": lambda: pages.scoreboard.notebooks(everything, runs, root),
        "planned": lambda: pages.scoreboard.planned(everything, runs, root),
        "modules": lambda: pages.files.modules(modules, root),
        "worked-example": lambda: _worked_example(runs),
    }
    book = root / BOOK
    texts = {path.name: _fill(path, pieces) for path in sorted(book.glob("*.md"))}
    texts["add-a-paper.md"] = (root / "CONTRIBUTING.md").read_text("utf-8")
    texts |= {f"api/{module}.md": pages.files.api_page(module) for module in modules}
    texts["api/index.md"] = _fill(book / "api" / "index.md", pieces)
    return {name: text.encode() for name, text in texts.items()}


def _worked_example(runs: Sequence[Run]) -> str:
    """One claim of one page, as its ledger shows it."""
    slug, claim = EXAMPLE
    run = next(run for run in runs if run.paper.slug == slug)
    accepted = run.accepted["claims"] if run.accepted else ()
    return table(run.paper.rules(), [c for c in run.measured if c["id"] == claim], accepted)


def _part_page(part: Part, runs: list[Run], notebooks: Mapping[str, Any], root: Path) -> str:
    """A part's story, its map, its figures and its papers."""
    raw = pages.files.raw
    story = root / BOOK / "parts" / f"{part.slug}.md"
    text = story.read_text("utf-8").strip() if story.exists() else part.summary
    sections = [f"# {part.title}", text, "## Concept map", raw(_map(part, runs, root))]
    for run in runs:
        for figure in _part_figures(notebooks[run.paper.slug]):
            source = pages.part.source(run, root)
            sections += ["## A figure to play with", raw(figure), raw(source)]
    sections += ["## Reading order", raw(pages.part.reading_order(runs, root)), ""]
    return "\n\n".join(sections)


def _map(part: Part, runs: list[Run], root: Path) -> str:
    if part.map is None:
        return pages.part.concept_map(runs, root)
    return concept_map.draw(part.map, {run.paper.slug: f"{run.paper.slug}.html" for run in runs})


def _search_lines(
    files: Files, everything: Catalogue, runs: list[Run], modules: Mapping[str, str]
) -> dict[str, str]:
    """What a search result says about its page, by the page's name."""
    lines = {
        name.removesuffix(".md"): _first_sentence(content.decode())
        for name, content in files.items()
    }
    lines |= {f"api/{module}": line for module, line in modules.items()}
    lines |= {f"{part.slug}/index": part.summary for part in everything.parts}
    return lines | {run.page: pages.files.origin(run.paper) for run in runs}


def _modules(library: Path) -> dict[str, str]:
    """The library's modules and packages by name, each with the first line of its docstring."""
    found = {path.stem: path for path in library.glob("*.py") if not path.stem.startswith("_")}
    found |= {path.parent.name: path for path in library.glob("*/__init__.py")}
    return {name: _first_line(found[name]) for name in sorted(found)}


def _part_figures(notebook: Any) -> list[str]:
    """The outputs of cells tagged `part-figure`, which the page of the part shows too."""
    return [
        output.data["text/html"]
        for cell in notebook.cells
        if "part-figure" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]


def _fill(path: Path, pieces: Pieces) -> str:
    """A page's text with its markers replaced by generated HTML."""

    def piece(marker: re.Match[str]) -> str:
        if marker[1] not in pieces:
            known = ", ".join(sorted(pieces))
            raise StageError(f"{path}: no generated piece {marker[1]}; there are {known}")
        return pages.files.raw(pieces[marker[1]]())

    return MARKER.sub(piece, path.read_text("utf-8"))


def _first_sentence(page: str) -> str:
    """The first sentence of a page's first paragraph, or nothing if it does not begin with one."""
    _, _, text = page.partition("\n\n")
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) ", paragraph.replace("`", ""))[0]


def _first_line(module: Path) -> str:
    """The first paragraph of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(module.read_text("utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


# --- A paper --------------------------------------------------------------------------------


def _paper_files(
    run: Run, notebook: Any, config: Mapping[str, Any], wheel: str, root: Path
) -> Files:
    """The page and the thumbnail."""
    launch = pages.paper.launch_links(run.paper, config)
    header = pages.paper.header(run, launch, wheel, root)
    page = copy.deepcopy(notebook)
    text = f"{pages.files.search_keywords(run.paper)}\n\n{pages.files.raw(header)}"
    page.cells.insert(1, nbformat.v4.new_markdown_cell(text, id="paper-header"))
    page.metadata.pop("paperlab")  # on the page already; a new timing must not look like news
    for cell in page.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data = {"text/html": output.data["text/html"]}
    return {
        f"{run.page}.ipynb": _serialized(page),
        f"_static/thumbnails/{run.paper.slug}.webp": _thumbnail(run, notebook),
    }


def _with_draws(notebook: Any, run: Run) -> Any:
    """A copy whose ledger shows the book's verdicts and draws beside this run."""
    page = copy.deepcopy(notebook)
    accepted = run.accepted["claims"] if run.accepted else ()
    for cell in page.cells:
        for output in cell.get("outputs", []):
            if MIME_TYPE in output.get("data", {}):
                ledger = table(run.paper.rules(), run.measured, accepted)
                output.data["text/html"] = BACK + ledger
    return page


def _serialized(notebook: Any) -> bytes:
    return f"{nbformat.writes(notebook)}\n".encode()


def _thumbnail(run: Run, notebook: Any) -> bytes:
    """The figure of the cell tagged `thumbnail`, else the first one, as a small WebP."""
    cells = sorted(notebook.cells, key=lambda c: "thumbnail" not in c.metadata.get("tags", []))
    for cell in cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {}).get("image/png")
            if data:
                return _scaled(base64.b64decode(data))
    raise StageError(f"{run.paper.slug}: no figure to take a thumbnail from")


def _scaled(png: bytes) -> bytes:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    padded = ImageOps.pad(image, THUMBNAIL, Image.Resampling.LANCZOS, "white")
    buffer = io.BytesIO()
    padded.save(buffer, "WEBP", quality=60, method=6)
    return buffer.getvalue()


# --- Writing --------------------------------------------------------------------------------


def _write(files: Files, target: Path) -> None:
    """Makes `target` hold exactly these files, touching only those that differ."""
    for name, content in files.items():
        path = target / name
        if path.exists() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path.relative_to(target)) not in files:
            path.unlink()


def main() -> None:
    """Command line; exits with 1 and one line per problem."""
    try:
        stage()
    except (StageError, CatalogueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
