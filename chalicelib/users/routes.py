"""Profiles and push tokens over HTTP."""

from typing import Annotated

from chalice import Blueprint
from pydantic import Field

from chalicelib.deps import deps
from chalicelib.edge.rest import endpoint
from chalicelib.errors import UserNotFound
from chalicelib.identity import Identity, Program
from chalicelib.users.device_models import DeviceId, PushToken
from chalicelib.users.models import (
    Profile,
    ProfileChanges,
    ProfileList,
    PublicProfile,
    UsersQuery,
    UsersToValidate,
    UserValidityList,
)
from chalicelib.wire import Id

bp = Blueprint(__name__)

UserId = Annotated[Id, Field(description="The user's id.")]


@endpoint(bp, "GET /v1/users/me", tag="Users", errors=(UserNotFound,), scope="account")
def get_me(identity: Identity) -> Profile:
    """Get your profile.

    As only you see it.
    """
    return deps.users.me(identity.user_id)


@endpoint(
    bp, "PATCH /v1/users/me", tag="Users", errors=(UserNotFound,), scope="account", limit="profile"
)
def update_me(identity: Identity, body: ProfileChanges) -> Profile:
    """Change your profile.

    What you leave out stays.
    """
    return deps.users.update(identity.user_id, body)


@endpoint(bp, "GET /v1/users/{user_id}", tag="Users", errors=(UserNotFound,), scope="users.read")
def get_user(identity: Identity, user_id: UserId) -> PublicProfile:
    """Get a user's public profile.

    Also that of a deleted user.
    """
    return deps.users.get(user_id)


@endpoint(
    bp, "GET /v1/users", tag="Users", errors=(UserNotFound,), scope="users.read", limit="search"
)
def find_users(identity: Identity, query: UsersQuery) -> PublicProfile | ProfileList:
    """Find users by username or by id.

    With `username`, the user with exactly this one. With `ids`, a list of those of up to 100
    users that exist.
    """
    if query.username is not None:
        return deps.users.named(query.username)
    return deps.users.many((query.ids or "").split(","))


@endpoint(bp, "PUT /v1/users/me/push-tokens/{device_id}", tag="Push", scope="account", status=204)
def set_push_token(identity: Identity, device_id: DeviceId, body: PushToken) -> None:
    """Turn push notifications to a device on.

    While this session lasts.
    """
    deps.devices.set_push_token(identity, device_id, body)


@endpoint(
    bp, "DELETE /v1/users/me/push-tokens/{device_id}", tag="Push", scope="account", status=204
)
def drop_push_token(identity: Identity, device_id: DeviceId) -> None:
    """Turn push notifications to a device off.

    It does nothing if there are none.
    """
    deps.devices.drop_push_token(identity, device_id)


@endpoint(bp, "POST /v1/users/validate", tag="Users", scope="users.validate")
def validate_users(program: Program, body: UsersToValidate) -> UserValidityList:
    """Ask which users exist and are active.

    For programs in their own name. The answer is in the order of the question.
    """
    return deps.users.validate(body.user_ids)
