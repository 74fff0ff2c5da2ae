"""Users as they see themselves and each other."""

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from chalicelib.text.addresses import shown
from chalicelib.text.characters import hides, visible
from chalicelib.text.sentences import said, wrong
from chalicelib.wire import NFC, PRINTABLE, STRIPPED, UUID, Id, Input, Model, OurId, Utc

DELETED_NAME = "Deleted user"
MAX_IDS = 100


def _fold(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _username(value: str) -> str:
    if not (value.isascii() and value.replace("_", "a").isalnum()):
        raise ValueError
    return value


def _one_line_of_text(value: str) -> str:
    # Line breaks would break lists; hidden characters can make one name look like another.
    if not visible(value):
        raise wrong("not_visible", "Write a name that can be seen.")
    if hides(value):
        raise wrong("hidden_characters", "Write the name on one line, without hidden characters.")
    return value


# The order in these matters: lengths come first, to be measured after what is "before".
Username = Annotated[
    str,
    Field(
        min_length=3,
        max_length=32,
        description="3 to 32 of a-z, 0-9 and _. Upper and lower case are the same.",
        examples=["ana"],
    ),
    BeforeValidator(_fold),
    AfterValidator(_username),
    said("not_a_username", "A username has 3 to 32 letters a-z, digits or underscores."),
]
"""3–32 of a-z, 0-9 and _; upper case is folded, so names are unique regardless of case."""

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="1 to 64 characters on one line, with something to see.",
        examples=["Ana"],
    ),
    STRIPPED,
    NFC,
    AfterValidator(_one_line_of_text),
]
"""1–64 characters on one line, with something to see and nothing hidden. What joins letters and
emoji may stay."""

About = Annotated[
    str,
    Field(
        max_length=140,
        description="A text about the user, of at most 140 characters.",
        examples=["Here since 2026"],
    ),
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
    Field(description=f"1 to {MAX_IDS} ids of users, with commas between."),
    said("not_ids", f"Give 1 to {MAX_IDS} ids with commas between, each a UUID."),
]
"""1 to MAX_IDS ids, with commas between."""

Address = Annotated[
    str,
    PlainSerializer(shown, return_type=str, when_used="json"),
    Field(description="An e-mail address.", examples=["ana@example.org"]),
]
"""A canonical address. On the wire its domain is in Unicode, as people write it."""


UserId = Annotated[OurId, Field(description="The user's id, which never changes.")]
ShownName = Annotated[str, Field(description="The name to show.", examples=["Ana"])]
ShownAbout = Annotated[
    str,
    Field(
        description="What they say about themselves; may be empty.", examples=["Here since 2026"]
    ),
]


class Profile(Model):
    """A user as they see themselves."""

    id: UserId
    username: str = Field(description="The name to sign in with.", examples=["ana"])
    display_name: ShownName
    about: ShownAbout
    avatar_url: str | None = Field(
        description="A picture that an earlier version took; null without one.",
        examples=[None],
    )
    email: Annotated[
        Address,
        Field(description="Their e-mail address. Until it is verified, it may be somebody else's."),
    ]
    email_verified: bool = Field(description="Whether they have proven that it is theirs.")
    push_previews: bool = Field(
        description="Whether push notifications may show what a message says."
    )
    created_at: Utc = Field(description="When they registered.")
    pending_email: Address | None = Field(
        None,
        description="The address that they have asked for, until they follow the link to it.",
        examples=[None],
    )


class Card(Model):
    """The public data of a user, as it is cached. `revision` grows with each change."""

    id: str
    username: str | None
    display_name: str
    about: str
    deleted: bool
    revision: int


class PublicProfile(Model):
    """A user as others see them."""

    id: UserId
    username: str | None = Field(
        description="Their username; null for a deleted user.", examples=["ana"]
    )
    display_name: ShownName
    about: ShownAbout
    # A picture on any other host would tell that host who views it.
    avatar_url: None = Field(description="Always null: pictures are not shown to others.")
    deleted: bool = Field(description="Whether they have deleted their account.", examples=[False])

    @classmethod
    def of(cls, card: Card) -> "PublicProfile":
        """The profile that others see. The user's settings are applied here, after the cache."""
        return cls(avatar_url=None, **card.model_dump(exclude={"revision"}))


class ProfileList(Model):
    """Public profiles."""

    items: list[PublicProfile] = Field(
        description="Those of the users that exist, in no particular order."
    )


class ProfileChanges(Input):
    """What to change of one's profile; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"about": "Here since 2026"}]})

    # The defaults are never read: only fields that were sent are. As they are not None, null is
    # refused.
    display_name: Name = Field(default_factory=str)
    about: About = Field(default_factory=str)
    avatar_url: None = Field(
        None, description="Null removes the picture. A new one cannot be given."
    )
    push_previews: bool = Field(
        default_factory=bool,
        description="Whether push notifications may show what a message says.",
    )


class UsersQuery(Input):
    """Query for the user of an exact username, in any case, or for users by their ids."""

    username: Username | None = Field(
        None, description="An exact username, in any case.", examples=["ana"]
    )
    ids: UserIds | None = Field(
        None, description=f"1 to {MAX_IDS} ids with commas between, in place of a username."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.username is None) == (self.ids is None):
            raise wrong("not_one_of_two", "Give either `username` or `ids`.")
        return self


class UsersToValidate(Input):
    """Asks which of these users exist."""

    user_ids: Annotated[
        list[Id], Field(min_length=1, max_length=500, description="The ids to look up.")
    ]


class UserValidity(Model):
    """Whether a user exists."""

    user_id: UserId
    exists: bool = Field(description="There is such a user, who did not delete their account.")
    active: bool = Field(description="They exist, and are not suspended.")


class UserValidityList(Model):
    """One entry for each user, in the order of the question."""

    items: list[UserValidity] = Field(description="One entry for each id.")
