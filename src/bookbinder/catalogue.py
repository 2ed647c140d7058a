"""The catalogue `book/papers.yml`, validated: one line per mistake, saying what was expected."""

import datetime
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import pydantic
import yaml

PATH = Path("book/papers.yml")

Slug = Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Text = Annotated[str, pydantic.StringConstraints(min_length=1, strip_whitespace=True)]


class CatalogueError(ValueError):
    """The catalogue's mistakes, one line each: file, entry, field, what was expected."""


class _Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Claim(_Model):
    """One claim of a paper, in our words."""

    id: Annotated[str, pydantic.StringConstraints(pattern=r"^C[0-9]+[a-z]?$")]
    statement: Text
    paper: Text | None  # the paper's own number, if it gives one
    where: Text  # section, theorem, figure or table of the paper


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
    """A part of the book."""

    slug: Slug
    title: Text
    summary: Text
    map: ConceptMap | None = None


class Paper(_Model):
    """One paper; it is planned until its notebook exists."""

    slug: Slug
    title: Text
    authors: Annotated[list[Text], pydantic.Field(min_length=1)]
    arxiv: Annotated[str, pydantic.StringConstraints(pattern=r"^\d{4}\.\d{4,5}$")] | None
    published: datetime.date
    venue: Text
    code: Annotated[str, pydantic.StringConstraints(pattern=r"^https://\S+$")] | None
    part: Slug
    scope: Literal["exact", "scaled", "mechanism"]
    tags: Annotated[list[Text], pydantic.Field(min_length=1)]
    prerequisites: list[Text]
    claims: list[Claim]

    @pydantic.field_validator("published")
    @classmethod
    def _not_in_the_future(cls, date: datetime.date) -> datetime.date:
        if not datetime.date(1950, 1, 1) <= date <= datetime.date.today():
            raise ValueError("expected a date between 1950 and today")
        return date

    @pydantic.field_validator("claims")
    @classmethod
    def _unique_claims(cls, claims: list[Claim]) -> list[Claim]:
        twice = [name for name, n in Counter(c.id for c in claims).items() if n > 1]
        if twice:
            raise ValueError(f"expected unique claim ids, found {', '.join(twice)} more than once")
        return claims

    def notebook(self, root: Path = Path()) -> Path:
        """Where the notebook lives, whether or not it is written yet."""
        return root / "notebooks" / self.part / f"{self.slug}.ipynb"


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


def load(path: Path = PATH) -> Catalogue:
    """Reads and validates the catalogue.

    Raises:
        CatalogueError: with one line per mistake.
    """
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise CatalogueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        catalogue = Catalogue.model_validate(data)
    except pydantic.ValidationError as error:
        lines = [_line(path, data, mistake["loc"], mistake["msg"]) for mistake in error.errors()]
        raise CatalogueError("\n".join(lines)) from None
    lines = list(_inconsistencies(path, catalogue))
    if lines:
        raise CatalogueError("\n".join(lines))
    return catalogue


def _inconsistencies(path: Path, catalogue: Catalogue) -> list[str]:
    parts = [part.slug for part in catalogue.parts]
    slugs = Counter(paper.slug for paper in catalogue.papers)
    lines = [
        f"{path}: papers, {slug}: slug: expected unique slugs, found {n} entries"
        for slug, n in slugs.items()
        if n > 1
    ]
    lines += [
        f"{path}: papers, {paper.slug}: part: expected one of {', '.join(parts)}, "
        f"found {paper.part}"
        for paper in catalogue.papers
        if paper.part not in parts
    ]
    for part in catalogue.parts:
        own = {paper.slug for paper in catalogue.papers if paper.part == part.slug}
        places = part.map.papers if part.map else []
        ends = [
            end
            for link in (part.map.links if part.map else [])
            for end in (link.source, link.target)
        ]
        lines += [
            f"{path}: {part.slug}, map: expected papers of the part, found {slug}"
            for slug in places
            if slug not in own
        ]
        lines += [
            f"{path}: {part.slug}, map, links: expected papers of the map, found {slug}"
            for slug in ends
            if slug not in places
        ]
    return lines


def _line(path: Path, data: object, location: tuple[int | str, ...], message: str) -> str:
    """Names an entry by its slug or id rather than by its position in the file."""
    names: list[str] = []
    for step in location:
        data = data[step] if _has(data, step) else None  # type: ignore[index]
        name = data.get("slug", data.get("id")) if isinstance(data, dict) else None
        names.append(str(name or step))
    entry, field = ", ".join(names[:-1]), names[-1]
    message = re.sub(r"^Value error, ", "", message)
    return f"{path}: {entry or 'top level'}: {field}: {message}"


def _has(data: object, step: int | str) -> bool:
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and step < len(data)
