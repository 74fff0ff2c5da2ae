"""The parameters of requests, each with one value."""

from collections.abc import Mapping

MAX_PARAMETER = 4096


def one_each(given: Mapping[str, list[str]], longest: int = MAX_PARAMETER) -> dict[str, str]:
    """Parameters by name. An empty one counts as missing (RFC 6749, section 3.1). `resource` may
    come more than once (RFC 8707, section 2): its values are joined by spaces, because no URI
    contains a space.

    Raises ValueError for any other parameter that comes twice, and for one with more than
    `longest` characters. Its text quotes no input.
    """
    found = {}
    for name, values in given.items():
        if len(values) > 1 and name != "resource":
            raise ValueError("Send each parameter once.")
        found[name] = " ".join(filter(None, values))
        if len(found[name]) > longest:
            raise ValueError("A parameter is too long.")
    return {name: value for name, value in found.items() if value}
