"""Queues mails and notices, in the same transaction as the change that they report."""

from typing import TYPE_CHECKING, Any, LiteralString

from chalicelib.clock import Time
from chalicelib.mail.models import Kind, NoticeKind
from chalicelib.users import sql as users

if TYPE_CHECKING:
    from psycopg import Cursor

_INTO = "INSERT INTO notices (user_id, kind, address, username, detail, since, at, due_at)"
_AGAIN = """
    ON CONFLICT (user_id, kind, address) DO UPDATE
    SET times = notices.times + 1, detail = EXCLUDED.detail, at = EXCLUDED.at,
        due_at = EXCLUDED.due_at, tries = 0
"""

# An address that is not verified may be somebody else's: it gets no notice.
_TELL = f"""
    {_INTO} SELECT u.id, %(kind)s, u.email, u.username, %(detail)s, %(now)s, %(now)s, %(now)s
    FROM {users.ROW} WHERE u.id = %(user_id)s AND {users.VERIFIED} {_AGAIN}
"""

# No notice for a session of an OAuth client: its user has just allowed it.
SIGNED_IN = f"""
    {_INTO}
    SELECT u.id, 'signed_in', u.email, u.username, %s, o.created_at, o.created_at, o.created_at
    FROM opened o JOIN {users.ROW} ON u.id = o.user_id
    WHERE NOT %s AND o.client_id IS NULL AND {users.VERIFIED} {_AGAIN}
"""
"""Part of a statement: a notice of the session in `opened` (user_id, client_id, created_at). Its
values: the kind of device, and whether the account knows the device."""


NEXT_TRY = """
    tries = tries + 1, due_at = %(now)s + make_interval(secs =>
        (%(delays)s::int[])[LEAST(tries + 1, cardinality(%(delays)s::int[]))])
"""
"""Part of an UPDATE that claims due rows: they are due again after the next delay, in seconds, or
after the last one if no delay is left."""


def mails(rows: LiteralString) -> LiteralString:
    """A statement, or part of one, that queues mails: `rows` are (kind, subject, due_at). A mail
    that is queued already is sent once, and its attempts begin again."""
    return f"""
        INSERT INTO mails (kind, subject, due_at) {rows}
        ON CONFLICT (kind, subject) DO UPDATE SET due_at = EXCLUDED.due_at, tries = 0
    """


ONE = mails("VALUES (%s, %s, %s)")
"""Queues one mail."""


def mail(cursor: "Cursor[Any]", kind: Kind, subject: str, now: Time) -> None:
    """Queue a mail."""
    cursor.execute(ONE, [kind, subject, now])


def tell(
    cursor: "Cursor[Any]", user_id: str, kind: NoticeKind, now: Time, detail: str = ""
) -> None:
    """Queue a notice to a user. Does nothing if their address is not verified."""
    cursor.execute(_TELL, {"user_id": user_id, "kind": kind, "now": now, "detail": detail})
