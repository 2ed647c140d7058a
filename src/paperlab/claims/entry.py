"""A paper's entry `<slug>.yml`: its claims and the rules they are held to, fixed before any run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from paperlab.claims import rules

# Requirements of the second edition that a page of the first may be excused from.
WAIVERS = ("near controls", "replicates", "could pass", "view")


class ClaimError(ValueError):
    """A record that cannot be trusted; the message names the paper, the claim and the reason."""


@dataclasses.dataclass(frozen=True)
class CheckEntry:
    """What one measurement is held to.

    Attributes:
        name: what is measured, in words; unique within its claim.
        rule: decides on it.
        rule_as_stated: the entry's own words, for the digest.
        bound: whether the rule is a guarantee that must never be violated.
        controls: kind (`near` or `wreck`) of each control, by name.
        attainable: names of what shows that the check could pass.
        sensitivity: names of other values of guessed settings.
        bar: where the bar comes from: `paper`, `theory` or `ours`.
        because: the reason of a bar of ours.
        after_results: whether the bar was set with results in view.
        few: why fewer than eight replicates must do.
        refuted: the proof or counterexample that makes evidence of attainability needless.
        value: the paper's own number where it is the same quantity.
    """

    name: str
    rule: rules.Rule
    rule_as_stated: Mapping[str, Any]
    bound: bool = False
    controls: Mapping[str, str] = dataclasses.field(default_factory=dict)
    attainable: tuple[str, ...] = ()
    sensitivity: tuple[str, ...] = ()
    bar: str = "ours"
    because: str = ""
    after_results: bool = False
    few: str = ""
    refuted: str = ""
    value: float | None = None


@dataclasses.dataclass(frozen=True)
class ClaimEntry:
    """One claim.

    Attributes:
        id: such as `C1` or `C3b`.
        statement: in our words.
        paper: the paper's own number or words, if it gives any.
        where: section, theorem, figure or table of the paper.
        ours: whether it is our question rather than the paper's claim.
        checks: what it is held to.
        out_of_reach: why it cannot be checked here; it then has no checks.
    """

    id: str
    statement: str
    paper: str | None
    where: str
    ours: bool
    checks: tuple[CheckEntry, ...]
    out_of_reach: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """The claims of one paper, in order, and what its page is excused from."""

    paper: str
    claims: tuple[ClaimEntry, ...]
    waived: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Digest of all that decides a verdict; reasons and words around it do not."""
        stated = [
            [
                claim.id,
                bool(claim.out_of_reach),
                [
                    [
                        check.name,
                        dict(check.rule_as_stated),
                        check.bound,
                        dict(check.controls),
                        list(check.attainable),
                        list(check.sensitivity),
                        bool(check.refuted),
                    ]
                    for check in claim.checks
                ],
            ]
            for claim in self.claims
        ]
        return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()


def folder() -> Path:
    """Where the entries are: packaged beside this library, or `book/papers` of a checkout."""
    packaged = Path(str(resources.files("paperlab"))) / "papers"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "book" / "papers"


def read(paper: str) -> Entry:
    """The entry of a paper.

    Raises:
        ClaimError: if there is no such entry, it has no claims, or a rule is malformed.
    """
    path = folder() / f"{paper}.yml"
    if not path.is_file():
        raise ClaimError(f"{paper}: no entry {path.name} in the catalogue")
    return parse(paper, yaml.safe_load(path.read_text("utf-8")))


def parse(paper: str, data: Mapping[str, Any]) -> Entry:
    """An entry from its plain values; `bookbinder.catalogue` checks all that is not needed here.

    Raises:
        ClaimError: if it has no claims, or a rule is malformed.
    """
    if not data.get("claims"):
        raise ClaimError(f"{paper}: the catalogue has no claims for this paper yet")
    claims = tuple(_claim(paper, claim) for claim in data["claims"])
    return Entry(paper, claims, tuple(data.get("waived", ())))


def _claim(paper: str, data: Mapping[str, Any]) -> ClaimEntry:
    try:
        checks = tuple(_check(check) for check in data.get("checks", ()))
    except ValueError as error:
        raise ClaimError(f"{paper}, claim {data['id']}: {error}") from None
    return ClaimEntry(
        data["id"],
        data["statement"],
        data.get("paper"),
        data["where"],
        data.get("whose", "paper") == "ours",
        checks,
        data.get("out_of_reach", ""),
    )


def _check(data: Mapping[str, Any]) -> CheckEntry:
    try:
        rule = rules.parse(data["rule"])
    except ValueError as error:
        raise ValueError(f"{data['name']}: rule: {error}") from None
    plain = {key: data[key] for key in ("bar", "because", "after_results", "few") if key in data}
    return CheckEntry(
        name=data["name"],
        rule=rule,
        rule_as_stated=data["rule"],
        bound=data.get("kind") == "bound",
        controls=data.get("controls", {}),
        attainable=tuple(data.get("attainable", ())),
        sensitivity=tuple(data.get("sensitivity", ())),
        refuted=data.get("refuted", ""),
        value=data.get("value"),
        **plain,
    )
