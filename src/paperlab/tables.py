"""Tables in a notebook's output: rows of plain values as Markdown, numbers aligned."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


class Table:
    """Rows under named columns, shown as Markdown.

    Attributes:
        markdown: the table's source.
    """

    def __init__(self, markdown: str) -> None:
        self.markdown = markdown

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/markdown": self.markdown, "text/plain": self.markdown}


def show(rows: Iterable[Mapping[str, object]], *, digits: int = 3) -> Table:
    """A table with a line for each row; the first row names the columns and gives their order.

    Text may hold formulas between dollar signs. Numbers are shown to `digits` significant digits
    (integers in full), `None` and what a row lacks as a dash.

    Raises:
        ValueError: if there are no rows, a row names a column that the first does not, or `digits`
            is below 1.
    """
    rows = list(rows)
    if not rows or not rows[0]:
        raise ValueError("show: rows: got none, expected at least one with a named column")
    if digits < 1:
        raise ValueError(f"show: digits: got {digits!r}, expected 1 or more")
    columns = list(rows[0])
    for row in rows:
        if extra := sorted(row.keys() - set(columns)):
            raise ValueError(f"show: rows: unknown column {extra[0]!r}, expected {columns}")
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    lines = [
        [_text(name) for name in columns],
        ["---:" if right else ":---" for right in numeric],
        *([_cell(row.get(name), digits) for name in columns] for row in rows),
    ]
    return Table("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _is_number(value: object) -> bool:
    if isinstance(value, bool | np.bool_):
        return False
    return value is None or isinstance(value, numbers.Real) or getattr(value, "ndim", None) == 0


def _cell(value: object, digits: int) -> str:
    if value is None:
        return "—"
    return _number(value, digits) if _is_number(value) else _text(str(value))


def _number(value: Any, digits: int) -> str:
    """An integer in full, another number to significant digits, with a proper minus sign."""
    if isinstance(value, numbers.Integral) or np.issubdtype(np.asarray(value).dtype, np.integer):
        shown = f"{int(value):,}"
    elif not math.isfinite(number := float(value)):
        shown = {math.inf: "∞", -math.inf: "-∞"}.get(number, "not a number")
    elif 1e-4 <= abs(number) < 1e6 or number == 0:
        places = max(digits - 1 - math.floor(math.log10(abs(number))), 0) if number else 0
        shown = f"{number:,.{places}f}"
    else:
        mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
        shown = rf"${mantissa} \times 10^{{{int(exponent)}}}$"
    return re.sub("^-", "−", shown)


def _text(text: str) -> str:
    """Text whose bars do not end a cell; within formulas they become `\\vert`."""
    parts = " ".join(text.split()).split("$")
    for index, part in enumerate(parts):
        parts[index] = part.replace("|", r"\vert " if index % 2 else r"\|")
    return "$".join(parts)
