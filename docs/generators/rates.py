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

"100 / 5 s" is a token bucket: it holds 100 tokens, and an empty bucket is full again after 5
seconds. A request takes one token from each bucket that its class has for the caller. If one of
them is empty, the request is refused, takes no token and writes nothing. The buckets are in Redis.
One round trip checks the session and takes the tokens. If Redis does not answer, requests are
refused with 503. An address is an IPv4 address or an IPv6 network (/64), as API Gateway saw it.

An OAuth client has its own buckets for each of its users. What it uses does not count against the
user's own apps or other OAuth clients.

No class of a route or an action with a session has a bucket of the address. So a signed-in user
never waits because of other people at the same address.

A class with a target counts by the object of a request. For messages it is a chat, counted apart
for each sender, so that no sender uses up what others need. For sign-ins it is the account.
"""

_ANSWERS = """\
## What a client sees

- Beyond a limit: 429 `rate_limited`, or an error frame with that code. Both have `retry_after` in
  seconds; HTTP also has `Retry-After`. The OAuth endpoints add `"error":
  "temporarily_unavailable"`, and pages answer with a page.
- Answers to counted requests have `RateLimit-Policy` and `RateLimit`, as in
  draft-ietf-httpapi-ratelimit-headers-10 (27 September 2025). A policy is named after class and
  kind: `RateLimit-Policy: "send-user";q=400;w=40` is the bucket, and `RateLimit:
  "send-user";r=399;t=1` says how many tokens are left and when there are more. Sign-in,
  registration and refresh have them only with 429.
- Each refusal of a frame is a warning. If the socket continues beyond the class `refused`, it is
  closed. It may connect again with a new ticket.
- A socket uses the same buckets of user, session and chat as HTTP, and all sockets of a user share
  them. API Gateway does not say which user sends a frame. So the first frame of a socket costs a
  container two round trips to Redis; each later frame costs one.
- A valid ticket or access token takes nothing from `connect-refused`. So other people at the same
  address cannot lock anybody out. An invalid one is refused with 401 or 403, and with 429 if that
  bucket is empty.

## Other people at the same address

Valid access and refresh tokens, clients with the right secret, valid codes, passkeys and ID tokens
of Google have their own buckets. Strangers at the same address cannot empty them. Only wrong ones
count by address (`guess`, `refresh`, `passkey-answer`, `google`). Successes count by account
(`sign-in`, `confirm`): only the right password, passkey or Google account takes from these. On the
OAuth pages, signed-in users, and browsers in which somebody has signed in before, have their own
buckets (`page`), and the right password takes nothing. [Decision
0033](decisions/0033-who-waits-behind-whom.md) has the whole table.

## Guessing at passwords without locking the owner out

Wrong passwords for an account use up what unknown devices may try: from one address, and from all
addresses together. After that even the right password is refused from unknown devices. This must
not happen to the owner. So a client sends `device_key` when it registers or signs in: a random
string of 22 characters or more that it keeps. The account knows the keys of its last 20 devices
for 180 days. For a known device, only its own wrong passwords count, and neither the guesses of
others nor its address lock it out. This is OWASP's device cookie without a cookie. A key gives no
access: a thief of the key may guess ten times in 15 minutes.

An owner on a new device shares the buckets of strangers, which get a token every half a minute. To
keep the bucket for all strangers empty, an attacker must guess without a pause from at least three
addresses. If the owner sets a new password by a mailed link, the counts of the account and of the
owner's address are reset. Limits of guesses never affect signed-in sessions.

An account has two names, the username and the verified address. Guesses at one name count for
both. If the limit is reached by the other name, the answer is the same as for a wrong password,
after the same work, and the same as for an unknown account. An answer of 429 would show that two
names belong to one person, or that an account exists.

If Redis loses its data, buckets are full again, and devices are unknown until their next sign-in.
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
    yield "All others have the class `default`, or `anonymous` without a session. Each frame also"
    yield "takes a token of `frame`, a bucket of the socket."
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
