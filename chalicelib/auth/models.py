"""Requests to register and to sign in, and the proof that the account's owner asks."""

from chalicelib.auth.fields import (
    DeviceName,
    Email,
    Login,
    NewPassword,
    PasskeyFactor,
    Password,
    SecondFactor,
)
from chalicelib.users.device_models import DeviceKey
from chalicelib.users.models import Name, Username
from chalicelib.wire import Input


class Registration(Input):
    """Makes an account, and signs in to it."""

    email: Email
    username: Username
    password: NewPassword
    display_name: Name
    device_name: DeviceName = None
    device_key: DeviceKey = None


class Credentials(Input):
    """Signs in. Where the answer is `second_factor_required`, send the same again with
    `second_factor` or `passkey`."""

    login: Login
    password: Password
    second_factor: SecondFactor = None
    passkey: PasskeyFactor = None
    device_name: DeviceName = None
    device_key: DeviceKey = None


class Proof(Input):
    """If the account has a second factor, a request that needs the password needs that as well:
    give `second_factor` or `passkey`."""

    second_factor: SecondFactor = None
    passkey: PasskeyFactor = None


class PasswordChange(Proof):
    """Sets a new password, which signs out every other session."""

    current_password: Password
    new_password: NewPassword


class PasswordProof(Proof):
    """Proves that it is the account's owner who asks."""

    password: Password
