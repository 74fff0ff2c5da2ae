"""Measures Parley on its own local cloud: `python -m bench`, or `make bench`."""

import argparse
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import report
from bench.measuring import LABELS, QUICK, Plan, measure
from bench.peers.servers import PEERS


def _some_of(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads "a,b" where both are known."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
        return names

    return read


def main() -> None:
    """Measure, print tables, then everything as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look within a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the JSON there as well")
    parser.add_argument("--stores", type=_some_of(LABELS), help="of mongo and postgres")
    parser.add_argument(
        "--against",
        type=_some_of(PEERS),
        default=(),
        help="ejabberd, prosody or both, fetched from Debian and measured in the same run",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2 * (os.cpu_count() or 1),
        metavar="N",
        help="two for each core unless said otherwise: half of a send is waiting",
    )
    given = parser.parse_args()
    plan = QUICK if given.quick else Plan()
    found = measure(plan, given.stores or plan.stores, given.against, given.workers)
    print(report.render(found))
    print("\n" + json.dumps(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
