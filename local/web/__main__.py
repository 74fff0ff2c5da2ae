"""Builds the web client into a folder: `python -m local.web FOLDER`."""

import argparse
import sys
from pathlib import Path

from local.web.site import WEB, BuildFailed, build, write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--no-worker", action="store_true", help="have browsers forget the service worker"
    )
    given = parser.parse_args()
    folder: Path = given.folder
    try:
        site = build(WEB, worker=not given.no_worker)
    except BuildFailed as problem:
        sys.exit(str(problem))
    write(site, folder)
    lines = "".join(f"  {name}: {value}\n" for name, value in site.headers.items())
    sys.stdout.write(f"The web client is in {folder}. Send every file of it with\n\n{lines}")


if __name__ == "__main__":
    main()
