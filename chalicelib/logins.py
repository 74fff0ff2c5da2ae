"""The login names of functions at PostgreSQL and RabbitMQ: one for each generation of passwords."""

import re

from chalicelib.config import SettingsInvalid

GROUP = "parley_app"


def is_login(name: str) -> bool:
    """Whether a name is one of these, of any generation."""
    return re.fullmatch(rf"{GROUP}_[0-9]+", name) is not None


def login(setting: str, name: str) -> str:
    """The login name in a setting. Raises SettingsInvalid unless it is one of these."""
    if not is_login(name):
        raise SettingsInvalid(f"Settings are malformed: {setting}: its user is not {GROUP}_<n>")
    return name
