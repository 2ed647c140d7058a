"""What stands under a paper's title."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from bookbinder.accept import DRAWS
from bookbinder.catalogue import Paper
from bookbinder.pages.run import SCOPES, Run, anchor, authors, date_text, duration, memory
from bookbinder.pages.templates import render
from bookbinder.record import otherwise
from paperlab.claims import Verdict


def header(run: Run, launch: Sequence[tuple[str, str]], wheel: str, root: Path = Path()) -> str:
    """Authors, links, scope, what was read, costs, and a mark for each claim.

    Args:
        run: the executed paper.
        launch: names and addresses of services that open the notebook.
        wheel: file name of the library's wheel at the site's root.
        root: the repository.
    """
    paper = run.paper
    return render(
        "paper",
        root,
        site="../" * run.page.count("/"),
        slug=paper.slug,
        full_title="" if run.title == paper.title else paper.title,
        authors=authors(paper),
        venue=paper.venue,
        published=str(paper.published),
        date=date_text(paper.published),
        finding=paper.finding or "",
        arxiv=paper.arxiv or "",
        code=paper.code or "",
        launch=launch,
        wheel=wheel,
        scope=paper.scope,
        scope_means=SCOPES[paper.scope],
        reading_minutes=run.reading_minutes,
        time=duration(run.seconds),
        memory=memory(run.peak_bytes),
        read=paper.read or "",
        prerequisites=paper.prerequisites,
        evidence=evidence(run),
        claims=[_mark(claim) for claim in run.record],
        tags=[(tag, urlencode({"tag": tag})) for tag in paper.tags],
    )


def _mark(claim: Mapping[str, Any]) -> dict[str, Any]:
    """A claim in the strip of verdicts; the agreement is of draws, where there were any."""
    drawn = "agreement" in claim and claim["verdict"] != Verdict.OUT_OF_REACH
    return {
        "id": claim["id"],
        "anchor": anchor(claim),
        "statement": claim["statement"],
        "verdict": claim["verdict"],
        "agreement": claim["agreement"] if drawn else None,
        "draws": DRAWS,
    }


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
