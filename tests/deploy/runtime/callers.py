"""Those who call the packaged functions, and a typical event for each of these."""

import json
import secrets
import uuid
from typing import Any

from bench.function import Caller, message, rest
from local.functions import events
from tests.deploy.runtime.deployment import Deployment


class Ana:
    """Somebody whom the packaged functions serve, on a socket of a gateway that is not there."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        signed_in = deployment.register(f"ana_{secrets.token_hex(5)}")
        self.id: str = signed_in["user"]["id"]
        self.token: str = signed_in["access_token"]
        self.connection_id = ""

    def ticket(self) -> str:
        answer = self.deployment.rest("POST /v1/socket-tickets", token=self.token)
        ticket: str = answer.body["ticket"]
        return ticket

    def connect(self) -> Caller:
        """A new socket: what was posted to an earlier one has shown that nobody is there."""
        self.connection_id = f"ana-{uuid.uuid4().hex}="
        caller = Caller(self.connection_id)
        assert self.deployment.connect(caller, self.ticket()) == 200
        return caller

    def chat_with(self, user_id: str) -> str:
        body = {"kind": "direct", "user_id": user_id}
        chat = self.deployment.rest("POST /v1/chats", body, token=self.token).body
        chat_id: str = chat["id"]
        return chat_id


def batch(*, seq: int, chat_id: str, sender_id: str, user_id: str) -> tuple[str, dict[str, Any]]:
    """A message id, and the `aws:rmq` event that tells of it."""
    message_id = str(uuid.uuid4())
    unread = {
        "message_id": message_id,
        "chat_id": chat_id,
        "seq": seq,
        "sender_id": sender_id,
        "preview": "are you there?",
        "sent_at": "2026-01-01T00:00:00Z",
        "user_ids": [user_id],
    }
    record = events.rmq_message({"headers": {}}, json.dumps(unread).encode(), redelivered=False)
    return message_id, events.rmq("push.0", [record])


def typical_events(ana: Ana) -> dict[str, tuple[str, Any]]:
    """By what it is: the name of a function, and an event for it that can be handled once."""
    socket = ana.connect()
    closing = events.Socket(ana.connection_id, "127.0.0.1").disconnect(1000, "")
    ticket, chat_id = ana.ticket(), ana.chat_with(Ana(ana.deployment).id)
    return {
        "GET /v1/health": ("api_handler", rest("GET /v1/health", "")),
        "GET /v1/users/me": ("api_handler", rest("GET /v1/users/me", ana.token)),
        "$connect": ("websocket_connect", Caller(f"{uuid.uuid4().hex}=").connect(ticket)),
        "ping": ("websocket_message", socket.frame("ping", {})),
        "message.send": ("websocket_message", socket.frame("message.send", message(chat_id))),
        "$disconnect": ("websocket_disconnect", json.loads(closing)),
        "notify": ("notify", batch(seq=9, chat_id=chat_id, sender_id=ana.id, user_id=ana.id)[1]),
        "redeliver_pending": ("redeliver_pending", events.schedule("redeliver_pending")),
        "push_overdue": ("push_overdue", events.schedule("push_overdue")),
        "purge_sessions": ("purge_sessions", events.schedule("purge_sessions")),
        "send_mails": ("send_mails", events.schedule("send_mails")),
        "make_exports": ("make_exports", events.schedule("make_exports")),
        "maintain": ("maintain", {"task": "migrate"}),
    }
