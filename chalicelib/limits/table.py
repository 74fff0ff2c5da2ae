"""The table of rate limits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import NamedTuple


class Bucket(NamedTuple):
    """Holds `size` tokens at most; an empty one is full again after `seconds`."""

    size: int
    seconds: int

    @property
    def interval(self) -> float:
        """Microseconds until the next token."""
        return self.seconds * 1_000_000 / self.size


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A class of routes or actions, with its buckets by their owners, and what takes a token.

    `inside`: the service takes the tokens, since only it knows the account, or whether the attempt
    fails.
    """

    covers: str
    inside: bool = False
    user: Bucket | None = None
    session: Bucket | None = None
    socket: Bucket | None = None
    address: Bucket | None = None
    target: Bucket | None = None

    @property
    def buckets(self) -> dict[str, Bucket]:
        """The buckets by kind: whom they count."""
        found = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: bucket for kind, bucket in found.items() if bucket is not None}


KINDS = tuple(f.name for f in fields(Limit) if f.name not in ("covers", "inside"))

MINUTE = 60
QUARTER = 15 * MINUTE

TABLE: Mapping[str, Limit] = {
    "default": Limit(
        covers="every route that needs a session, and every action, that names no other class",
        user=Bucket(400, 20),
        session=Bucket(100, 5),
    ),
    "anonymous": Limit(
        covers="every route without a session that names no other class",
        address=Bucket(300, 30),
    ),
    "program": Limit(
        covers="every route for programs in their own name; the user is the program",
        user=Bucket(100, 5),
    ),
    "page": Limit(
        covers="the pages that programs send people to, while nobody is signed in on them; the "
        "target is a browser in which somebody has signed in there before, or a session that a "
        "program signs out: it takes nothing of its address. The right password takes of neither",
        inside=True,
        address=Bucket(3000, 30),
        target=Bucket(100, 30),
    ),
    "step": Limit(
        covers="steps of signing in on those pages that lead no further, in a browser in which "
        "nobody has signed in before. The first page is counted apart: neither waits for the other",
        inside=True,
        address=Bucket(3000, 30),
    ),
    "token": Limit(
        covers="tokens, and questions about them, of programs that have shown their secret; the "
        "user is the program",
        inside=True,
        user=Bucket(3000, 30),
    ),
    "guess": Limit(
        covers="wrong names, secrets, codes and tokens of programs, unless the program has shown "
        "its secret",
        inside=True,
        address=Bucket(100, QUARTER),
    ),
    "open": Limit(covers="what is answered from memory alone; API Gateway limits it"),
    "search": Limit(
        covers="looking for users",
        user=Bucket(120, MINUTE),
        session=Bucket(60, MINUTE),
    ),
    "profile": Limit(
        covers="changing one's profile and settings, each of which sends an event",
        user=Bucket(60, 10 * MINUTE),
    ),
    "email": Limit(
        covers="asking for another e-mail address, with the right password or a wrong one",
        user=Bucket(10, QUARTER),
    ),
    "chats": Limit(covers="opening chats", user=Bucket(60, 10 * MINUTE)),
    "send": Limit(
        covers="sending messages, by route and by socket; the target is the chat",
        user=Bucket(400, 40),
        session=Bucket(300, 30),
        target=Bucket(200, 40),
    ),
    "connect": Limit(
        covers="tickets for sockets, and opening one without a ticket",
        user=Bucket(240, 2 * MINUTE),
        session=Bucket(60, MINUTE),
    ),
    "connect-refused": Limit(
        covers="opening a socket without a valid ticket or token, or without its scope",
        inside=True,
        address=Bucket(300, QUARTER),
    ),
    "typing": Limit(
        covers="typing notices; the target is the chat",
        user=Bucket(60, 30),
        session=Bucket(40, 20),
        target=Bucket(40, 20),
    ),
    "watch": Limit(
        covers="watching who is online; each user id takes one token",
        user=Bucket(4000, 4 * MINUTE),
        session=Bucket(2000, 2 * MINUTE),
    ),
    "frame": Limit(
        covers="every frame on a socket, besides those of the class of its action",
        socket=Bucket(200, 4),
    ),
    "refused": Limit(
        covers="frames beyond a limit; beyond this limit the socket is closed",
        socket=Bucket(500, MINUTE),
    ),
    "register": Limit(covers="registering", inside=True, address=Bucket(50, QUARTER)),
    "login": Limit(
        covers="signing in, if it fails; the target is an account, at which devices that it does "
        "not know try, from everywhere together",
        inside=True,
        address=Bucket(100, QUARTER),
        target=Bucket(30, QUARTER),
    ),
    "login-here": Limit(
        covers="the same, from one address",
        inside=True,
        target=Bucket(10, QUARTER),
    ),
    "login-device": Limit(
        covers="signing in, if it fails, on a device that the account knows; it needs none of "
        "the two classes above",
        inside=True,
        target=Bucket(10, QUARTER),
    ),
    "sign-in": Limit(
        covers="signing in, in any way, and letting a program in, if it succeeds",
        inside=True,
        user=Bucket(60, QUARTER),
    ),
    "confirm": Limit(
        covers="asking a signed-in user for the password, right or wrong",
        inside=True,
        user=Bucket(60, QUARTER),
    ),
    "password": Limit(
        covers="the same, if it is wrong",
        inside=True,
        user=Bucket(10, QUARTER),
    ),
    "code": Limit(
        covers="a code of a second factor, with the right password, if it is wrong",
        inside=True,
        user=Bucket(5, QUARTER),
    ),
    "passkey-answer": Limit(
        covers="signing in by a passkey, if it fails",
        inside=True,
        address=Bucket(300, QUARTER),
    ),
    "google": Limit(
        covers="signing in with Google; of an address, tokens that are wrong; the user is the "
        "Google account",
        inside=True,
        user=Bucket(60, QUARTER),
        address=Bucket(300, QUARTER),
    ),
    "refresh": Limit(
        covers="refreshing a session; of an address, tokens that do not prove that we issued them, "
        "if they are wrong",
        inside=True,
        session=Bucket(60, QUARTER),
        address=Bucket(1000, QUARTER),
    ),
    "reset": Limit(
        covers="asking for a link by mail, and trying one that is not good; the target is a "
        "mailbox: for mails about accounts that claim it but are not its first, and in another "
        "bucket for notices, which wait",
        inside=True,
        address=Bucket(30, QUARTER),
        target=Bucket(5, QUARTER),
    ),
}
"""The limits are far above what a person needs who types, scrolls and reconnects."""

Overrides = Mapping[str, Mapping[str, tuple[int, int]]]
"""Buckets that replace some of the table: {class: {kind: (size, seconds)}}."""


def table(overrides: Overrides) -> Mapping[str, Limit]:
    """The table with some buckets replaced.

    Raises ValueError for a bucket that the table does not have.
    """
    changed = dict(TABLE)
    for name, buckets in overrides.items():
        for kind, bucket in buckets.items():
            if name not in TABLE or kind not in TABLE[name].buckets:
                raise ValueError(f"there is no limit {name}.{kind}")
            changed[name] = replace(changed[name], **{kind: Bucket(*bucket)})  # type: ignore[arg-type]
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a caller is about to do: its class of limits, the caller's address, the target, and how
    many of the caller's tokens it takes."""

    limit: str = "default"
    address: str = ""
    target: str = ""
    cost: int = 1


class Quota(NamedTuple):
    """What is left of a bucket, and in how many seconds it gets another token (0: it is full)."""

    name: str
    bucket: Bucket
    remaining: int
    more_in: int


def fields_of(quotas: Iterable[Quota]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 has them."""
    found = list(quotas)
    if not found:
        return {}
    policies = [f'"{q.name}";q={q.bucket.size};w={q.bucket.seconds}' for q in found]
    left = [f'"{q.name}";r={q.remaining}' + (f";t={q.more_in}" if q.more_in else "") for q in found]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}
