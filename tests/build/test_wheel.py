"""An installed wheel holds what a notebook reads, so that it runs without a checkout."""

import os
import subprocess
import sys
import zipfile

from conftest import ROOT


def test_the_wheel_carries_the_entries(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = (
        "from paperlab import claims, reference; from paperlab.claims import entry\n"
        "claims.Ledger('deepseek-r1'); print(entry.folder(), reference.folder())"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    run = [sys.executable, "-c", script]
    result = subprocess.run(
        run, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    installed = tmp_path / "site/paperlab"
    assert result.stdout.split() == [
        str(installed / "papers"),
        str(installed / "reference_outputs"),
    ]
    for name, packaged in (("papers", "papers"), ("reference", "reference_outputs")):
        assert _names(installed / packaged) == _names(ROOT / "book" / name)


def _names(folder):
    names = sorted(path.name for path in folder.iterdir())
    assert names
    return names
