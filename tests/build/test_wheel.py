"""An installed wheel holds the papers' rules, so that a notebook runs without a checkout."""

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
        "from paperlab import claims; from paperlab.claims import entry\n"
        "claims.Ledger('deepseek-r1'); print(entry.folder())"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    run = [sys.executable, "-c", script]
    result = subprocess.run(
        run, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == str(tmp_path / "site/paperlab/papers")
    assert len(list((tmp_path / "site/paperlab/papers").glob("*.yml"))) == len(
        list((ROOT / "book/papers").glob("*.yml"))
    )
