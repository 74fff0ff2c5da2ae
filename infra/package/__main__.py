"""`make package`: stages and zips what would be deployed, and prints its size."""

import argparse
import sys
from pathlib import Path

from infra.package import sizes, zips
from infra.package.bytecode import NotCompiled
from infra.package.dependencies import NotInstalled
from infra.package.staging import ROOT, stage, staged
from infra.package.targets import GLIBC_MINORS, MACHINES, TargetRefused


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    parser.add_argument("--architecture", choices=MACHINES, default="arm64")
    parser.add_argument("--python", choices=GLIBC_MINORS, default="3.13")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "package")
    given = parser.parse_args()
    try:
        stage(given.folder, architecture=given.architecture, python=given.python)
    except (TargetRefused, NotInstalled, NotCompiled) as problem:
        sys.exit(str(problem))
    made = zips.build(given.folder)
    weighed = sizes.measure(given.folder, made)
    print(f"\nFor python{given.python} on {given.architecture}:\n")
    print("\n".join(sizes.table(weighed)))
    about = staged(given.folder)
    if about is None or not about.compiled:
        print(f"\nWithout bytecode, for want of a Python {given.python} on this machine:")
        print("functions start up to four times more slowly (docs/cold-starts.md).")
    print(f"\n{made.code}\n{made.layer}")
    if not weighed.within_budget:
        sys.exit("The package is over its budget.")


if __name__ == "__main__":
    main()
