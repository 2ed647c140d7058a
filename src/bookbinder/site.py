"""Builds the site into `build/site.next` from the executed notebooks: stage, Sphinx, copy.

    python -m bookbinder.site

Prints problems and nothing else. Any warning of Sphinx is an error.
"""

import io
import os
import shutil
import sys
from pathlib import Path

from bookbinder.catalogue import CatalogueError
from bookbinder.stage import EXECUTED, SOURCE, StageError, stage

WORK = Path("build/jb")
TARGET = Path("build/site.next")

# What Jupyter Book adds for parts of it that this book does not load.
FOREIGN = ("comments_config", "use_jupyterbook_latex")


class SiteError(Exception):
    """Sphinx complained; the message is what it said."""


def build(executed: Path = EXECUTED, target: Path = TARGET, jobs: int | None = None) -> None:
    """Stages the source, runs Sphinx incrementally in `build/jb`, copies the result to `target`.

    Raises:
        StageError, CatalogueError, SiteError: with all that is wrong; `target` is then absent.
    """
    shutil.rmtree(target, ignore_errors=True)
    stage(executed)
    _sphinx(SOURCE.resolve(), WORK.resolve(), jobs or os.cpu_count() or 1)
    ignore = shutil.ignore_patterns(".buildinfo*", "__pycache__")
    shutil.copytree(WORK / "html", target, ignore=ignore)


def _sphinx(source: Path, work: Path, jobs: int) -> None:
    """Runs Sphinx.

    Jupyter Book's own `build_sphinx` would not do: it warns of its own settings, and after a
    mistake in `_config.yml` it builds on, executing notebooks if `execute` is what it lost.
    """
    # Imported late: staging alone does not need Sphinx.
    from jupyter_book.config import get_final_config  # type: ignore[import-untyped]
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError
    from sphinx.util.console import nocolor
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    config, _ = get_final_config(
        user_yaml=source / "_config.yml",
        cli_config={"nitpicky": True, "latex_individualpages": False},
        raise_on_invalid=True,
    )
    config = {key: value for key, value in config.items() if key not in FOREIGN}
    nocolor()
    warnings, directory = io.StringIO(), Path.cwd()
    failure, status = "", 1
    try:
        with patch_docutils(), docutils_namespace():
            app = Sphinx(
                srcdir=source,
                confdir=None,
                outdir=work / "html",
                doctreedir=work / "doctrees",
                buildername="html",
                confoverrides=config,
                status=None,
                warning=warnings,
                warningiserror=True,
                keep_going=True,
                parallel=jobs,
            )
            # Styles and downloads are copied only when some page is written.
            (source / "index.md").touch()
            app.build()
            status = app.statuscode
    except SphinxError as error:
        failure = str(error)
    finally:
        os.chdir(directory)
    said = warnings.getvalue().strip()
    if failure or status or said:
        # Sphinx warns about a page only when it reads it: the next run has to read all again.
        shutil.rmtree(work / "doctrees", ignore_errors=True)
        raise SiteError("\n".join(filter(None, [said, failure])) or "Sphinx failed silently")


def main() -> None:
    """Command line; exits with 1 and the problems."""
    try:
        build()
    except (CatalogueError, SiteError, StageError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
