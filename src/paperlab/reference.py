"""Inputs and outputs of the authors' own code, which a page's functions are compared with."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """One call of the authors' code.

    Attributes:
        what: what was called, in words.
        source: file and function in the authors' repository.
        inputs: plain values and nested lists, by name.
        outputs: what the authors' code returned, likewise.
        tolerance: to which agreement is expected; arithmetic in another order or precision.
    """

    what: str
    source: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    tolerance: Any


@dataclasses.dataclass(frozen=True)
class Reference:
    """Cases by name, and where the code that made them is public."""

    repository: str
    commit: str
    license: str
    cases: Mapping[str, Case]


def read(paper: str) -> Reference:
    """The bundled reference outputs of a paper, from `book/reference/<slug>.json`.

    Raises:
        ValueError: if none are bundled for this paper.
    """
    path = folder() / f"{paper}.json"
    if not path.is_file():
        raise ValueError(f"read: paper: no reference outputs are bundled for {paper!r}")
    data = json.loads(path.read_text("utf-8"))
    cases = {
        case["name"]: Case(
            case["what"], case["source"], case["inputs"], case["outputs"], case["tolerance"]
        )
        for case in data["cases"]
    }
    return Reference(data["repository"], data["commit"], data["license"], cases)


def folder() -> Path:
    """Where the files are: packaged beside this library, or `book/reference` of a checkout."""
    packaged = Path(str(resources.files("paperlab"))) / "reference_outputs"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "book" / "reference"
