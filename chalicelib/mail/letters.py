"""The texts of mails. They quote usernames, and no other text of a client: a stranger may have
registered with this address, and must not send their own text by our mails."""

from collections.abc import Sequence
from datetime import UTC, datetime

from chalicelib.mail.models import Letter, Notice, NoticeKind

_BROWSERS = {"Edg": "Edge", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Windows": "Windows",
    "Mac OS X": "a Mac",
    "Linux": "Linux",
}


def verification(address: str, *, username: str, link: str) -> Letter:
    """Asks the owner of the mailbox to prove it."""
    return Letter(
        address,
        "Verify your e-mail address",
        f"The Parley account @{username} was given this e-mail address.\n\n"
        "If that is your account, open this link within a day, and sign in if you are asked to:\n\n"
        f"{link}\n\n"
        "If it is not, do nothing: the address stays unverified.\n",
    )


def change_of_address(address: str, *, username: str, link: str) -> Letter:
    """Asks the owner of the mailbox to prove it, for an account that still has another address."""
    return Letter(
        address,
        "Confirm your new e-mail address",
        f"The Parley account @{username} wants to use this e-mail address from now on.\n\n"
        "If that is your account, open this link within a day, and sign in if you are asked to:\n\n"
        f"{link}\n\n"
        "If it is not, do nothing: the account keeps the address that it has.\n",
    )


def address_in_use(address: str, *, username: str) -> Letter:
    """Tells the owner of an address, and nobody else, that it is in use already."""
    return Letter(
        address,
        "Your e-mail address was given again",
        f"The Parley account @{username} was given this e-mail address, which another account, "
        "yours, has verified. It stays with yours.\n\n"
        "If you made the new account, give it another address or delete it. If you forgot your "
        'password, use "Forgot password" on the sign-in page.\n',
    )


def password_reset(address: str, *, username: str, link: str) -> Letter:
    """Lets the owner of the mailbox set a new password."""
    return Letter(
        address,
        "Set a new password",
        f"Somebody asked for a new password of the Parley account @{username}.\n\n"
        "If that was you, open this link within half an hour:\n\n"
        f"{link}\n\n"
        "If it was not, do nothing: your password stays as it is.\n",
    )


def export_ready(address: str, *, username: str) -> Letter:
    """Tells a user that their archive is ready. The download needs the password."""
    return Letter(
        address,
        "Your data is ready",
        f"The archive that was asked for of the Parley account @{username} is ready. Open Parley, "
        "and fetch it under Settings, Your data, within a week.\n\n"
        "If you did not ask for it, somebody knows your password: change it there.\n",
    )


_TOLD: dict[NoticeKind, tuple[str, str]] = {
    "signed_in": ("New sign-in to your account", "A new device signed in"),
    "address_verified": (
        "Your e-mail address is verified",
        "This e-mail address was verified, and signs in to the account",
    ),
    "email_change_asked": (
        "A new e-mail address was asked for",
        "Another e-mail address was asked for. It counts once its owner has opened a link that we "
        "mailed there; setting a new password before that stops it",
    ),
    "email_changed": (
        "Your e-mail address was changed",
        "Another e-mail address took the place of this one, which does not sign in any more",
    ),
    "password_changed": ("Your password was changed", "The password was changed"),
    "password_reset": (
        "Your password was reset",
        "A new password was set by a mailed link. All devices were signed out, and passkeys and a "
        "linked Google account were removed",
    ),
    "second_factor_on": ("Second factor turned on", "A second factor was turned on"),
    "second_factor_off": ("Second factor turned off", "The second factor was turned off"),
    "recovery_codes_made": (
        "New recovery codes",
        "New recovery codes were made, and the old ones are void",
    ),
    "recovery_code_used": ("A recovery code was used", "A recovery code was used"),
    "passkey_added": (
        "New passkey for your account",
        "A passkey was added. It signs in without the password",
    ),
    "passkey_removed": ("A passkey was removed", "A passkey was removed"),
    "google_linked": (
        "Google signs in to your account",
        "A Google account was linked. It signs in without the password",
    ),
    "google_unlinked": ("Google was unlinked", "The linked Google account was unlinked"),
    "account_deleted": ("Your account was deleted", "The account was deleted"),
}
"""By kind of notice: the subject of a mail with this notice only, and the sentence about it."""

_IF_NOT_YOU = (
    'If that was you, do nothing. If it was not, use "Forgot password" on the sign-in page to set '
    "a new password: that signs every device out, and removes passkeys and a linked Google "
    "account.\n"
)
_IF_NOT_YOU_AND_MOVED = (
    "If that was you, do nothing. If it was not, somebody knew your password: sign in with your "
    "username, if you still can, and change the password and the address. If you cannot, ask those "
    "who run this service to suspend the account.\n"
)
_IF_NOT_YOU_AND_DELETED = (
    "If that was you, do nothing. If it was not, somebody knew your password: change it wherever "
    "else you use it. The account cannot be brought back.\n"
)


def changes(notices: Sequence[Notice]) -> Letter:
    """Reports changes of one account. All notices are of the same user and address."""
    notices = sorted(notices, key=lambda one: one.at)
    kinds = {one.kind for one in notices}
    subject = _TOLD[notices[0].kind][0] if len(kinds) == 1 else "Changes to your account"
    advice = _IF_NOT_YOU_AND_MOVED if "email_changed" in kinds else _IF_NOT_YOU
    advice = _IF_NOT_YOU_AND_DELETED if "account_deleted" in kinds else advice
    lines = "".join(f"- {_TOLD[one.kind][1]}{_when(one)}.\n" for one in notices)
    return Letter(
        notices[0].address,
        subject,
        f"This happened to the Parley account @{notices[-1].username}:\n\n{lines}\n{advice}",
    )


def _when(notice: Notice) -> str:
    detail = f": {notice.detail}" if notice.detail else ""
    if notice.times == 1:
        return f"{detail}, on {_time(notice.at)}"
    return f"{detail}, {notice.times} times from {_time(notice.since)} to {_time(notice.at)}"


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%d %B %Y at %H:%M} UTC"


def device(user_agent: str) -> str:
    """The browser and system in a user agent, in our own words."""
    system = next((name for mark, name in _SYSTEMS.items() if mark in user_agent), None)
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), None)
    if system is None:
        return browser or "an unknown kind of device"
    return f"{browser} on {system}" if browser else system
