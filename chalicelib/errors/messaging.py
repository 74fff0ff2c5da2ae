"""Errors of users, chats and programs."""

from chalicelib.errors.base import AppError


class ChatNotFound(AppError):
    """No chat has this id, or you are not a member of it. Both look the same, so nobody learns
    which chats exist.

    Check the id against `GET /v1/chats`.
    """

    code, status, message = "chat_not_found", 404, "There is no such chat, or you are not in it."


class NotAnswered(AppError):
    """You wrote three messages to somebody who has not answered yet.

    Keep the message, and send it after they have written in the chat. You then get `message.new`.
    """

    code, status, message = (
        "not_answered",
        403,
        "They have not answered yet. You can write more as soon as they do.",
    )


class UserNotFound(AppError):
    """No user has this id or name. The account may have been deleted.

    Search for the user again. Unknown ids count against a rate limit.
    """

    code, status, message = "user_not_found", 404, "There is no such user."


class ExportNotFound(AppError):
    """You have not asked for an archive of your data, it is older than a week, or the link to it
    has ended: it works for 5 minutes.

    Ask for a new link with your password, or for a new archive by `POST /v1/users/me/export`.
    """

    code, status, message = "export_not_found", 404, "No export is available."


class NotYourself(AppError):
    """An admin tried to suspend themselves, or to remove their own role.

    Ask another admin to do it.
    """

    code, status, message = (
        "not_yourself",
        409,
        "You cannot do this to yourself. Ask another admin.",
    )


class LastAdmin(AppError):
    """The last admin tried to delete their account. Nobody could then give a role again.

    Give somebody else the role first.
    """

    code, status, message = (
        "last_admin",
        409,
        "You are the last admin. Make somebody else an admin first.",
    )


class NoSecret(AppError):
    """An admin asked for a new secret of a program that was registered without one.

    Register the program as confidential if it can keep a secret.
    """

    code, status, message = (
        "no_secret",
        409,
        "This program is public: it has no secret. Register a confidential one.",
    )
