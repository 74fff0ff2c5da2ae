"""Users as they see themselves and each other, and the devices that are pushed to."""

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from chalicelib.addresses import shown
from chalicelib.sentences import said, wrong
from chalicelib.text import hides, visible
from chalicelib.wire import NFC, PRINTABLE, STRIPPED, UUID, Id, Input, Model, Token, Utc

DELETED_NAME = "Deleted user"
MAX_DEVICES = 20
MAX_IDS = 100


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _username(value: str) -> str:
    if not (value.isascii() and value.replace("_", "a").isalnum()):
        raise ValueError
    return value


def _one_line_of_text(value: str) -> str:
    # Line breaks would tear lists apart; what is hidden can make one name look like another.
    if not visible(value):
        raise wrong("not_visible", "Write a name that can be seen.")
    if hides(value):
        raise wrong("hidden_characters", "Write the name on one line, without hidden characters.")
    return value


# The order in these matters: lengths come first, to be measured after what is "before".
Username = Annotated[
    str,
    Field(min_length=3, max_length=32),
    BeforeValidator(_fold),
    AfterValidator(_username),
    said("not_a_username", "A username has 3 to 32 letters a-z, digits or underscores."),
]
"""3–32 of a-z, 0-9 and _; upper case is folded, so names are unique regardless of case."""

Name = Annotated[
    str,
    Field(min_length=1, max_length=64),
    STRIPPED,
    NFC,
    AfterValidator(_one_line_of_text),
]
"""1–64 characters on one line, with something to see and nothing hidden. What joins letters and
emoji may stay."""

About = Annotated[
    str,
    Field(max_length=140),
    NFC,
    PRINTABLE,
    AfterValidator(lambda value: value if visible(value) else ""),
]
"""At most 140 characters. A text that shows nothing is stored as empty."""

UserIds = Annotated[
    str,
    StringConstraints(
        pattern=rf"^{UUID}(,{UUID}){{0,{MAX_IDS - 1}}}$",
        max_length=37 * MAX_IDS - 1,
        to_lower=True,
    ),
    said("not_ids", f"Give 1 to {MAX_IDS} ids with commas between, each a UUID."),
]
"""1 to MAX_IDS ids, with commas between."""

DeviceId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
    said(
        "not_a_device_id", "A device's id has 1 to 64 letters, digits, dots, dashes or underscores."
    ),
]
"""What a client calls its device; its own choice, the same for every token of that device."""


Address = Annotated[str, PlainSerializer(shown, return_type=str, when_used="json")]
"""A canonical address. On the wire its domain is in Unicode, as people write it."""


class Profile(Model):
    """A user as they see themselves. Until the address is verified, it may be somebody else's.
    `pending_email`: the address that they have asked for, until they follow the link to it."""

    id: str
    username: str
    display_name: str
    about: str
    avatar_url: str | None
    email: Address
    email_verified: bool
    push_previews: bool
    created_at: Utc
    pending_email: Address | None = None


class Card(Model):
    """What anybody might see of a user, as it is cached. `revision` grows with each change."""

    id: str
    username: str | None
    display_name: str
    about: str
    deleted: bool
    revision: int


class PublicProfile(Model):
    """A user as others see them. A deleted one has no username, and a stock name. `avatar_url` is
    always null: a picture on a host that its owner chose would show the owner who looks at it."""

    id: str
    username: str | None
    display_name: str
    about: str
    avatar_url: None
    deleted: bool

    @classmethod
    def of(cls, card: Card) -> "PublicProfile":
        """What a user lets others see. It is decided here, after the cache."""
        return cls(avatar_url=None, **card.model_dump(exclude={"revision"}))


class ProfileList(Model):
    """Public profiles."""

    items: list[PublicProfile]


class ProfileChanges(Input):
    """What to change of one's profile; what is left out stays. `avatar_url` can only be removed, by
    null: no picture of another host is taken any more."""

    # The defaults are never read (only what was sent is), and keep null from being allowed.
    display_name: Name = Field(default_factory=str)
    about: About = Field(default_factory=str)
    avatar_url: None = None
    push_previews: bool = Field(default_factory=bool)


class UsersQuery(Input):
    """Query for the user of an exact username, in any case, or for users by their ids."""

    username: Username | None = None
    ids: UserIds | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.username is None) == (self.ids is None):
            raise wrong("not_one_of_two", "Give either `username` or `ids`.")
        return self


class UsersQuestion(Input):
    """Asks which of these users exist."""

    user_ids: Annotated[list[Id], Field(min_length=1, max_length=500)]


class Validity(Model):
    """`exists`: there is such a user, who did not delete their account. `active`: who is not
    suspended either."""

    user_id: str
    exists: bool
    active: bool


class UsersAnswer(Model):
    """One entry for each user, in the order of the question."""

    items: list[Validity]


DeviceKey = Annotated[
    Annotated[
        Token,
        Field(min_length=22, max_length=128),
        said(
            "not_a_device_key",
            "A device key has 22 to 128 visible ASCII characters, without spaces.",
        ),
    ]
    | None,
    Field(repr=False),
]
"""What a device makes up at random, keeps, and sends whenever it signs in. An account knows the
keys of devices that have, and nobody's guesses elsewhere keep these out."""


class PushToken(Input):
    """A device's address at Firebase Cloud Messaging. With its `device_key`, a device that has a
    new user ends the pushes of the one before. Without it both are pushed to, without previews."""

    token: Annotated[Token, Field(max_length=1024, repr=False)]
    platform: Literal["android", "ios", "web"]
    device_key: DeviceKey = None


class PushTarget(NamedTuple):
    """A device to push to. `previews`: its user lets pushes show what a message says, and no other
    user is pushed to under this token."""

    user_id: str
    device_id: str
    token: str
    platform: str
    previews: bool


class PushTargets(NamedTuple):
    """The devices to push to, and the display names of senders by user id."""

    targets: list[PushTarget]
    names: dict[str, str]
