"""What mails say. Of what a client chose, only usernames are quoted: a stranger may have made an
account with this address, and must not have us deliver words of theirs."""

from datetime import UTC, datetime

from chalicelib.mail.models import Letter

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
    """Asks whoever has the mailbox to prove it."""
    return Letter(
        address,
        "Verify your e-mail address",
        f"The Parley account @{username} was given this e-mail address.\n\n"
        "If that is your account, open this link within a day, and sign in if you are asked to:\n\n"
        f"{link}\n\n"
        "If it is not, do nothing: the address stays unverified.\n",
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
    """Lets whoever has the mailbox set a new password."""
    return Letter(
        address,
        "Set a new password",
        f"Somebody asked for a new password of the Parley account @{username}.\n\n"
        "If that was you, open this link within half an hour:\n\n"
        f"{link}\n\n"
        "If it was not, do nothing: your password stays as it is.\n",
    )


def signed_in(address: str, *, username: str, at: datetime, user_agent: str) -> Letter:
    """Tells of a sign-in from a device that was not known."""
    return Letter(
        address,
        "New sign-in to your account",
        f"A new device signed in to the Parley account @{username}: {device(user_agent)}, on "
        f"{at.astimezone(UTC):%d %B %Y at %H:%M} UTC.\n\n"
        "If that was you, do nothing. If it was not, open Parley, sign that device out under "
        "Settings, Devices, and change your password.\n",
    )


def export_ready(address: str, *, username: str) -> Letter:
    """Tells that an archive of what is held about a user is there; it needs the password."""
    return Letter(
        address,
        "Your data is ready",
        f"The archive that was asked for of the Parley account @{username} is ready. Open Parley, "
        "and fetch it under Settings, Your data, within a week.\n\n"
        "If you did not ask for it, somebody knows your password: change it there.\n",
    )


def passkey_added(address: str, *, username: str, at: datetime) -> Letter:
    """Tells that there is one more way to sign in."""
    return Letter(
        address,
        "New passkey for your account",
        f"A passkey was added to the Parley account @{username} on "
        f"{at.astimezone(UTC):%d %B %Y at %H:%M} UTC. It signs in without the password.\n\n"
        "If that was you, do nothing. If it was not, open Parley, remove it under Settings, "
        "Passkeys, and change your password.\n",
    )


def google_linked(address: str, *, username: str) -> Letter:
    """Tells that there is one more way to sign in."""
    return Letter(
        address,
        "Google signs in to your account",
        f"A Google account was linked to the Parley account @{username}. It signs in without the "
        "password.\n\n"
        "If that was you, do nothing. If it was not, open Parley, unlink it under Settings, and "
        "change your password.\n",
    )


def device(user_agent: str) -> str:
    """What a user agent says of itself, in words of ours."""
    system = next((name for mark, name in _SYSTEMS.items() if mark in user_agent), None)
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), None)
    if system is None:
        return browser or "an unknown kind of device"
    return f"{browser} on {system}" if browser else system
