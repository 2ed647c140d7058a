"""The accepted record of each paper, `book/record/<slug>.json`, and what a run reads otherwise.

    python -m bookbinder.record            print how this build's runs differ from the record
    python -m bookbinder.record --show F   print the claims of one executed notebook

A record rests on ten sealed draws (`bookbinder.accept`). Drift is what a single run with SEED 0
cannot owe to chance or to another processor; tests fail on it, the book does not.
"""

import argparse
import functools
import hashlib
import json
import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import scipy  # its parts load when they are used

from bookbinder import catalogue, execute
from bookbinder.catalogue import Paper
from paperlab.claims import MIME_TYPE, Estimate
from paperlab.claims.draws import SHARED

RECORDS = Path("book/record")
EXECUTED = Path("build/executed")

FAMILYWISE = 0.01  # chance that any value of the whole book leaves its prediction interval
SHOWN_DIGITS = 1e-3
ROLES = ("controls", "attainable", "sensitivity")
SHOWN_ONLY = ("figures.py", "display.py", "forest.py")  # library files that change no number

Record = dict[str, Any]
Claims = Sequence[Mapping[str, Any]]


def claims_of(executed: Path) -> Record:
    """The ledger's record in an executed notebook.

    Raises:
        ValueError: if the notebook shows no ledger, or more than one.
    """
    found = [
        output.data[MIME_TYPE]
        for cell in nbformat.read(executed, as_version=4).cells
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    ]
    if len(found) != 1:
        raise ValueError(f"{executed.stem}: expected one ledger, found {len(found)}")
    return dict(found[0])


def collect(slugs: list[str], executed: Path = EXECUTED) -> dict[str, Claims]:
    """The claims of this build's runs, keyed by slug."""
    return {slug: claims_of(executed / f"{slug}.ipynb")["claims"] for slug in sorted(slugs)}


def read(slug: str, root: Path = Path()) -> Record | None:
    """The accepted record of a paper, if there is one."""
    path = root / RECORDS / f"{slug}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


# --- What a record rests on -----------------------------------------------------------------


def digests(paper: Paper, root: Path = Path()) -> dict[str, str]:
    """Digests of the rules, of the notebook's code, and of the library that it imports."""
    notebook = paper.notebook(root)
    modules = [m for m in execute.library_modules(notebook, root) if m.name not in SHOWN_ONLY]
    return {
        "rules": paper.rules().digest,
        "code": code_digest(notebook),
        "library": execute.digest_of(modules),
    }


def code_digest(notebook: Path) -> str:
    """Digest of a notebook's code; figures, cells tagged `figure`, aside."""
    sources = [
        cell.source
        for cell in nbformat.read(notebook, as_version=4).cells
        if cell.cell_type == "code" and "figure" not in cell.metadata.get("tags", [])
    ]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def environment(root: Path = Path()) -> dict[str, str]:
    """What decides the last digits besides code: processor, its settings, lock, Python."""
    return {
        "python": platform.python_version(),
        "processor": processor(),
        "settings": " ".join(filter(None, execute.settings().values())),
        "lock": execute.digest_of([root / "requirements.txt"]),
    }


@functools.cache
def processor() -> str:
    """The processor's name and its vector extensions."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return f"{platform.machine()} {platform.processor()}".strip()
    fields: dict[str, str] = {}
    for line in info.read_text().split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    vector = [
        flag
        for flag in sorted(fields.get("flags", fields.get("Features", "")).split())
        if flag.startswith(("avx", "amx", "fma", "sve", "asimd"))
    ]
    return " ".join([fields.get("model name", platform.machine()), *vector])


def is_current(paper: Paper, root: Path = Path()) -> bool:
    """Whether the record belongs to the rules and code as they stand."""
    accepted, now = read(paper.slug, root), digests(paper, root)
    return accepted is not None and all(accepted[name] == now[name] for name in ("rules", "code"))


def is_of_older_library(paper: Paper, root: Path = Path()) -> bool:
    """Whether the library has changed since the record was accepted."""
    accepted = read(paper.slug, root)
    return accepted is not None and accepted["library"] != digests(paper, root)["library"]


# --- Drift ----------------------------------------------------------------------------------


def drift(accepted: Mapping[str, Record], measured: Mapping[str, Claims]) -> list[str]:
    """One line for each value or verdict of a run with SEED 0 that its record does not explain.

    Args:
        accepted: records of the whole book by slug.
        measured: this build's claims by slug; papers without a record are passed over.
    """
    here = environment()
    known = sorted(accepted.keys() & measured.keys())
    pairs = {slug: list(_pairs(accepted[slug]["claims"], measured[slug])) for slug in known}
    compared = sum(len(list(_rows(own["claims"]))) for own in accepted.values())
    lines = []
    for slug in known:
        same = accepted[slug]["environment"] == here
        for name, old, new in pairs[slug]:
            told = _digits(old, new) if same else _prediction(old, new, FAMILYWISE / compared)
            if told:
                lines.append(f"{slug} {name}: {told}")
    return lines


def _pairs(old: Claims, new: Claims) -> Iterator[tuple[str, Record, Record]]:
    """Name, accepted row and measured row of every check and of what stands beside it."""
    new_rows = dict(_rows(new))
    for name, row in _rows(old):
        if name not in new_rows:
            yield name, row, {}
        else:
            yield name, row, new_rows[name]


def _rows(claims: Claims) -> Iterator[tuple[str, Record]]:
    for claim in claims:
        for check in claim["checks"]:
            name = f"{claim['id']}, {check['name']}"
            yield name, check
            for role in ROLES:
                for row in check[role]:
                    yield f"{name}, {row['name']}", row


def _digits(old: Record, new: Record) -> str:
    """In the record's own environment SEED 0 gives the recorded numbers."""
    if not new:
        return "in the record, not in this run"
    now = new["estimate"]
    ends = [now["value"], now["low"], now["high"]]
    if all(math.isclose(a, b, rel_tol=1e-8) for a, b in zip(old["seed_0"], ends, strict=True)):
        return ""
    return f"recorded {old['seed_0'][0]:.9g}, now {now['value']:.9g}, in the record's environment"


def _prediction(old: Record, new: Record, level: float) -> str:
    """Elsewhere a value stays where the ten draws predict it, a computed verdict among theirs.

    A value that repeats the recorded one to the digits that a page shows is no drift, even where
    that draw itself lies far from the others.
    """
    if not new:
        return "in the record, not in this run"
    values = np.array(old["draws"])[:, 0]
    if math.isclose(new["estimate"]["value"], old["seed_0"][0], rel_tol=SHOWN_DIGITS):
        return ""
    if not new["estimate"]["sampled"] or values.min() == values.max():
        seen = set(old.get("verdicts", ()))
        if "verdict" not in new or not seen or new["verdict"] in seen:
            return ""
        return f"computed as {new['verdict']}; the draws say {', '.join(sorted(seen))}"
    n, spread = len(values), float(values.std(ddof=1))
    half = spread * math.sqrt(1 + 1 / n) * float(scipy.stats.t.ppf(1 - level / 2, n - 1))
    low, high = values.mean() - half, values.mean() + half
    value = new["estimate"]["value"]
    if low <= value <= high:
        return ""
    return f"{value:.4g} is outside [{low:.4g}, {high:.4g}], where the draws predict it"


def otherwise(accepted: Mapping[str, Any], measured: Claims) -> list[tuple[str, str, str]]:
    """(claim, the record's verdict, this run's verdict) where the two differ."""
    own = {claim["id"]: claim["verdict"] for claim in measured}
    return [
        (claim["id"], claim["verdict"], own[claim["id"]])
        for claim in accepted["claims"]
        if own.get(claim["id"], claim["verdict"]) != claim["verdict"]
    ]


def coverage(records: Iterable[Mapping[str, Any]]) -> tuple[int, int, int]:
    """How many draws hold the mean of the other draws in their own interval, and of how many.

    Sampled checks with independent draws count; how many have draws that share data is the third
    number. For well-made 95% intervals over ten draws the share is a little below 95%, since the
    mean of nine has an error of its own.
    """
    inside = total = shared = 0
    for record in records:
        for claim in record["claims"]:
            for check in claim["checks"]:
                if check["kind"] != "measured":
                    continue
                if check["estimate"]["method"].endswith(SHARED):
                    shared += 1
                    continue
                draws = np.array(check["draws"])
                others = (draws[:, 0].sum() - draws[:, 0]) / (len(draws) - 1)
                inside += int(((draws[:, 1] <= others) & (others <= draws[:, 2])).sum())
                total += len(draws)
    return inside, total, shared


# --- Command line ---------------------------------------------------------------------------


def _lines(claim: Record) -> str:
    """A claim with every check, for the terminal."""
    lines = [f"{claim['id']:<5}{claim['verdict']:<16}{claim['statement']}"]
    lines += [f"     {'':<16}weak: {weakness['text']}" for weakness in claim["weaknesses"]]
    for check in claim["checks"]:
        value = Estimate.from_json(check["estimate"])
        lines.append(f"     {check['verdict']:<16}{check['name']}: {value} {check['rule']}")
        for control in check["controls"]:
            value = Estimate.from_json(control["estimate"])
            fate = "rejected" if control["rejected"] else "NOT REJECTED"
            lines.append(f"     {'':<16}{control['kind']}, {control['name']}: {value}, {fate}")
        for role in ("attainable", "sensitivity"):
            for row in check[role]:
                value = Estimate.from_json(row["estimate"])
                lines.append(f"     {'':<16}{role}, {row['name']}: {value}, {row['verdict']}")
    return "\n".join(lines)


def main() -> None:
    """Command line; always succeeds, for a verdict takes no book away."""
    parser = argparse.ArgumentParser(description="Compare this build's runs with the record.")
    parser.add_argument("--show", type=Path)
    options = parser.parse_args()
    if options.show:
        print(*map(_lines, claims_of(options.show)["claims"]), sep="\n")
        return
    for paper in catalogue.load().written():
        accepted = read(paper.slug)
        if accepted is None:
            print(f"{paper.slug}: not accepted yet")
            continue
        for claim, before, now in otherwise(accepted, collect([paper.slug])[paper.slug]):
            print(f"{paper.slug} {claim}: the record says {before}, this run {now}")


if __name__ == "__main__":
    main()
