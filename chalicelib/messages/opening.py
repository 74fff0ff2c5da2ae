"""Opens chats."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalicelib.errors import ValidationFailed
from chalicelib.identity import Identity
from chalicelib.ids import direct_chat_id
from chalicelib.messages.events import ChatEvent
from chalicelib.messages.models.chats import Chat
from chalicelib.text.sentences import problem
from chalicelib.wire import now

if TYPE_CHECKING:
    from chalicelib.messages.delivery.publisher import Publisher
    from chalicelib.messages.store.chats import Chats
    from chalicelib.users.profiles import Users


class Opening:
    """Two users have one direct chat: opening it again returns the same one."""

    def __init__(
        self, *, chats: "Chats", publisher: "Publisher", users: "Callable[[], Users]"
    ) -> None:
        self._chats = chats
        self._publisher = publisher
        self._users = users

    def open_direct(self, opener: Identity, user_id: str) -> tuple[Chat, bool]:
        """The chat between two users, and whether it is new. Raises UserNotFound, and
        ValidationFailed if both are the same user."""
        if user_id == opener.user_id:
            raise ValidationFailed(
                [problem("user_id", "not_yourself", "A chat needs somebody else.")]
            )
        self._users().require(user_id)
        chat_id = direct_chat_id(opener.user_id, user_id)
        members = (opener.user_id, user_id)
        chat, made = self._chats.open_direct(chat_id, members=members, at=now())
        if made:
            self._publisher.opened(ChatEvent.of_chat(chat.id, members, chat.created_at))
        return chat, made
