"""The catalogue, validated: `book/parts.yml` and one entry per paper in `book/papers/`.

One line per mistake: file, place, field, and what was expected.
"""

import datetime
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml

from paperlab.claims import WAIVERS, Entry, entry, rules

PARTS = Path("book/parts.yml")
PAPERS = Path("book/papers")

# What papers are filtered by: the fields' own words, each for several papers. What is peculiar to
# one paper is among its keywords, which the search finds it by.
TAGS = (
    "adaptation",
    "calibration and uncertainty",
    "causality",
    "distillation",
    "evaluation",
    "generative models",
    "graphs and networks",
    "hardware",
    "language models",
    "learning dynamics",
    "loss functions",
    "meta- and few-shot learning",
    "online learning",
    "optimal transport",
    "optimization",
    "quantization and sparsity",
    "reinforcement learning",
    "representation learning",
    "robustness",
    "safety and fairness",
    "structured prediction",
    "training data",
    "transformers",
    "vision and video",
    "vision-language models",
)

# The same loader in C, where PyYAML was built with it: ten times as fast.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Slug = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Text = Annotated[str, pydantic.StringConstraints(min_length=1, strip_whitespace=True)]


class CatalogueError(ValueError):
    """The catalogue's mistakes, one line each: file, entry, field, what was expected."""


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Check(_Model):
    """What one measurement is held to; `paperlab.claims.CheckEntry` describes the fields."""

    name: Text
    rule: dict[str, Any]
    kind: Literal["bound"] | None = None
    bar: Literal["paper", "theory", "ours"]
    because: Text | None = None
    after_results: bool = False
    value: float | None = None
    controls: dict[Text, Literal["near", "wreck"]] = {}
    attainable: list[Text] = []
    sensitivity: list[Text] = []
    few: Text | None = None
    refuted: Text | None = None

    @pydantic.field_validator("rule")
    @classmethod
    def _a_rule(cls, rule: dict[str, Any]) -> dict[str, Any]:
        rules.parse(rule)
        return rule

    @pydantic.model_validator(mode="after")
    def _reasoned(self) -> "Check":
        if self.bar == "ours" and not self.because:
            raise ValueError("expected `because`, the reason of a bar of ours")
        return self


class Claim(_Model):
    """One claim, in our words: the paper's, or a question of ours."""

    id: Annotated[str, pydantic.StringConstraints(pattern=r"^C[0-9]+[a-z]?$")]
    whose: Literal["paper", "ours"]
    statement: Text
    paper: Text | None  # the paper's own number, if it gives one
    where: Text  # section, theorem, figure or table of the paper
    out_of_reach: Text | None = None
    checks: list[Check] = []

    @pydantic.model_validator(mode="after")
    def _checked_or_out_of_reach(self) -> "Claim":
        if bool(self.checks) == bool(self.out_of_reach):
            raise ValueError("expected either checks or out_of_reach")
        if self.checks and not any(check.controls for check in self.checks):
            raise ValueError("expected a control for at least one of its checks")
        twice = _repeated(check.name for check in self.checks)
        if twice:
            raise ValueError(f"expected unique names of checks, found {twice} more than once")
        return self

    @property
    def has_near_control(self) -> bool:
        """Whether some check has a near control."""
        return any("near" in check.controls.values() for check in self.checks)


class Concept(_Model):
    """A paper as a place on its part's concept map."""

    paper: Slug
    name: Text  # a few words
    question: Text  # what the paper asks, in a short sentence


class Link(_Model):
    """What one paper of a concept map hands to another; papers by their places on the map."""

    source: Slug
    target: Slug
    idea: Text


class ConceptMap(_Model):
    """A part's papers in rows of one or two, and the ideas that lead from one to another."""

    rows: Annotated[
        list[Annotated[list[Concept], pydantic.Field(min_length=1, max_length=2)]],
        pydantic.Field(min_length=1),
    ]
    links: list[Link]

    @property
    def papers(self) -> list[str]:
        """Slugs of the papers on the map."""
        return [concept.paper for row in self.rows for concept in row]


class Part(_Model):
    """A part of the book; its papers in the order to read them, planned ones included."""

    slug: Slug
    title: Text
    summary: Text
    papers: Annotated[list[Slug], pydantic.Field(min_length=1)]
    map: ConceptMap | None = None


class Paper(_Model):
    """One paper; it is planned until its notebook exists.

    `slug` is the name of its file and `part` comes from `book/parts.yml`.
    """

    slug: Slug
    part: Slug
    title: Text
    authors: Annotated[list[Text], pydantic.Field(min_length=1)]
    arxiv: Annotated[str, pydantic.StringConstraints(pattern=r"^\d{4}\.\d{4,5}$")] | None
    published: datetime.date
    venue: Text
    code: Annotated[str, pydantic.StringConstraints(pattern=r"^https://\S+$")] | None
    scope: Literal["exact", "scaled", "mechanism"]
    tags: Annotated[list[Literal[TAGS]], pydantic.Field(min_length=1, max_length=4)]  # type: ignore[valid-type]
    keywords: Annotated[list[Text], pydantic.Field(min_length=1)]
    prerequisites: list[Text] = []
    read: Text | None = None  # what of the paper was read: full text, parts, abstract, code
    finding: Text | None = None  # what running it showed, in one or two sentences
    waived: list[Literal[WAIVERS]] = []  # type: ignore[valid-type]
    claims: list[Claim] = []

    @pydantic.field_validator("published")
    @classmethod
    def _not_in_the_future(cls, date: datetime.date) -> datetime.date:
        if not datetime.date(1950, 1, 1) <= date <= datetime.date.today():
            raise ValueError("expected a date between 1950 and today")
        return date

    @pydantic.field_validator("claims")
    @classmethod
    def _unique_claims(cls, claims: list[Claim]) -> list[Claim]:
        if twice := _repeated(claim.id for claim in claims):
            raise ValueError(f"expected unique claim ids, found {twice} more than once")
        return claims

    @pydantic.model_validator(mode="after")
    def _near_controls(self) -> "Paper":
        lacking = [c.id for c in self.claims if c.checks and not c.has_near_control]
        if lacking and "near controls" not in self.waived:
            raise ValueError(f"claims: expected a near control for {', '.join(lacking)}")
        return self

    def notebook(self, root: Path = Path()) -> Path:
        """Where the notebook lives, whether or not it is written yet."""
        return root / "notebooks" / self.part / f"{self.slug}.ipynb"

    def rules(self) -> Entry:
        """The claims and rules as the ledger reads them."""
        return entry.parse(self.slug, self.model_dump(exclude_none=True))


class Catalogue(_Model):
    """All parts and papers, in the book's order."""

    parts: list[Part]
    papers: list[Paper]

    def written(self, root: Path = Path()) -> list[Paper]:
        """The papers that have a notebook."""
        return [paper for paper in self.papers if paper.notebook(root).exists()]

    def __getitem__(self, slug: str) -> Paper:
        for paper in self.papers:
            if paper.slug == slug:
                return paper
        raise KeyError(slug)


def _repeated(names: Any) -> str:
    return ", ".join(name for name, n in Counter(names).items() if n > 1)


# --- Reading --------------------------------------------------------------------------------


def load(root: Path = Path()) -> Catalogue:
    """Reads and validates the catalogue below a checkout's root.

    Raises:
        CatalogueError: with one line per mistake.
    """
    parts = _parts(root / PARTS)
    places = {slug: part.slug for part in parts for slug in part.papers}
    found = {path.stem: path for path in sorted((root / PAPERS).glob("*.yml"))}
    lines = [
        f"{path}: expected its paper among the papers of a part in {PARTS}"
        for slug, path in found.items()
        if slug not in places
    ]
    papers = []
    for slug, part in places.items():
        if slug not in found:
            lines.append(f"{root / PARTS}: {part}, papers: expected an entry {PAPERS / slug}.yml")
            continue
        try:
            papers.append(_paper(found[slug], slug, part))
        except CatalogueError as error:
            lines.append(str(error))
    if lines:
        raise CatalogueError("\n".join(lines))
    return Catalogue(parts=parts, papers=papers)


def _parts(path: Path) -> list[Part]:
    data = _yaml(path)
    try:
        parts = pydantic.TypeAdapter(list[Part]).validate_python(data)
    except pydantic.ValidationError as error:
        raise CatalogueError(_lines(path, data, error)) from None
    twice = _repeated(slug for part in parts for slug in part.papers)
    lines = [f"{path}: papers: expected each in one place, found {twice} twice"] if twice else []
    for part in parts:
        lines += [f"{path}: {part.slug}, {mistake}" for mistake in _map_mistakes(part)]
    if lines:
        raise CatalogueError("\n".join(lines))
    return parts


def _map_mistakes(part: Part) -> list[str]:
    if part.map is None:
        return []
    places = part.map.papers
    ends = [end for link in part.map.links for end in (link.source, link.target)]
    foreign = [slug for slug in places if slug not in part.papers]
    loose = [slug for slug in ends if slug not in places]
    return [f"map: expected papers of the part, found {slug}" for slug in foreign] + [
        f"map, links: expected papers of the map, found {slug}" for slug in loose
    ]


def _paper(path: Path, slug: str, part: str) -> Paper:
    data = _yaml(path)
    if not isinstance(data, dict):
        raise CatalogueError(f"{path}: expected a mapping of fields")
    if derived := {"slug", "part"} & data.keys():
        where = "the file's name and parts.yml say it"
        raise CatalogueError(f"{path}: {', '.join(sorted(derived))}: not expected here; {where}")
    try:
        return Paper.model_validate(data | {"slug": slug, "part": part})
    except pydantic.ValidationError as error:
        raise CatalogueError(_lines(path, data, error)) from None


def _yaml(path: Path) -> Any:
    if not path.exists():
        raise CatalogueError(f"{path}: missing")
    try:
        return yaml.load(path.read_text("utf-8"), LOADER)
    except yaml.YAMLError as error:
        raise CatalogueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def _lines(path: Path, data: object, error: pydantic.ValidationError) -> str:
    mistakes = [_line(path, data, mistake["loc"], mistake["msg"]) for mistake in error.errors()]
    return "\n".join(mistakes)


def _line(path: Path, data: object, location: tuple[int | str, ...], message: str) -> str:
    """Names what a mistake is in by its slug, id or name rather than by its position."""
    names: list[str] = []
    for step in location:
        data = data[step] if _has(data, step) else None  # type: ignore[index]
        name = None
        if isinstance(step, int) and isinstance(data, dict):
            name = next((data[key] for key in ("slug", "id", "name") if key in data), None)
        names.append(str(name or step))
    message = re.sub(r"^Value error, ", "", message)
    return f"{path}: " + ": ".join(filter(None, [", ".join(names[:-1]), *names[-1:], message]))


def _has(data: object, step: int | str) -> bool:
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and step < len(data)
