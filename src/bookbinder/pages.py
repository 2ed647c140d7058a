"""The generated pieces of the book's pages, as HTML and Markdown. Pure functions of the catalogue
and of what the executed notebooks measured."""

import dataclasses
import datetime
import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from bookbinder.accept import DRAWS
from bookbinder.catalogue import Catalogue, Paper, Part
from bookbinder.record import coverage, otherwise
from paperlab.claims import Estimate, Verdict, text_to_html

SCOPES = {
    "exact": "The paper's own experiment or theorem, at its own size.",
    "scaled": "The paper's algorithm on smaller data or a smaller model.",
    "mechanism": "The paper's central idea, isolated in a controlled system.",
}


@dataclasses.dataclass(frozen=True)
class Run:
    """A paper whose notebook has been executed.

    Attributes:
        paper: its entry in the catalogue.
        title: the notebook's own heading.
        measured: the claims that this build's own run recorded.
        accepted: the paper's record over sealed draws, if there is one.
        older: whether the library has changed since the record was accepted.
        seconds: running time.
        peak_bytes: peak memory of the kernel.
        reading_minutes: what the words and the code in view take.
        python: version of Python that ran it.
    """

    paper: Paper
    title: str
    measured: Sequence[Mapping[str, Any]]
    accepted: Mapping[str, Any] | None
    older: bool
    seconds: float
    peak_bytes: int
    reading_minutes: int
    python: str

    @property
    def page(self) -> str:
        """Address of the page below the site's root, without suffix."""
        return f"{self.paper.part}/{self.paper.slug}"

    @property
    def record(self) -> Sequence[Mapping[str, Any]]:
        """The book's claims: over sealed draws, or this run's where none were accepted yet."""
        return self.measured if self.accepted is None else self.accepted["claims"]

    @property
    def counts(self) -> Counter[str]:
        """How many claims got each verdict."""
        return Counter(claim["verdict"] for claim in self.record)


# --- Small pieces ---------------------------------------------------------------------------


def escape(text: str) -> str:
    """Text for HTML, quotes included."""
    return html.escape(text, quote=True)


def date_text(date: datetime.date) -> str:
    """A date as a reader writes it."""
    return f"{date.day} {date:%B %Y}"


def duration(seconds: float) -> str:
    """A running time, rounded to what matters."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min"


def memory(peak_bytes: int) -> str:
    """A memory size in decimal units."""
    if peak_bytes < 1e9:
        return f"{peak_bytes / 1e6:.0f} MB"
    return f"{peak_bytes / 1e9:.1f} GB"


def verdict_class(verdict: str) -> str:
    """CSS class of a verdict."""
    return "verdict-" + verdict.replace(" ", "-")


def badge(verdict: str) -> str:
    """A verdict with its mark; the word carries the meaning, the mark only helps the eye."""
    return f'<span class="verdict {verdict_class(verdict)}">{verdict}</span>'


def raw(content: str) -> str:
    """A Markdown block that passes HTML through."""
    return f"```{{raw}} html\n{content}\n```"


def tally(counts: Mapping[str, int]) -> str:
    """Marks in proportion to verdicts, with the numbers in words."""
    words = ", ".join(f"{counts[v]} {v}" for v in Verdict if counts.get(v))
    marks = "".join(f'<i class="mark {verdict_class(v)}"></i>' * counts.get(v, 0) for v in Verdict)
    return (
        f'<span class="tally"><span aria-hidden="true" class="marks">{marks}</span> {words}</span>'
    )


def _authors(paper: Paper) -> str:
    return escape(", ".join(paper.authors))


def _up(page: str) -> str:
    """From a page back to the site's root."""
    return "../" * page.count("/")


# --- A paper's page -------------------------------------------------------------------------


def paper_header(run: Run, launch: Sequence[tuple[str, str]] = ()) -> str:
    """What stands under a paper's title.

    Args:
        run: the executed paper.
        launch: names and addresses of services that open the notebook.
    """
    paper, root = run.paper, _up(run.page)
    links = []
    if paper.arxiv:
        links.append(f'<a href="https://arxiv.org/abs/{paper.arxiv}">arXiv:{paper.arxiv}</a>')
    if paper.code:
        links.append(f'<a href="{escape(paper.code)}">The authors’ code</a>')
    links.append(f'<a class="button" href="{paper.slug}.ipynb" download>Download the notebook</a>')
    links += [f'<a href="{escape(address)}">Open in {name}</a>' for name, address in launch]
    tags = "".join(
        f'<li><a href="{root}index.html?{escape(urlencode({"tag": tag}))}#gallery">'
        f"{escape(tag)}</a></li>"
        for tag in paper.tags
    )
    strip = "".join(
        f'<li><a href="#{claim_anchor(claim)}"><b>{claim["id"]}</b> {badge(claim["verdict"])}'
        f"{_agreement(claim)}</a></li>"
        for claim in run.record
    )
    read = f"<div><dt>Read</dt><dd>{escape(paper.read)}</dd></div>" if paper.read else ""
    needs = (
        f"<div><dt>Helps to know</dt><dd>{escape('; '.join(paper.prerequisites))}</dd></div>"
        if paper.prerequisites
        else ""
    )
    title = "" if run.title == paper.title else f'<p class="full-title">{escape(paper.title)}</p>'
    date = f'<time datetime="{paper.published}">{date_text(paper.published)}</time>'
    scope = f'<a class="scope" href="{root}how-to-read.html#scopes">{paper.scope}</a>'
    costs = f"{duration(run.seconds)} on one core, {memory(run.peak_bytes)} of memory at most"
    finding = (
        f'<p class="finding"><b>What running it showed.</b> {text_to_html(paper.finding)}</p>'
        if paper.finding
        else ""
    )
    return f"""<div class="paper-header">
{title}<p class="authors">{_authors(paper)}</p>
<p class="venue">{escape(paper.venue)} · first posted {date}</p>
{finding}
<ul class="links">{"".join(f"<li>{link}</li>" for link in links)}</ul>
<dl class="facts">
<div><dt>Scope</dt><dd>{scope} {SCOPES[paper.scope]}</dd></div>
<div><dt>Reads in</dt><dd>{run.reading_minutes} min, code in view included</dd></div>
<div><dt>Runs in</dt><dd>{costs}</dd></div>
{read}{needs}<div><dt>Evidence</dt><dd>{evidence(run)}</dd></div>
</dl>
<nav class="verdicts" aria-label="Verdicts on the paper’s claims"><ol>{strip}</ol></nav>
<ul class="tags" aria-label="Tags">{tags}</ul>
</div>"""


def _agreement(claim: Mapping[str, Any]) -> str:
    """How many of the sealed draws alone say the same."""
    if "agreement" not in claim or claim["verdict"] == Verdict.OUT_OF_REACH:
        return ""
    count = claim["agreement"]
    told = f"{count} of {DRAWS} draws alone say the same"
    return f' <small title="{told}" aria-label="{told}" role="img">{count}/{DRAWS}</small>'


def evidence(run: Run) -> str:
    """What the verdicts rest on, and where this build's own run reads otherwise."""
    if run.accepted is None:
        return "One run; not accepted over sealed draws yet."
    times = len(run.accepted["acceptances"])
    told = f"{DRAWS} sealed draws, pooled; accepted {'once' if times == 1 else f'{times} times'}."
    if run.older:
        told += " The library has changed since (older code)."
    if differing := otherwise(run.accepted, run.measured):
        list_ = ", ".join(f"{claim} {now}" for claim, _, now in differing)
        told += f" This build’s own run, one draw, reads otherwise: {list_}."
    return told


def claim_anchor(claim: Mapping[str, Any]) -> str:
    """Where a claim stands on its paper's page."""
    return f"claim-{claim['id']}"


def launch_links(paper: Paper, config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Services that open the paper's notebook; none unless the repository is set.

    Args:
        paper: the paper.
        config: the contents of `_config.yml`.
    """
    repository = config.get("repository") or {}
    url, branch = (repository.get("url") or "").rstrip("/"), repository.get("branch") or "main"
    if not url:
        return []
    buttons = config.get("launch_buttons") or {}
    path = f"notebooks/{paper.part}/{paper.slug}.ipynb"
    github = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", url.removesuffix(".git"))
    links = []
    if github and buttons.get("colab_url"):
        address = f"{buttons['colab_url']}/github/{github[1]}/{github[2]}/blob/{branch}/{path}"
        links.append(("Colab", address))
    if github and buttons.get("binderhub_url"):
        query = urlencode({"urlpath": f"lab/tree/{path}"})
        address = f"{buttons['binderhub_url']}/v2/gh/{github[1]}/{github[2]}/{branch}?{query}"
        links.append(("Binder", address))
    if buttons.get("jupyterhub_url"):
        name = url.removesuffix(".git").rpartition("/")[2]
        query = urlencode(
            {"repo": url, "branch": branch, "urlpath": f"lab/tree/{name}/{path}"}, quote_via=quote
        )
        links.append(
            ("JupyterHub", f"{buttons['jupyterhub_url']}/hub/user-redirect/git-pull?{query}")
        )
    return links


# --- The landing page -----------------------------------------------------------------------


def summary_strip(runs: Sequence[Run], planned: int) -> str:
    """The scoreboard in one strip."""
    counts = sum((run.counts for run in runs), Counter[str]())
    total = sum(counts.values())
    facts = [
        (len(runs), "paper" if len(runs) == 1 else "papers"),
        (total, "claim" if total == 1 else "claims"),
        *((counts[verdict], str(verdict)) for verdict in Verdict),
    ]
    cells = "".join(
        f'<li class="{verdict_class(name) if name in set(Verdict) else "plain"}">'
        f"<b>{number}</b> <span>{name}</span></li>"
        for number, name in facts
    )
    more = f"{planned} more papers are planned. " if planned else ""
    return (
        f'<section class="strip" aria-label="The scoreboard in short"><ul>{cells}</ul>'
        f'<p>{more}<a href="scoreboard.html#claims">Every claim is on the scoreboard.</a></p>'
        "</section>"
    )


def findings(catalogue: Catalogue, runs: Sequence[Run]) -> str:
    """What running each paper showed, part by part, with its picture."""
    sections = []
    for part in catalogue.parts:
        items = "".join(_finding(run) for run in runs if run.paper.part == part.slug)
        if items:
            title = f'<h2><a href="{part.slug}/index.html">{escape(part.title)}</a></h2>'
            sections.append(f'<section>{title}<ul class="findings">{items}</ul></section>')
    return "".join(sections)


def first_findings(catalogue: Catalogue, runs: Sequence[Run]) -> str:
    """One finding of each part, its first paper's, for the landing page."""
    firsts = (
        next((run for run in runs if run.paper.part == part.slug), None) for part in catalogue.parts
    )
    items = "".join(_finding(run) for run in firsts if run)
    return (
        f'<ul class="findings">{items}</ul>'
        '<p><a href="findings.html">What running each of them showed</a></p>'
    )


def _finding(run: Run) -> str:
    return (
        f'<li><img src="_static/thumbnails/{run.paper.slug}.webp" alt="" width="480" height="270" '
        f'loading="lazy" decoding="async"><div><p>{text_to_html(run.paper.finding or "")}</p>'
        f'<p class="foot"><a href="{run.page}.html">{escape(run.title)}</a> {tally(run.counts)}'
        "</p></div></li>"
    )


def gallery(catalogue: Catalogue, runs: Sequence[Run]) -> str:
    """Every paper as a card, with filters that work without a server."""
    titles = {part.slug: part.title for part in catalogue.parts}
    used = {run.paper.part for run in runs}
    choices: dict[str, list[tuple[str, str]]] = {
        "part": [(slug, title) for slug, title in titles.items() if slug in used],
        "scope": [(s, s) for s in SCOPES if any(run.paper.scope == s for run in runs)],
        "verdict": [(v, v) for v in Verdict if any(run.counts[v] for run in runs)],
        "tag": [(t, t) for t in sorted({t for run in runs for t in run.paper.tags}, key=str.lower)],
    }
    filters = "".join(
        f'<label>{name.capitalize()} <select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{escape(v)}">{escape(text)}</option>' for v, text in options)
        + "</select></label>"
        for name, options in choices.items()
    )
    cards = "".join(_card(run, titles[run.paper.part]) for run in runs)
    return (
        f'<form class="filters" hidden aria-label="Filter the papers">{filters}'
        f'<button type="reset" class="quiet">Show all</button>'
        f'<output aria-live="polite"></output></form><ul class="gallery" id="gallery">{cards}</ul>'
    )


def _card(run: Run, part: str) -> str:
    paper = run.paper
    data = {
        "part": paper.part,
        "scope": paper.scope,
        "verdict": "|".join(v for v in Verdict if run.counts[v]),
        "tag": "|".join(paper.tags),
    }
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    return (
        f'<li class="card" {attributes}>'
        f'<img src="_static/thumbnails/{paper.slug}.webp" alt="" width="480" height="270" '
        'loading="lazy" decoding="async">'
        f'<div><p class="eyebrow">{escape(part)}</p>'
        f'<h3><a href="{run.page}.html">{escape(run.title)}</a></h3>'
        f'<p class="authors">{_authors(paper)} · {paper.published.year}</p>'
        f'<p class="foot"><span class="scope">{paper.scope}</span> {tally(run.counts)}</p>'
        "</div></li>"
    )


# --- Part pages -----------------------------------------------------------------------------


def reading_order(runs: Sequence[Run]) -> str:
    """A part's papers in the order to read them."""
    items = "".join(
        f'<li><a href="{run.paper.slug}.html">{escape(run.title)}</a>'
        f'<p class="authors">{_authors(run.paper)} · {escape(run.paper.venue)}</p>'
        f'<p class="foot"><span class="scope">{run.paper.scope}</span> {tally(run.counts)}</p></li>'
        for run in runs
    )
    return f'<ol class="reading-order">{items}</ol>'


def source(run: Run) -> str:
    """Where a figure on a part's page comes from."""
    return (
        f'<p class="source">Computed, state by state, in the notebook of '
        f'<a href="{run.paper.slug}.html">{escape(run.title)}</a>.</p>'
    )


def concept_map(runs: Sequence[Run]) -> str:
    """What each paper asks for and what it gives, side by side, for a part without a drawn map."""

    def concepts(names: Iterable[str]) -> str:
        items = "".join(f"<li>{escape(name)}</li>" for name in names)
        return f"<ul>{items}</ul>" if items else "<p>nothing special</p>"

    rows = "".join(
        f'<li><div class="needs"><span class="label">You bring</span>'
        f"{concepts(run.paper.prerequisites)}</div>"
        f'<p class="via"><a href="{run.paper.slug}.html">{escape(run.title)}</a></p>'
        f'<div class="gives"><span class="label">You meet</span>{concepts(run.paper.tags)}</div>'
        "</li>"
        for run in runs
    )
    return f'<ul class="concept-map">{rows}</ul>'


# --- The scoreboard -------------------------------------------------------------------------


def _table(
    name: str,
    caption: str,
    columns: Sequence[str],
    rows: Iterable[str],
    numeric: Iterable[str] = (),
    style: str = "stacked",
) -> str:
    """A table that sorts and filters, stacked on a phone."""
    heads = "".join(
        f'<th scope="col"{" data-numeric" if c in set(numeric) else ""}>{c}</th>' for c in columns
    )
    return (
        f'<table class="{style}" data-table id="{name}-table"><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _row(columns: Sequence[str], cells: Sequence[tuple[str, str | float]]) -> str:
    """A row; each cell is HTML with the value to sort by."""
    (first, key), *rest = cells
    return (
        f'<tr><th scope="row" data-label="{columns[0]}" data-key="{escape(str(key))}">{first}</th>'
        + "".join(
            f'<td data-label="{label}" data-key="{escape(str(key))}">{cell}</td>'
            for label, (cell, key) in zip(columns[1:], rest, strict=True)
        )
        + "</tr>"
    )


def claims_table(runs: Sequence[Run]) -> str:
    """Every claim of every paper with what was measured first."""
    columns = ("Claim", "Paper", "In the paper", "Measured here", "Draws", "Verdict")
    order = {str(verdict): n for n, verdict in enumerate(Verdict)}
    rows = [
        _row(
            columns,
            (
                (
                    f'<a href="{run.page}.html#{claim_anchor(claim)}">{claim["id"]}</a> '
                    f"{text_to_html(claim['statement'])}",
                    f"{run.paper.slug} {_padded(claim['id'])}",
                ),
                (f'<a href="{run.page}.html">{escape(run.title)}</a>', run.title.lower()),
                (text_to_html(claim["paper"] or "–"), claim["paper"] or ""),
                (_measured(claim), _first_value(claim)),
                (str(claim.get("agreement", "–")), claim.get("agreement", "")),
                (badge(claim["verdict"]), order[claim["verdict"]]),
            ),
        )
        for run in runs
        for claim in run.record
    ]
    return _table(
        "claims",
        "Every claim, the first of its measurements, how many of ten draws alone agree with the "
        "verdict, and the verdict of the weakest measurement",
        columns,
        rows,
        ("Measured here", "Draws", "Verdict"),
    )


def _padded(claim: str) -> str:
    return re.sub(r"\d+", lambda m: m[0].zfill(3), claim)


def _first_value(claim: Mapping[str, Any]) -> str | float:
    return float(claim["checks"][0]["estimate"]["value"]) if claim["checks"] else ""


def _measured(claim: Mapping[str, Any]) -> str:
    if not claim["checks"]:
        return text_to_html(claim["reason"])
    check, *more = claim["checks"]
    tail = f" <small>and {len(more)} more</small>" if more else ""
    return (
        f"{text_to_html(check['name'])}: <b>{Estimate.from_json(check['estimate'])}</b>, "
        f"rule {escape(check['rule'])}{tail}"
    )


def audit(runs: Sequence[Run]) -> str:
    """Kinds of evidence, agreement and coverage of the whole book, told apart."""
    records = [run.accepted for run in runs if run.accepted is not None]
    checks = [check for run in runs for claim in run.record for check in claim["checks"]]
    kinds = Counter(check["kind"] for check in checks)
    rows = []
    for kind in ("measured", "computed", "bound"):
        counts = Counter(check["verdict"] for check in checks if check["kind"] == kind)
        told = ", ".join(f"{counts[v]} {v}" for v in Verdict if counts[v])
        rows.append(f"<li><b>{kinds[kind]} {kind}</b>: {told}</li>")
    for name, text in (("paper", "Claims of the papers"), ("ours", "Questions of ours")):
        counts = Counter(c["verdict"] for run in runs for c in run.record if c["whose"] == name)
        told = ", ".join(f"{counts[v]} {v}" for v in Verdict if counts[v])
        rows.append(f"<li><b>{text}</b>: {told}</li>")
    claims = [c for r in records for c in r["claims"] if c["verdict"] != Verdict.OUT_OF_REACH]
    if claims:
        steady = sum(claim["agreement"] >= DRAWS - 1 for claim in claims)
        share = f"{steady} of {len(claims)} claims ({steady / len(claims):.0%})"
        rows.append(f"<li><b>Agreement</b>: on {share} nine or ten draws alone agree</li>")
        inside, total, shared = coverage(records)
        share = f"{inside} of {total} draws ({inside / max(1, total):.0%})"
        rows.append(
            f"<li><b>Coverage</b>: {share} hold the mean of the other nine in their own interval; "
            f"sound 95% intervals give a little less than 95%. In {shared} checks the draws share "
            "data that no seed changes; there the pooled interval is as wide as that asks for</li>"
        )
    return f'<ul class="audit">{"".join(rows)}</ul>'


def waivers_table(runs: Sequence[Run]) -> str:
    """What the pages of the first edition are excused from; the list only shrinks."""
    columns = ("Paper", "Excused from")
    rows = [
        _row(
            columns,
            (
                (f'<a href="{run.page}.html">{escape(run.title)}</a>', run.title.lower()),
                (escape(", ".join(run.paper.waived)), len(run.paper.waived)),
            ),
        )
        for run in runs
        if run.paper.waived
    ]
    return _table(
        "waivers", "Pages that await their second edition", columns, rows, style="stacked compact"
    )


def notebooks_table(catalogue: Catalogue, runs: Sequence[Run]) -> str:
    """Running time and peak memory of every notebook."""
    columns = ("Paper", "Part", "Scope", "Verdicts", "Time", "Memory")
    titles = {part.slug: part.title for part in catalogue.parts}
    rows = [
        _row(
            columns,
            (
                (f'<a href="{run.page}.html">{escape(run.title)}</a>', run.title.lower()),
                (escape(titles[run.paper.part]), titles[run.paper.part]),
                (f'<span class="scope">{run.paper.scope}</span>', run.paper.scope),
                (tally(run.counts), run.counts[Verdict.REPRODUCED] / max(1, len(run.record))),
                (duration(run.seconds), run.seconds),
                (memory(run.peak_bytes), run.peak_bytes),
            ),
        )
        for run in runs
    ]
    return _table(
        "notebooks",
        "Every notebook as this build ran it, on one core",
        columns,
        rows,
        ("Verdicts", "Time", "Memory"),
    )


def planned_table(catalogue: Catalogue, runs: Sequence[Run]) -> str:
    """Papers that have no notebook yet."""
    columns = ("Paper", "Authors", "Year", "Part", "Planned scope")
    titles = {part.slug: part.title for part in catalogue.parts}
    written = {run.paper.slug for run in runs}
    rows = [
        _row(
            columns,
            (
                (escape(paper.title), paper.title.lower()),
                (_authors(paper), ", ".join(paper.authors)),
                (str(paper.published.year), str(paper.published)),
                (escape(titles[paper.part]), titles[paper.part]),
                (f'<span class="scope">{paper.scope}</span>', paper.scope),
            ),
        )
        for paper in catalogue.papers
        if paper.slug not in written
    ]
    return _table(
        "planned", "Papers without a notebook yet", columns, rows, style="stacked compact"
    )


# --- Files ----------------------------------------------------------------------------------


def table_of_contents(parts: Sequence[tuple[Part, Sequence[Run]]], api: Sequence[str]) -> str:
    """The text of `_toc.yml`.

    Args:
        parts: the parts that have papers, with them.
        api: names of the library's modules.
    """
    lines = ["format: jb-book", "root: index", "parts:", "- caption: Papers", "  chapters:"]
    for part, runs in parts:
        lines += [f"  - file: {part.slug}/index", "    sections:"]
        lines += [f"    - file: {run.page}" for run in runs]
    lines += ["- caption: The book", "  chapters:"]
    lines += [
        f"  - file: {page}"
        for page in ("findings", "how-to-read", "scoreboard", "learning-paths", "add-a-paper")
    ]
    lines += ["- caption: Reference", "  chapters:"]
    lines += ["  - file: glossary", "  - file: bibliography"]
    lines += ["  - file: api/index", "    sections:"]
    lines += [f"    - file: api/{module}" for module in api]
    return "\n".join(lines) + "\n"


def bibliography(papers: Sequence[Paper]) -> str:
    """BibTeX entries of papers, keyed by slug."""
    return "\n".join(map(_bibtex, papers))


def _bibtex(paper: Paper) -> str:
    authors = " and ".join(_bibtex_author(author) for author in paper.authors)
    fields = {
        "title": f"{{{paper.title}}}",
        "author": authors,
        "year": str(paper.published.year),
        "note": paper.venue,
    }
    if paper.arxiv:
        fields |= {"eprint": paper.arxiv, "archiveprefix": "arXiv"}
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{paper.slug},\n{body}}}\n"


def _bibtex_author(author: str) -> str:
    """A name as the catalogue has it; one without spaces, or "et al.", stays whole."""
    if author == "et al.":
        return "others"
    return author if " " in author else f"{{{author}}}"


def search_keywords(paper: Paper) -> str:
    """What the search finds a paper's page by although the page's own text does not contain it."""
    text = " ".join([paper.title, *paper.authors, *paper.tags, paper.venue])
    words = ", ".join(dict.fromkeys(re.findall(r"[\w-]+", text)))  # Sphinx indexes each item whole
    return f"```{{eval-rst}}\n.. meta::\n   :keywords: {words}\n```"


def api_page(module: str) -> str:
    """A page that documents one module of the library from its docstrings."""
    return f"""# `paperlab.{module}`

```{{eval-rst}}
.. automodule:: paperlab.{module}
   :members:
```
"""


def modules(lines: Mapping[str, str]) -> str:
    """The library's modules, each with the first line of its docstring."""
    items = "".join(
        f'<dt><a href="{module}.html"><code>paperlab.{module}</code></a></dt>'
        f"<dd>{escape(line)}</dd>"
        for module, line in lines.items()
    )
    return f'<dl class="modules">{items}</dl>'


def origin(paper: Paper) -> str:
    """Who wrote a paper and where it appeared, in one line."""
    return f"{', '.join(paper.authors)} · {paper.venue}"


def summaries(lines: Mapping[str, str]) -> str:
    """The script that gives each search result its line."""
    return f"const PAGE_SUMMARIES = {json.dumps(lines, ensure_ascii=False, indent=1)};\n"
