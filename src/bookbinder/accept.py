"""Accepts a paper over sealed draws: ten seeds that nobody could try before the code was final.

    python -m bookbinder.accept plan [SLUG ...]     what is out of date, and what it will cost
    python -m bookbinder.accept draw SLUG SEED OUT  one draw, as JSON
    python -m bookbinder.accept write SLUG          pool the draws into book/record/SLUG.json

The seeds are hashed from the entry's rules and the notebook's code, so that every change meets
fresh ones. `make accept` runs the three through Snakemake, which resumes after a kill.
"""

import argparse
import datetime
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat

from bookbinder import catalogue, execute, record
from bookbinder.catalogue import Paper
from paperlab.claims import pooled_record

DRAWS = 10
FOLDER = Path("build/draws")
SECONDS = 30.0  # a draw of a notebook that was never timed
CORES = 2


class Refused(ValueError):
    """A record that cannot be accepted; one line for each thing that its evidence lacks."""


def seeds(rules: str, code: str) -> list[int]:
    """Ten seeds below 2^31, determined by the digests of rules and code."""
    return [
        int.from_bytes(hashlib.sha256(f"{rules} {code} {n}".encode()).digest()[:8]) % 2**31
        for n in range(DRAWS)
    ]


def seeds_of(paper: Paper, root: Path = Path()) -> list[int]:
    """The sealed seeds of a paper as it stands."""
    now = record.digests(paper, root)
    return seeds(now["rules"], now["code"])


def draw_path(paper: Paper, seed: int, root: Path = Path()) -> Path:
    """Where a draw's claims are kept: in a folder named by the library and the pinned packages.

    Rules and code determine the seed; so no draw is ever taken for one of other code.
    """
    rests_on = [record.digests(paper, root)["library"], record.environment(root)["lock"]]
    return FOLDER / paper.slug / execute.digest_of([], rests_on)[:12] / f"{seed}.json"


def draw(slug: str, seed: int, target: Path) -> None:
    """Runs a notebook with a seed and keeps what its ledger recorded."""
    source = catalogue.load()[slug].notebook()
    with tempfile.TemporaryDirectory() as folder:
        executed = Path(folder, source.name)
        execute.execute(source, executed, seed)
        claims = record.claims_of(executed)["claims"]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(claims), "utf-8")


def assemble(
    paper: Paper,
    first: Sequence[Mapping[str, Any]],
    draws: Sequence[Sequence[Mapping[str, Any]]],
    root: Path = Path(),
) -> record.Record:
    """The new record of a paper, its list of acceptances one longer.

    Args:
        paper: its entry.
        first: the claims of the run with SEED 0.
        draws: the claims of the sealed draws, in the order of `seeds_of`.
        root: the repository.
    """
    digests = record.digests(paper, root)
    claims = pooled_record(paper.rules(), draws)
    for claim in claims:
        for check in claim["checks"]:
            _attach(check, claim["id"], [check["name"]], first, draws)
            check["verdicts"] = sorted(
                {_find(run, claim["id"], [check["name"]])["verdict"] for run in [first, *draws]}
            )
            for role in record.ROLES:
                for row in check[role]:
                    _attach(row, claim["id"], [check["name"], role, row["name"]], first, draws)
    earlier = (record.read(paper.slug, root) or {}).get("acceptances", [])
    acceptance = {
        "date": str(datetime.date.today()),
        "rules": digests["rules"],
        "code": digests["code"],
        "verdicts": {claim["id"]: claim["verdict"] for claim in claims},
    }
    return {
        "paper": paper.slug,
        **digests,
        "environment": record.environment(root),
        "seeds": seeds_of(paper, root),
        "claims": claims,
        "acceptances": [*earlier, acceptance],
    }


def _attach(row: dict[str, Any], claim: str, path: list[str], first: Any, draws: Any) -> None:
    """Puts beside a pooled estimate what SEED 0 and each draw gave: value, low, high."""
    row["seed_0"] = _ends(_find(first, claim, path))
    row["draws"] = [_ends(_find(run, claim, path)) for run in draws]


def _find(claims: Sequence[Mapping[str, Any]], claim: str, path: list[str]) -> Mapping[str, Any]:
    rows = next(own for own in claims if own["id"] == claim)["checks"]
    found: Mapping[str, Any] = next(row for row in rows if row["name"] == path[0])
    if len(path) == 3:
        found = next(row for row in found[path[1]] if row["name"] == path[2])
    return found


def _ends(row: Mapping[str, Any]) -> list[float]:
    return [float(f"{row['estimate'][end]:.10g}") for end in ("value", "low", "high")]


def weaknesses(accepted: record.Record) -> list[str]:
    """What of a record's evidence is lacking and not waived, a line each."""
    return [
        f"{accepted['paper']} {claim['id']}: {weakness['text']}"
        for claim in accepted["claims"]
        for weakness in claim["weaknesses"]
    ]


def to_text(accepted: record.Record) -> str:
    """A record as JSON, a list of numbers on one line."""
    text = json.dumps(accepted, indent=1, ensure_ascii=False, allow_nan=False)
    numbers = re.compile(r"\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]")
    return numbers.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def write(slug: str) -> None:
    """Pools the draws of a paper and writes its record.

    Raises:
        Refused: if the evidence is weak, or the run with SEED 0 is of other code, as one made by
            hand may be; the record then stays as it was.
    """
    paper = catalogue.load()[slug]
    run = record.EXECUTED / f"{slug}.ipynb"
    if record.code_digest(run) != record.code_digest(paper.notebook()):
        raise Refused(f"{run} is of other code: delete it and run make accept again")
    first = record.collect([slug])[slug]
    draws = [json.loads(draw_path(paper, seed).read_text("utf-8")) for seed in seeds_of(paper)]
    accepted = assemble(paper, first, draws)
    if lines := weaknesses(accepted):
        raise Refused("\n".join(lines))
    record.RECORDS.mkdir(parents=True, exist_ok=True)
    (record.RECORDS / f"{slug}.json").write_text(to_text(accepted), "utf-8")
    print(*(f"{slug} {c['id']}: {c['verdict']}, {c.get('agreement')} of {DRAWS} draws"
            for c in accepted["claims"]), sep="\n")  # fmt: skip


def outdated(slugs: Sequence[str] = ()) -> list[Paper]:
    """The named papers, or all whose record does not belong to their rules and code."""
    everything = catalogue.load()
    if slugs:
        return [everything[slug] for slug in slugs]
    return [paper for paper in everything.written() if not record.is_current(paper)]


def plan(papers: Sequence[Paper]) -> str:
    """What an acceptance will run and how long that takes."""
    waiting = [
        (paper, seed)
        for paper in papers
        for seed in seeds_of(paper)
        if not draw_path(paper, seed).exists()
    ]
    minutes = sum(_seconds(paper) for paper, _ in waiting) / 60 / CORES
    return (
        f"{len(papers)} papers to accept, {len(waiting)} draws to run: "
        f"about {max(1, round(minutes))} min on {CORES} cores"
    )


def _seconds(paper: Paper) -> float:
    path = execute.BUILD / "executed" / f"{paper.slug}.ipynb"
    if not path.exists():
        return SECONDS
    return float(nbformat.read(path, as_version=4).metadata["paperlab"]["seconds"])


def main() -> None:
    """Command line; exits with 1 and the reasons if a record is refused."""
    parser = argparse.ArgumentParser(description="Accept papers over sealed draws.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("plan").add_argument("slugs", nargs="*")
    one = commands.add_parser("draw")
    one.add_argument("slug")
    one.add_argument("seed", type=int)
    one.add_argument("target", type=Path)
    commands.add_parser("write").add_argument("slug")
    options = parser.parse_args()
    try:
        if options.command == "plan":
            print(plan(outdated(options.slugs)))
        elif options.command == "draw":
            draw(options.slug, options.seed, options.target)
        else:
            write(options.slug)
    except (Refused, execute.NotebookFailure) as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
