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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml
from PIL import Image

from bookbinder import catalogue, concept_map, pages, record, times
from bookbinder.catalogue import Catalogue, CatalogueError, Paper
from bookbinder.pages import Run
from paperlab.claims import MIME_TYPE
from paperlab.claims.display import table

BOOK = Path("book")
LIBRARY = Path("src/paperlab")
EXECUTED = Path("build/executed")
SOURCE = Path("build/source")

THUMBNAIL = (480, 270)
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
    files = _static_files(root / BOOK)
    files |= _generated_files(everything, runs, notebooks, root)
    config = yaml.safe_load((root / BOOK / "_config.yml").read_text("utf-8"))
    for run in runs:
        files |= _paper_files(run, notebooks[run.paper.slug], config)
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
            record.read(paper.slug, root),
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


# --- Content --------------------------------------------------------------------------------

Files = dict[str, bytes]


def _static_files(book: Path) -> Files:
    """Everything of `book/` that is taken as it is."""
    return {
        str(path.relative_to(book)): path.read_bytes()
        for path in sorted(book.rglob("*"))
        if path.is_file()
        and path.suffix != ".md"
        and path.name != "parts.yml"
        and path.parent.name not in ("papers", "record")
        and "__pycache__" not in path.parts
    }


def _generated_files(
    everything: Catalogue, runs: list[Run], notebooks: Mapping[str, Any], root: Path
) -> Files:
    """Pages with generated pieces, table of contents, bibliography, API pages."""
    book = root / BOOK
    planned = len(everything.papers) - len(runs)
    pieces: dict[str, Callable[[], str]] = {
        "summary": lambda: pages.summary_strip(runs, planned),
        "gallery": lambda: pages.gallery(everything, runs),
        "claims": lambda: pages.claims_table(runs),
        "findings": lambda: pages.findings(everything, runs),
        "first-findings": lambda: pages.first_findings(everything, runs),
        "audit": lambda: pages.audit(runs),
        "waivers": lambda: pages.waivers_table(runs),
        "notebooks": lambda: pages.notebooks_table(everything, runs),
        "planned": lambda: pages.planned_table(everything, runs),
    }
    files: Files = {path.name: _fill(path, pieces).encode() for path in sorted(book.glob("*.md"))}
    parts = [
        (part, own)
        for part in everything.parts
        if (own := [run for run in runs if run.paper.part == part.slug])
    ]
    for part, own in parts:
        story = book / "parts" / f"{part.slug}.md"
        text = story.read_text("utf-8").strip() if story.exists() else part.summary
        addresses = {run.paper.slug: f"{run.paper.slug}.html" for run in own}
        drawn = concept_map.draw(part.map, addresses) if part.map else pages.concept_map(own)
        sections = [f"# {part.title}", text, "## Concept map", pages.raw(drawn)]
        for run in own:
            for figure in _part_figures(notebooks[run.paper.slug]):
                sections += [
                    "## A figure to play with",
                    pages.raw(figure),
                    pages.raw(pages.source(run)),
                ]
        sections += ["## Reading order", pages.raw(pages.reading_order(own)), ""]
        files[f"{part.slug}/index.md"] = "\n\n".join(sections).encode()
    modules = _modules(root / LIBRARY)
    for module in modules:
        files[f"api/{module}.md"] = pages.api_page(module).encode()
    api = {"modules": lambda: pages.modules(modules)}
    files["api/index.md"] = _fill(book / "api" / "index.md", api).encode()
    files["_toc.yml"] = pages.table_of_contents(parts, list(modules)).encode()
    files["papers.bib"] = pages.bibliography([run.paper for run in runs]).encode()
    lines = {
        name.removesuffix(".md"): _first_sentence(content.decode())
        for name, content in files.items()
        if name.endswith(".md")
    }
    lines |= {f"api/{module}": line for module, line in modules.items()}
    lines |= {f"{part.slug}/index": part.summary for part in everything.parts}
    lines |= {run.page: pages.origin(run.paper) for run in runs}
    files["_static/summaries.js"] = pages.summaries(lines).encode()
    record_of_all = {run.paper.slug: run.accepted or {"claims": run.measured} for run in runs}
    files["_downloads/claims.json"] = (
        json.dumps(record_of_all, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    ).encode()
    return files


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


def _fill(path: Path, pieces: Mapping[str, Callable[[], str]]) -> str:
    """A page's text with its markers replaced by generated HTML."""

    def piece(marker: re.Match[str]) -> str:
        if marker[1] not in pieces:
            known = ", ".join(sorted(pieces))
            raise StageError(f"{path}: no generated piece {marker[1]}; there are {known}")
        return pages.raw(pieces[marker[1]]())

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


def _paper_files(run: Run, notebook: Any, config: Mapping[str, Any]) -> Files:
    """The page, the thumbnail and the notebook to download."""
    header = pages.paper_header(run, pages.launch_links(run.paper, config))
    page = copy.deepcopy(notebook)
    text = f"{pages.search_keywords(run.paper)}\n\n{pages.raw(header)}"
    page.cells.insert(1, nbformat.v4.new_markdown_cell(text, id="paper-header"))
    _show_draws(page, run)
    page.metadata.pop("paperlab")  # on the page already; a new timing must not look like news
    for cell in page.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data = {"text/html": output.data["text/html"]}
    return {
        f"{run.page}.ipynb": _serialized(page),
        f"_downloads/{run.page}.ipynb": _serialized(_to_download(notebook)),
        f"_static/thumbnails/{run.paper.slug}.webp": _thumbnail(run, notebook),
    }


def _show_draws(page: Any, run: Run) -> None:
    """Shows the ledger with the book's verdicts and draws beside this run."""
    accepted = run.accepted["claims"] if run.accepted else ()
    for cell in page.cells:
        for output in cell.get("outputs", []):
            if MIME_TYPE in output.get("data", {}):
                output.data["text/html"] = table(run.paper.rules(), run.measured, accepted)


def _to_download(notebook: Any) -> Any:
    """The executed notebook with figures that JupyterLab shows before it trusts the notebook.

    Inline SVG is not among them; an image with the same caption is.
    """
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if MIME_TYPE in data:  # its numbers stand beside the pictures
                data["text/html"] = re.sub(r"<svg.*?</svg>", "<br>", data["text/html"])
            elif "image/png" in data and "<svg" in data.get("text/html", ""):
                before, _, rest = data["text/html"].partition("<svg")
                source = f"data:image/png;base64,{''.join(data['image/png'].split())}"
                image = f'<img src="{source}" alt="{pages.escape(data["text/plain"])}">'
                data["text/html"] = before + image + rest.rpartition("</svg>")[2]
            elif "<svg" in data.get("text/html", ""):  # a figure with choices has no image
                told = f"{data['text/plain']} Run the cell to see it."
                data["text/html"] = f"<p>{pages.escape(told)}</p>"
    return notebook


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
    image.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", THUMBNAIL, "white")
    canvas.paste(image, ((canvas.width - image.width) // 2, (canvas.height - image.height) // 2))
    buffer = io.BytesIO()
    canvas.save(buffer, "WEBP", quality=80, method=6)
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
