"""The notebook that a page offers: executed, in plain Markdown that any Jupyter shows.

Jupyter knows neither MyST's directives nor its roles. Exercises become headings, solutions and
dropdowns fold by `<details>`, citations name authors and year and are listed at the end.
"""

import base64
import copy
import functools
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from pybtex.backends.markdown import Backend
from pybtex.database import BibliographyData, Entry, parse_string
from pybtex.style.formatting.plain import Style

from bookbinder.pages import Run
from paperlab.claims import MIME_TYPE

# A fenced directive: fence, name, argument, options, body.
DIRECTIVE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>[^\n]*)\n"
    r"(?P<options>(?::[\w-]+:[^\n]*\n)*)\n?(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
CITATION = re.compile(r"\{cite(?P<kind>:[a-z]+)?\}`(?P<keys>[^`]+)`")
ROLE = re.compile(r"\{[\w:-]+\}`(?P<text>[^`<]*?)(?: <[^`>]*>)?`")
LABEL = re.compile(r"^\([\w-]+\)=\n|(?<=\$\$) *\([\w-]+\)$", re.MULTILINE)
NOTEBOOK_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\([^)\s]*?(?P<slug>[\w-]+)\.ipynb(?:#[^)]*)?\)")

INK = "#7a808a"
LIBRARY_CHECK = "library-check"  # the cell that is not the page's


def bibliography(files: Iterable[str]) -> BibliographyData:
    """What the contents of BibTeX files list together."""
    return parse_string("\n".join(files), "bibtex")


def notebook(executed: Any, run: Run, known: BibliographyData, wheel: str) -> Any:
    """A copy of an executed notebook to run and read outside of the book.

    Args:
        executed: the notebook as the build ran it.
        run: its paper.
        known: the works that it may cite.
        wheel: file name of the library's wheel.
    """
    result = copy.deepcopy(executed)
    cited = Citations(known)
    exercises: dict[str, int] = {}
    solution = ""
    for cell in result.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            _show_anywhere(cell)
            if solution:
                cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
            continue
        edges = re.findall(r"\{solution-(start|end)\}", cell.source)
        cell.source = plain(cell.source, cited, exercises)
        if edges:
            solution = f"Solution {len(exercises)}" if edges[-1] == "start" else ""
        elif solution:
            cell.source = details(solution, cell.source)
    result.cells = [cell for cell in result.cells if cell.source.strip()]
    result.cells.insert(1, _markdown("origin", _origin(run, wheel)))
    result.cells.insert(2, _library_check(wheel))
    if listed := cited.listed():
        result.cells.append(_markdown("references", f"## References\n\n{listed}"))
    return result


def _markdown(name: str, text: str) -> Any:
    return nbformat.v4.new_markdown_cell(text, id=name)


def _library_check(wheel: str) -> Any:
    """A folded cell that says what to install; the name may be taken by another package."""
    metadata = {"tags": [LIBRARY_CHECK, "hide-input"], "jupyter": {"source_hidden": True}}
    return nbformat.v4.new_code_cell(
        f"""\
try:
    from paperlab.claims import Ledger as _  # what this notebook needs of the book's library
except ImportError:
    raise ImportError(
        "This notebook needs the book's own library: pip install {wheel}, the file beside this "
        "notebook on the book's site. A package called paperlab on an index is somebody else's."
    ) from None""",
        id=LIBRARY_CHECK,
        metadata=metadata,
    )


def _origin(run: Run, wheel: str) -> str:
    """What the page's header says, in short, and how to run the notebook."""
    paper = run.paper
    address = f"https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else ""
    title = f"[{paper.title}]({address})" if address else paper.title
    verdicts = ", ".join(f"{claim['id']} {claim['verdict']}" for claim in run.record)
    return f"""{", ".join(paper.authors)}: *{title}*. {paper.venue}.

**What running it showed.** {paper.finding}

- Scope: {paper.scope}. Read: {paper.read}
- Verdicts over sealed draws: {verdicts}.
- To run it: Python 3.11 or newer and `pip install {wheel}`, the file that the book offers beside \
this notebook. The outputs here were made with Python {run.python}."""


# --- Markdown -------------------------------------------------------------------------------


def plain(text: str, cited: "Citations", exercises: dict[str, int]) -> str:
    """MyST's Markdown as plain Markdown.

    Args:
        text: a cell's source.
        cited: collects what the text cites.
        exercises: numbers of the exercises so far, by label; new ones are added.
    """
    convert = functools.partial(_directive, cited=cited, exercises=exercises)
    text = DIRECTIVE.sub(convert, text)
    text = CITATION.sub(lambda m: cited.text(m["keys"].split(","), m["kind"] == ":t"), text)
    text = NOTEBOOK_LINK.sub(r"\g<text> (`\g<slug>.ipynb`)", text)
    return LABEL.sub("", ROLE.sub(r"\g<text>", text)).strip()


def _directive(found: re.Match[str], cited: "Citations", exercises: dict[str, int]) -> str:
    name, argument = found["name"], found["argument"].strip()
    body = plain(found["body"], cited, exercises)
    options = dict(re.findall(r":([\w-]+):[ \t]*(.*)", found["options"]))
    if name == "exercise":
        exercises[options["label"]] = len(exercises) + 1
        return f"### Exercise {len(exercises)}: {argument}\n\n{body}"
    if name in ("solution-start", "solution-end"):
        return ""
    if name in ("dropdown", "solution"):
        return details(argument if name == "dropdown" else "Solution", body)
    if name == "math":
        return f"$$\n{body}\n$$"
    title = argument if name == "admonition" else name.capitalize()
    return "\n".join(f"> {line}".rstrip() for line in [f"**{title}.** {argument}", "", body])


def details(summary: str, body: str) -> str:
    """A part that folds in every Jupyter."""
    return f"<details><summary>{escape(summary)}</summary>\n\n{body}\n\n</details>"


class Citations:
    """Turns keys into authors and years, and lists what was cited."""

    def __init__(self, known: BibliographyData) -> None:
        self._known = known
        self._cited: dict[str, Entry] = {}

    def text(self, keys: Sequence[str], in_sentence: bool) -> str:
        """Authors and year of each, in brackets unless they are part of the sentence."""
        entries = [self._entry(key.strip()) for key in keys]
        told = [(_names(entry), entry.fields["year"]) for entry in entries]
        if in_sentence:
            return "; ".join(f"{names} ({year})" for names, year in told)
        return f"({'; '.join(f'{names}, {year}' for names, year in told)})"

    def _entry(self, key: str) -> Entry:
        self._cited[key] = self._known.entries[key]
        return self._cited[key]

    def listed(self) -> str:
        """The works cited, as a list in the order of their authors."""
        data = BibliographyData(self._cited)
        backend = Backend()
        works = [work.text.render(backend) for work in Style().format_bibliography(data)]
        return "\n".join(f"- {' '.join(work.split())}".replace(r"\\url ", "") for work in works)


def _names(entry: Entry) -> str:
    names = [_last(person) for person in entry.persons.get("author", [])]
    if not names:
        return str(entry.fields.get("title", entry.key)).strip("{}")
    if len(names) == 1:
        return names[0]
    return f"{names[0]} et al." if len(names) > 2 or "others" in names else " and ".join(names)


def _last(person: Any) -> str:
    parts = [*person.prelast_names, *person.last_names]
    return re.sub(r"[{}]", "", " ".join(parts))


# --- Outputs --------------------------------------------------------------------------------


def _show_anywhere(cell: Any) -> None:
    """Figures as images: JupyterLab drops inline SVG from a notebook that it does not trust yet."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if MIME_TYPE in data:
            data["text/html"] = re.sub(r"(?s)<svg.*?</svg>", _as_image, data["text/html"])
        elif "image/png" in data and "<svg" in data.get("text/html", ""):
            before, _, rest = data["text/html"].partition("<svg")
            source = f"data:image/png;base64,{''.join(data['image/png'].split())}"
            image = f'<img src="{source}" alt="{escape(data["text/plain"])}">'
            data["text/html"] = before + image + rest.rpartition("</svg>")[2]
        elif "<svg" in data.get("text/html", ""):  # a figure with choices has no image
            told = f"{data['text/plain']} Run the cell to see it."
            data["text/html"] = f"<p>{escape(told)}</p>"


def _as_image(svg: re.Match[str]) -> str:
    """A ledger's picture in colors that show on white and on black; numbers stand beside it."""
    text = svg[0].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    text = text.replace("currentColor", INK)
    # Nothing outside an image sets its variables: only their fallbacks count.
    text = re.sub(r"var\(--[a-z]+, ([^)]*)\)", r"\1", text)
    code = base64.b64encode(text.encode()).decode()
    return f'<img src="data:image/svg+xml;base64,{code}" alt="" width="300">'


# --- The library ----------------------------------------------------------------------------


def build_wheel(root: Path) -> tuple[str, bytes]:
    """Name and content of the library's wheel, which holds entries and reference outputs, too.

    The same source gives the same bytes.

    Raises:
        subprocess.CalledProcessError: if the library cannot be packaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        subprocess.run(command, cwd=root, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        return wheel.name, wheel.read_bytes()
