"""In which order tests run, and which tests one worker of xdist runs together."""

import re

from xdist.scheduler import LoadFileScheduling

_FIRST = [
    re.compile(f"tests/{pattern}")
    for pattern in (
        # On the cloud of a package.
        r"faults/test_(?!lost_answers|slow_servers).*\[(\w+-)?mongo\b",
        r"deploy/test_rollback",
        r"contract/(?!test_(altered|pooled|old_code))",
        r"e2e/web/(audit|chat|test_)",
        r"e2e/web/",
        r"e2e/(?!web).*\[(\w+-)?mongo\b",
        # Long files. The longest come first, so that no worker ends long after the others.
        r"local/cloud/test_(cloud|services|start)",
        r"property/test_messages",
        r"faults/test_(?!lost_answers|slow_servers).*\[postgres\b",
        r"deploy/test_(package|runtime)",
        r"contract/test_old_code",
        r"deploy/test_(deploy|destroy|rotate_keys)",
        r"local/servers/",
        r"faults/test_slow_servers",
        r"faults/test_lost_answers",
        r"e2e/edge/test_schemathesis",
        r"contract/test_altered",
        r"deploy/test_domains",
        r"contract/test_pooled",
        r"e2e/test_bench",
        r"e2e/test_neighbours",
        r"e2e/edge/test_edges",
        r"local/functions/test_triggers",
    )
]
"""What a pattern matches shares servers, or packages, that take long to make: one worker runs all
of it. All other tests follow, a worker a file."""


def place(nodeid: str) -> int:
    """When a test runs: those with a lower number start earlier."""
    return next((n for n, first in enumerate(_FIRST) if first.match(nodeid)), len(_FIRST))


class Scheduling(LoadFileScheduling):
    """Hands out the tests in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        number = place(nodeid)
        if number < len(_FIRST):
            return _FIRST[number].pattern
        return str(super()._split_scope(nodeid))
