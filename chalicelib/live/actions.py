"""The actions of frames about presence and the connection."""

from chalicelib.deps import deps
from chalicelib.edge.frames import Action
from chalicelib.identity import Identity
from chalicelib.live.models import Nothing, PresenceList, Watch


def watch(identity: Identity, data: Watch) -> PresenceList:
    """The presence of users now and, by events, for the next 15 minutes; a ping renews that.

    Users with whom you have no answered chat are left out: watch again when one is answered.
    """
    return deps.presence.watch(identity, data.user_ids)


def ping(identity: Identity, data: Nothing) -> None:
    """Keep the socket open; send a ping every minute."""
    deps.presence.ping(identity)


ACTIONS = {
    "presence.watch": Action(
        watch, scope="chats.read", limit="watch", counts="user_ids", tag="Presence"
    ),
    "ping": Action(ping, scope="chats.read", tag="Connection"),
}
