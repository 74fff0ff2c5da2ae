"""The scopes that programs can have."""

from chalicelib.scopes import OFFLINE

USER_SCOPES = {
    "openid": "know who you are here",
    "profile": "see your name, username and picture",
    "email": "see your e-mail address",
    OFFLINE: "stay connected until you end it",
    "users.read": "look up other people",
    "chats.read": "read your chats",
    "chats.write": "send messages as you",
}
"""What a user can allow a program, in the words of the consent page. Never `account`: a program
must not change a password or sign out other devices. OFFLINE opens nothing by itself: every
program can refresh its tokens."""

INTROSPECT = "tokens.introspect"
"""Lets a confidential client read the state of any token, as an API's server has to."""

SERVICE_SCOPES = frozenset({INTROSPECT, "push.send", "users.validate"})
"""What a confidential client can be registered to do in its own name."""
