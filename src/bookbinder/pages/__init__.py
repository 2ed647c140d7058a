"""The generated pieces of the book's pages, one module per kind of page.

Pure functions of the catalogue and of what the executed notebooks measured: they choose and word
what is shown, and the templates in `book/_theme/pieces` hold the markup.
"""

from bookbinder.pages import files, findings, landing, paper, part, scoreboard
from bookbinder.pages.run import Run

__all__ = ["Run", "files", "findings", "landing", "paper", "part", "scoreboard"]
