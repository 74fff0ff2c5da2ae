"""The table of rates for people to read, with the routes and actions of each class.

`python -m docs.generators.rates` writes docs/rate-limits.md.
"""

from collections.abc import Iterator
from pathlib import Path

import app  # so that every route and action is known
from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.edge.frames import ACTIONS
from chalicelib.edge.ws import CONNECT
from chalicelib.limits.table import KINDS, TABLE, Bucket

PATH = Path(__file__).parent.parent / "rate-limits.md"
APP = app.app

_INTRODUCTION = """\
# Rate limits

`python -m docs.generators.rates` makes this page from
[limits/table.py](../chalicelib/limits/table.py). Each route, each action and `$connect` has a class
there; a test compares the two. `RATE_LIMITS` changes single buckets of a stage, as JSON:
`{"register": {"address": [100, 900]}}`.

"100 / 5 s" is a token bucket: 100 at once, and an empty one is full again after 5 seconds. Each
request takes one token of every bucket that its class has for the caller, or of none: a refusal
writes nothing. The buckets are in Redis, and the round trip that checks the session also takes of
them. Without an answer, requests are refused with 503. An address is an IPv4 address or an IPv6
network (/64), as API Gateway saw it.

A program has buckets of its own for each user who let it in. What it uses up does not count against
the user's own clients or other programs.

No class of a route or an action with a session has a bucket of the address: a signed-in user never
waits for what others at the same address have used up.

A class with a target counts by what a request is about: a chat, for each sender apart, so that
nobody uses up what others need; or an account that somebody tries to sign in to.
"""

_ANSWERS = """\
## What a client sees

- Beyond a limit: 429 `rate_limited`, or an error frame of that code, with `retry_after` in seconds;
  over HTTP also `Retry-After`. The OAuth endpoints say `"error": "temporarily_unavailable"` as
  well, and pages are answered with a page.
- On answers to requests that were counted: `RateLimit-Policy` and `RateLimit` as
  draft-ietf-httpapi-ratelimit-headers-10 (27 September 2025) has them. Each policy is called after
  class and kind: `RateLimit-Policy: "send-user";q=400;w=40` is the bucket, and
  `RateLimit: "send-user";r=399;t=1` what is left of it and when there is more. Sign-in,
  registration and refresh show them with 429 only.
- A socket whose frames are refused is warned by each refusal. When it has gone on beyond the class
  `refused`, it is closed. It may connect again with a new ticket.
- On a socket, the buckets of user, session and chat are the same as over HTTP, and all sockets of a
  user share them. API Gateway does not say whose a frame is. So the first frame that a function
  instance sees of a socket takes two round trips to Redis; all later ones take one.
- A valid ticket or access token takes nothing of `connect-refused`. So other people at the same
  address cannot keep anybody out. An invalid one is refused with 401 or 403, and with 429 when that
  bucket is empty.

## Neighbours at an address

Valid access and refresh tokens, programs with the right secret, valid codes, passkeys and ID
tokens of Google have buckets of their own. No stranger at the same address can empty them. Only
what turned out wrong is counted by address (`guess`, `refresh`, `passkey-answer`, `google`).
Successes are counted by account (`sign-in`, `confirm`): only the right password, passkey or
Google account takes of these. On the pages that programs send people to, signed-in users and
browsers in which somebody has signed in before have buckets of their own (`page`), and the right
password takes nothing there. [Decision 0033](decisions/0033-who-waits-behind-whom.md) has the
whole table.

## Guessing at passwords without locking the owner out

Guesses at an account use up what devices that it does not know may try: from one address, and from
everywhere. From then on the right password is refused too, and that must not hit the
owner. So a client sends `device_key` when it registers or signs in: a string of 22 characters or
more that it made up at random and keeps. The account knows the keys of its last 20 devices for 180
days. With a known key nothing counts but what this device itself did wrong: neither the guesses of
others nor those from its own address keep it out. This is OWASP's device cookie without a cookie. A
key opens nothing: a thief of it may guess ten times in 15 minutes, like anybody.

An owner on a new device shares the buckets of strangers, which get a token every half a minute. To
keep the bucket of all strangers together empty takes guesses from at least three addresses, without
a pause. A new password
set by a mailed link forgives what was counted, from everywhere and from the address that it is set
from, right passwords too. Signed-in sessions are never touched by any of this.

An account has two names. What is guessed at one of them counts for both, but the other name is then
answered as if the password were wrong, after the same work, and an unknown account is answered
alike: 429 would tell that two names are one person's, or that there is an account.

If Redis loses its data, buckets are full again and devices unknown until their next sign-in.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *_classes(), "", *_members(), "", _ANSWERS])


def _classes() -> Iterator[str]:
    yield "## Classes"
    yield ""
    yield f"| class | {' | '.join(KINDS)} | what takes a token |"
    yield "|---" * (len(KINDS) + 2) + "|"
    for name, limit in TABLE.items():
        buckets = [_bucket(limit.buckets.get(kind)) for kind in KINDS]
        yield f"| `{name}` | {' | '.join(buckets)} | {limit.covers} |"


def _bucket(bucket: Bucket | None) -> str:
    if bucket is None:
        return "-"
    minutes, seconds = divmod(bucket.seconds, 60)
    return f"{bucket.size} / {f'{bucket.seconds} s' if seconds else f'{minutes} min'}"


def _members() -> Iterator[str]:
    yield "## Routes and actions"
    yield ""
    yield "All others are of class `default`, or `anonymous` without a session. Each frame also"
    yield "takes a token of `frame`, which belongs to its socket alone."
    yield ""
    yield "| class | |"
    yield "|---|---|"
    named = [(one.limit, f"{one.method} {one.path}") for one in ENDPOINTS]
    named += [(action.limit, name) for name, action in ACTIONS.items()]
    named += [(limit, "$connect") for limit in (CONNECT.limit, CONNECT.refused)]
    for name in TABLE:
        members = sorted(what for limit, what in named if limit == name)
        if members and name not in ("default", "anonymous"):
            yield f"| `{name}` | {', '.join(f'`{one}`' for one in members)} |"


if __name__ == "__main__":
    PATH.write_text(document())
