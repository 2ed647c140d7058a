"""Rules: a region that a measurement's whole interval must lie in, and the verdict that follows."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from paperlab.claims.estimates import Estimate

INFINITY = math.inf
ROUNDING = 1e-3


class Verdict(StrEnum):
    """What a measurement says of a claim, from best to worst."""

    REPRODUCED = "reproduced"
    PARTLY = "partly"
    UNDECIDED = "undecided"
    NOT_REPRODUCED = "not reproduced"
    OUT_OF_REACH = "out of reach"

    @property
    def severity(self) -> int:
        """Position in the order from best to worst."""
        return list(Verdict).index(self)


@dataclasses.dataclass(frozen=True)
class Rule:
    """A region, and the wider region of the same direction.

    Attributes:
        text: the rule in words.
        region: lowest and highest number that the rule admits.
        direction: likewise for the wider region; equal to `region` where none is named.
    """

    text: str
    region: tuple[float, float]
    direction: tuple[float, float]

    def decide(self, estimate: Estimate) -> Verdict:
        """The verdict on an estimate's interval; where the point estimate falls plays no part.

        Reproduced when the interval lies in the region, partly when it lies in the wider region,
        not reproduced when it misses both, undecided when it crosses the edge of the wider region.
        """
        if _inside(estimate, self.region):
            return Verdict.REPRODUCED
        if _inside(estimate, self.direction):
            return Verdict.PARTLY
        if _apart(estimate, self.direction):
            return Verdict.NOT_REPRODUCED
        return Verdict.UNDECIDED

    def misses(self, estimate: Estimate) -> bool:
        """Whether no number of the interval is in the region."""
        return _apart(estimate, self.region)

    def badness(self, value: float) -> float:
        """How far a number goes against the rule: it grows away from the region.

        For a two-sided rule this is the distance from the region's middle.
        """
        low, high = self.region
        if math.isinf(high):
            return -value
        if math.isinf(low):
            return value
        return abs(value - (low + high) / 2)

    def slack(self, value: float) -> float | None:
        """By what factor a one-sided rule holds, or None where a factor says nothing.

        It says nothing of bars that only leave room for rounding, nor where next to nothing is
        left of the bar.
        """
        low, high = self.region
        if math.isinf(low) and value > high * ROUNDING > ROUNDING**2:
            return high / value
        if math.isinf(high) and low > ROUNDING:
            return value / low
        return None


def _inside(estimate: Estimate, region: tuple[float, float]) -> bool:
    return region[0] <= estimate.low and estimate.high <= region[1]


def _apart(estimate: Estimate, region: tuple[float, float]) -> bool:
    return estimate.high < region[0] or estimate.low > region[1]


def parse(entry: Mapping[str, Any]) -> Rule:
    """The rule that a paper's entry states.

    Args:
        entry: one of `{above: x}`, `{below: x}`, `{within: [x, y]}` or `{equals: x}`; the first
            three may add `direction`, the edge or the ends of a wider region.

    Raises:
        ValueError: if the entry states no rule, more than one, or a direction that is not wider.
    """
    stated = [name for name in ("above", "below", "within", "equals") if name in entry]
    unknown = entry.keys() - {"above", "below", "within", "equals", "direction"}
    if len(stated) != 1 or unknown:
        raise ValueError(
            "expected one of above, below, within, equals, and perhaps direction; "
            f"found {', '.join(entry) or 'nothing'}"
        )
    kind = stated[0]
    bar, wide = entry[kind], entry.get("direction")
    if kind == "equals" and wide is not None:
        raise ValueError("equals takes no direction; state within")
    for name, ends in ((kind, bar), ("direction", wide)):
        if ends is not None and not _numbers(ends, 2 if kind == "within" else 1):
            expected = "two numbers in order" if kind == "within" else "a number"
            raise ValueError(f"{name}: expected {expected}, found {ends!r}")
    rule: Rule = _RULES[kind](bar, bar if wide is None else wide)
    (low, high), (wide_low, wide_high) = rule.region, rule.direction
    if not (wide_low <= low <= high <= wide_high):
        raise ValueError(f"direction: expected a region wider than {bar}, found {wide}")
    return rule


def _numbers(ends: Any, count: int) -> bool:
    values = ends if isinstance(ends, list | tuple) else [ends]
    numeric = all(isinstance(x, int | float) and math.isfinite(x) for x in values)
    return numeric and len(values) == count and sorted(values) == list(values)


def _above(bar: float, wide: float) -> Rule:
    text = f"> {bar:g}" + (f" (direction: > {wide:g})" if wide != bar else "")
    return Rule(
        text,
        (math.nextafter(bar, INFINITY), INFINITY),
        (math.nextafter(wide, INFINITY), INFINITY),
    )


def _below(bar: float, wide: float) -> Rule:
    text = f"< {bar:g}" + (f" (direction: < {wide:g})" if wide != bar else "")
    return Rule(
        text,
        (-INFINITY, math.nextafter(bar, -INFINITY)),
        (-INFINITY, math.nextafter(wide, -INFINITY)),
    )


def _within(bar: Sequence[float], wide: Sequence[float]) -> Rule:
    text = f"within [{bar[0]:g}, {bar[1]:g}]"
    if list(wide) != list(bar):
        text += f" (direction: [{wide[0]:g}, {wide[1]:g}])"
    return Rule(text, (bar[0], bar[1]), (wide[0], wide[1]))


def _equals(bar: float, wide: float) -> Rule:
    return Rule(f"= {bar:g}", (bar, bar), (wide, wide))


_RULES: dict[str, Any] = {"above": _above, "below": _below, "within": _within, "equals": _equals}
