"""Runs Chalice's command line with our way of making zips, and with what we add to its definition
of the API: `python -m infra.package.chalice …`."""

import os
import sys

from chalice import cli

from infra.package import ISSUER, zips


def main(arguments: list[str]) -> int:
    """Chalice's exit status. A dependency that is missing fails; stock Chalice only mentions it."""
    sys.dont_write_bytecode = True  # into the folder that is about to be zipped
    sys.argv = ["chalice", *arguments]
    zips.patch_chalice()
    from infra import gateway  # it imports from that folder

    gateway.patch_chalice(os.environ.get(ISSUER, ""))
    return int(cli.main() or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
