"""Registers, signs in, sends and lists, with a client made from the OpenAPI document. Prints what
it has seen as JSON. Arguments: the API, a username, the username of somebody else."""

import json
import sys

from parley_client import AuthenticatedClient, Client
from parley_client.api.accounts import register
from parley_client.api.chats import list_chats, open_chat
from parley_client.api.messages import list_messages, send_message
from parley_client.api.sessions import login
from parley_client.models import (
    Chat,
    ChatPage,
    Credentials,
    Draft,
    Message,
    MessagePage,
    NewChat,
    Problem,
    Registration,
    SignedIn,
    TextContent,
)

PASSWORD = "Plums-and-42-pears"


def account(name: str) -> Registration:
    return Registration(
        username=name, email=f"{name}@example.org", password=PASSWORD, display_name=name
    )


def main(base_url: str, username: str, other: str) -> None:
    anonymous = Client(base_url=base_url)
    friend = register.sync(client=anonymous, body=account(other))
    assert isinstance(friend, SignedIn)
    assert isinstance(register.sync(client=anonymous, body=account(username)), SignedIn)
    refused = login.sync(client=anonymous, body=Credentials(login=username, password="x"))
    assert isinstance(refused, Problem), refused
    signed_in = login.sync(client=anonymous, body=Credentials(login=username, password=PASSWORD))
    assert isinstance(signed_in, SignedIn)

    api = AuthenticatedClient(base_url=base_url, token=signed_in.access_token)
    chat = open_chat.sync(client=api, body=NewChat(kind="direct", user_id=friend.user.id))
    assert isinstance(chat, Chat)
    text = TextContent(kind="text", text="Hello from Python")
    sent = send_message.sync(chat.id, client=api, body=Draft(client_id="1", content=text))
    assert isinstance(sent, Message)
    page = list_messages.sync(chat.id, client=api, limit=10)
    assert isinstance(page, MessagePage)
    chats = list_chats.sync(client=api)
    assert isinstance(chats, ChatPage)
    seen = {
        "code": refused.code,
        "edited": sent.edited_at,
        "texts": [message.content.text for message in page.items if message.content],
        "chats": [one.member_count for one in chats.items],
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
