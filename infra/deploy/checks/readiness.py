"""A step of a deploy: the API says that every server answers."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from infra.deploy.aws import Aws
from infra.deploy.errors import Stopped

SECONDS = 120
EVERY = 10.0
HELP = "Everything is deployed; docs/operations.md says what to check. Run this again to try again."


def fetch(url: str) -> tuple[int, Any]:
    """The status and the JSON of an answer; 0 and None if there is none."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (our own address)
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        try:
            return error.code, json.load(error)
        except ValueError:
            return error.code, None
    except (OSError, ValueError):
        return 0, None


def wait(
    aws: Aws,
    issuer: str,
    progress: Callable[[str], None],
    get: Callable[[str], tuple[int, Any]] = fetch,
) -> str:
    """Ask until every server is ready. Raises Stopped, with those that are not, after SECONDS."""
    url = f"{issuer}/v1/ready"
    said = "no answer yet"

    def ready() -> bool:
        nonlocal said
        status, body = get(url)
        if status != 200:
            said = _what(status, body)
            progress(said)
        return status == 200

    try:
        aws.wait(ready, seconds=SECONDS, every=EVERY, late="")
    except Stopped:
        raise Stopped(f"{url} is not ready after {SECONDS} s: {said}. {HELP}") from None
    return "ready"


def _what(status: int, body: Any) -> str:
    states = body.get("dependencies") if isinstance(body, dict) else None
    if isinstance(states, dict):
        sick = sorted(name for name, state in states.items() if state.get("status") != "ok")
        if sick:
            return f"{status}, no answer from {', '.join(sick)}"
    return str(status) if status else "no answer"
