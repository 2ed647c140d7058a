"""The accepted record `book/claims.json`, and what a build changed against it.

    python -m bookbinder.record            fail, and print the difference, if a verdict changed
    python -m bookbinder.record --accept   write the new record
    python -m bookbinder.record --show F   print the claims of one executed notebook

Verdicts, rules and the set of checks must agree. Values may differ in their last digits between
processors, so a value that moved is printed and does not fail the build.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from bookbinder import catalogue
from paperlab.claims import MIME_TYPE, Estimate

ACCEPTED = Path("book/claims.json")
EXECUTED = Path("build/executed")

Record = dict[str, Any]


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


def collect(slugs: list[str], executed: Path = EXECUTED) -> Record:
    """The records of all papers, keyed by slug."""
    return {slug: claims_of(executed / f"{slug}.ipynb")["claims"] for slug in sorted(slugs)}


def drift(accepted: Record, measured: Record) -> list[str]:
    """One line for every paper, claim or check whose verdict or rule is not as accepted."""
    new = [f"{slug}: not in the record yet" for slug in measured.keys() - accepted.keys()]
    known = {slug: claims for slug, claims in measured.items() if slug in accepted}
    return sorted(new) + list(_compare(_decisions(accepted), _decisions(known)))


def moved(accepted: Record, measured: Record) -> list[str]:
    """One line for every value that differs in the digits a page shows."""
    old, new = _values(accepted), _values(measured)
    both = old.keys() & new.keys()
    return list(_compare({k: old[k] for k in both}, {k: new[k] for k in both}))


def _compare(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name}: accepted {old.get(name, 'nothing')}, now {new.get(name, 'nothing')}"


def _decisions(record: Record) -> dict[str, str]:
    flat = {}
    for slug, claims in record.items():
        for claim in claims:
            flat[f"{slug} {claim['id']}"] = claim["verdict"]
            for check in claim["checks"]:
                name = f"{slug} {claim['id']}, {check['measured']}"
                flat[name] = f"{check['verdict']} ({check['rule']})"
                for control in check["controls"]:
                    flat[f"{name}, control {control['broken']}"] = "rejected"
    return flat


def _values(record: Record) -> dict[str, str]:
    return {
        f"{slug} {claim['id']}, {check['measured']}": str(Estimate(**check["estimate"]))
        for slug, claims in record.items()
        for claim in claims
        for check in claim["checks"]
    }


def _lines(claim: Record) -> str:
    """A claim with every check, for the terminal."""
    lines = [f"{claim['id']:<5}{claim['verdict']:<16}{claim['statement']}"]
    for check in claim["checks"]:
        estimate = Estimate(**check["estimate"])
        lines.append(f"     {check['verdict']:<16}{check['measured']}: {estimate} {check['rule']}")
        for control in check["controls"]:
            value = Estimate(**control["estimate"])
            lines.append(f"     {'':<16}control, {control['broken']}: {value}, rejected")
    return "\n".join(lines)


def main() -> None:
    """Command line; exits with 1 if the record drifted."""
    parser = argparse.ArgumentParser(description="Compare the claims with the accepted record.")
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--show", type=Path)
    options = parser.parse_args()
    if options.show:
        print(*map(_lines, claims_of(options.show)["claims"]), sep="\n")
        return
    measured = collect([paper.slug for paper in catalogue.load().written()])
    if options.accept:
        text = json.dumps(measured, indent=1, ensure_ascii=False, sort_keys=True)
        ACCEPTED.write_text(text + "\n", "utf-8")
        return
    accepted = json.loads(ACCEPTED.read_text("utf-8")) if ACCEPTED.exists() else {}
    for line in moved(accepted, measured):
        print(f"value moved: {line}")
    lines = drift(accepted, measured)
    if lines:
        sys.exit(
            "\n".join(
                [
                    "The verdicts are not those in book/claims.json:",
                    *lines,
                    "If this is the finding, accept it: make accept",
                ]
            )
        )


if __name__ == "__main__":
    main()
