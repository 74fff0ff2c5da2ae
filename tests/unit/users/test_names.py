"""Names that pretend to be somebody else's."""

from collections.abc import Callable

import pytest

from chalicelib.errors import ValidationFailed
from chalicelib.users.models import DELETED_NAME
from chalicelib.users.names import ROLES, ReservedNames, skeleton
from local.demo import ADA, BEN

PRETENDING = [
    "admin",
    "ADMIN",
    "administrator",
    "support",
    "help",
    "system",
    "root",
    "security",
    "official",
    "moderator",
    "parley",
    "ad.min",
    "a_d_m_i_n",
    "_admin",
    "admin_",
    "__admin__",
    "ad min",
    "ad-min",
    "ad\u200bmin",
    "r00t",
    "supp0rt",
    "adm1n",
    "admln",
    "4dmin",
    "adrnin",
    "\u0430dmin",
    "\u0410dmin",
    "\uff21\uff24\uff2d\uff29\uff2e",
    "\u00e0dm\u00edn",
    "adm\u0131n",
    "\u1d00\u1d05\u1d0d\u026a\u0274",
    "\U0001f130\U0001f133\U0001f13c\U0001f138\U0001f13d",
    "\U0001f170\U0001f173\U0001f17c\U0001f178\U0001f17d",
    "par1ey",
    "par_ley",
    "p\u0430rl\u0435y",
    "\u03a1\u0391R\u216c\u0395\u03a5",
    "parley_support",
    "support_parley",
    "0fficial_parley",
    "parley_admin",
    "deleted_user",
]
PLAIN = [
    "administer_joe",
    "helper",
    "rooty",
    "root_of_evil",
    "systematic",
    "supporter",
    "helena",
    "parley_fan",
    "parleys",
    "ali",
    "ian",
    "ana",
    "mody",
    "the_moderate",
    "admin_joe",
    "anna_admina",
    "___",
    ADA.username,
    BEN.username,
]


def refused(ask: Callable[[str], None], name: str) -> list[str]:
    """The fields that a name is refused for."""
    try:
        ask(name)
    except ValidationFailed as error:
        return [one["field"] for one in error.details["errors"]]
    return []


@pytest.mark.parametrize("name", PRETENDING, ids=ascii)
def test_reserved_usernames_are_refused(name: str) -> None:
    assert refused(ReservedNames().refuse_username, name) == ["username"]


@pytest.mark.parametrize("name", PLAIN)
def test_other_usernames_are_allowed(name: str) -> None:
    assert refused(ReservedNames().refuse_username, name) == []


@pytest.mark.parametrize(
    "name",
    [
        DELETED_NAME,
        "deleted user",
        "DELETED  USER",
        "Deleted\u00a0user",
        "Deleted-User",
        "D\u0435leted us\u0435r",
        "De1eted user",
        "Parley",
        "PARLEY",
        "P a r l e y",
        "P\u0430rley",
        "\uff30\uff41\uff52\uff4c\uff45\uff59",
        "Pa\u0301rley",
        "Parley \u2714",
        "Parley Support",
        "Official Parley",
        "Parley-Team",
        "Parley!",
        "|Parley|",
        "Parley\u2122",
        "Parley\u2120",
        "\ua4d1\ua4ee\ua4e3\ua4e1\ua4f0\ua4ec",
    ],
    ids=ascii,
)
def test_reserved_display_names_are_refused(name: str) -> None:
    assert refused(ReservedNames().refuse_display_name, name) == ["display_name"]


@pytest.mark.parametrize(
    "name",
    ["Parley Smith", "Ana Parley", "Admin", "A deleted user", "Anna", "👍", "Системный", "管理員"],
)
def test_other_display_names_are_allowed(name: str) -> None:
    assert refused(ReservedNames().refuse_display_name, name) == []


def test_an_operator_reserves_brands() -> None:
    names = ReservedNames(["Acme", "Acme Chat", "Yahoo!", " "])

    for name in ("acme", "4cme", "acme_chat", "acme_support", "parley", "admin"):
        assert refused(names.refuse_username, name) == ["username"]
    for name in ("ACME", "Acme Chat", "Acme Support", "Yahoo", "Yahoo!", "Parley"):
        assert refused(names.refuse_display_name, name) == ["display_name"]
    for name in ("acmeist", "acme_joe", "___"):
        assert refused(names.refuse_username, name) == []


def test_the_list_is_of_usernames() -> None:
    """A word that cannot be a username would be there in vain."""
    for role in ROLES.split():
        assert role.isascii()
        assert role.isalnum()
        assert 3 <= len(role) <= 32


def test_a_skeleton_of_a_skeleton_is_the_same() -> None:
    for name in (*PRETENDING, *PLAIN):
        assert skeleton(skeleton(name)) == skeleton(name)
