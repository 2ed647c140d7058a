"""Replaces the published site in one step, so that a reader never meets half of one.

`build/site` is a symbolic link; renaming a new link over it is atomic.
"""

import os
import shutil
import time
from pathlib import Path

BUILD = Path("build")


def publish(complete: Path, link: Path) -> None:
    """Makes `link` point to the directory `complete`, moved beside the earlier sites.

    Raises:
        FileNotFoundError: if there is no `complete/index.html`; the earlier site stays.
    """
    if not (complete / "index.html").exists():
        raise FileNotFoundError(f"{complete} holds no index.html; nothing was published")
    sites = link.parent / "sites"
    sites.mkdir(exist_ok=True)
    site = sites / str(time.time_ns())
    complete.rename(site)
    new_link = link.with_suffix(".link")
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(site.relative_to(link.parent), target_is_directory=True)
    os.replace(new_link, link)
    for old in sites.iterdir():
        if old != site:
            shutil.rmtree(old)


if __name__ == "__main__":
    publish(BUILD / "site.next", BUILD / "site")
