"""Profiles and push tokens over HTTP."""

from chalice import Blueprint

from chalicelib.auth.models import EmailChange, Identity, PasswordProof, Program
from chalicelib.deps import deps
from chalicelib.errors import WRONG_PROOF, LastAdmin, UserNotFound
from chalicelib.rest import endpoint
from chalicelib.users.models import (
    DeviceId,
    Profile,
    ProfileChanges,
    ProfileList,
    PublicProfile,
    PushToken,
    UsersAnswer,
    UsersQuery,
    UsersQuestion,
)
from chalicelib.wire import Id

bp = Blueprint(__name__)


@endpoint(bp, "GET /v1/users/me", errors=(UserNotFound,), scope="account")
def get_me(identity: Identity) -> Profile:
    """Your profile."""
    return deps.users.me(identity.user_id)


@endpoint(bp, "PATCH /v1/users/me", errors=(UserNotFound,), scope="account", limit="profile")
def update_me(identity: Identity, body: ProfileChanges) -> Profile:
    """Change what you send of your profile."""
    return deps.users.update(identity.user_id, body)


@endpoint(
    bp,
    "POST /v1/users/me/delete",
    errors=(*WRONG_PROOF, LastAdmin),
    scope="account",
    status=204,
)
def delete_me(identity: Identity, body: PasswordProof) -> None:
    """Delete your account. Your messages stay, as from a deleted user."""
    deps.accounts.delete(identity, body)


@endpoint(
    bp,
    "POST /v1/users/me/email",
    errors=WRONG_PROOF,
    scope="account",
    limit="email",
    status=204,
)
def change_email(identity: Identity, body: EmailChange) -> None:
    """Ask for another e-mail address. A link is mailed to it.

    It takes the place of yours when you send the token of the link to
    `POST /v1/auth/email/verify`, within a day. The answer is the same if another account has the
    address.
    """
    deps.email_changes.ask(identity, body)


@endpoint(bp, "GET /v1/users/{user_id}", errors=(UserNotFound,), scope="users.read")
def get_user(identity: Identity, user_id: Id) -> PublicProfile:
    """A user's public profile, also that of a deleted one."""
    return deps.users.get(user_id)


@endpoint(bp, "GET /v1/users", errors=(UserNotFound,), scope="users.read", limit="search")
def find_users(identity: Identity, query: UsersQuery) -> PublicProfile | ProfileList:
    """The user with exactly this username; or a list of those of up to 100 ids that exist."""
    if query.username is not None:
        return deps.users.named(query.username)
    return deps.users.many((query.ids or "").split(","))


@endpoint(bp, "PUT /v1/users/me/push-tokens/{device_id}", scope="account", status=204)
def set_push_token(identity: Identity, device_id: DeviceId, body: PushToken) -> None:
    """Push to this device while this session lasts."""
    deps.users.set_push_token(identity, device_id, body)


@endpoint(bp, "DELETE /v1/users/me/push-tokens/{device_id}", scope="account", status=204)
def drop_push_token(identity: Identity, device_id: DeviceId) -> None:
    """Stop pushes to this device."""
    deps.users.drop_push_token(identity, device_id)


@endpoint(bp, "POST /v1/users/validate", scope="users.validate")
def validate_users(program: Program, body: UsersQuestion) -> UsersAnswer:
    """Which users exist and are active."""
    return deps.users.validate(body.user_ids)
