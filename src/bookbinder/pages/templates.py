"""The templates of the generated pieces, `book/_theme/pieces/*.html`."""

import functools
from pathlib import Path

import jinja2
from markupsafe import Markup

from paperlab.claims import text_to_html

FOLDER = Path("book/_theme/pieces")


def render(name: str, root: Path, /, **values: object) -> str:
    """A template of the checkout at `root`, filled with plain values.

    Text is escaped, and a value that is missing raises.
    """
    return _templates(root.resolve()).get_template(f"{name}.html").render(values).strip()


@functools.cache
def _templates(root: Path) -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root / FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["math"] = _math
    return templates


def _math(text: str) -> Markup:
    """Text of the catalogue, with its formulas as the page typesets them."""
    return Markup(text_to_html(text))
