"""What a user sees of the programs that they allowed."""

from pydantic import Field

from chalicelib.wire import Model, OurId, Utc


class Permission(Model):
    """Something that a program may do, in the words of the consent page."""

    scope: str = Field(description="The name of the scope.", examples=["chats.read"])
    text: str = Field(
        description="What the user was asked: may the program …", examples=["read your chats"]
    )


class AllowedProgram(Model):
    """A program that a user allowed to use their account."""

    client_id: OurId = Field(description="The program's id.")
    name: str = Field(description="What the program is called.", examples=["Shoe shop"])
    permissions: list[Permission] = Field(description="What it may do.")
    agreed_at: Utc = Field(description="When the user last agreed.")


class AllowedPrograms(Model):
    """The programs that a user allowed to use their account."""

    items: list[AllowedProgram] = Field(description="All of them, by name.")
