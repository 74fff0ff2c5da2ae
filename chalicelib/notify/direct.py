"""Pushes at once, without the queue, and tells the program the outcome."""

import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.identity import Program
from chalicelib.ids import new_id, push_tag
from chalicelib.notify.models import NewPush, Outcome, ProgramPush, PushOutcome, PushResult
from chalicelib.notify.service import APP_NAME, forget

if TYPE_CHECKING:
    from chalicelib.notify.fcm import Fcm
    from chalicelib.users.device_models import PushTarget
    from chalicelib.users.devices import Devices

log = logging.getLogger(__name__)

CONTENT_FREE = "New notification"


class DirectPush:
    """Sends notifications of programs to users."""

    def __init__(self, *, devices: "Devices", fcm: "Fcm") -> None:
        self._devices = devices
        self._fcm = fcm

    def send(self, program: Program, new: NewPush) -> PushResult:
        """Push to every device of users, and return the outcomes. Nothing is tried again.

        Returns within FCM's time limit. Raises Unavailable only before anything was sent.
        """
        tag = push_tag(program.id, new.collapse_key) if new.collapse_key else new_id()
        targets = self._devices.push_targets(set(new.user_ids), set()).targets
        outcomes = (
            self._fcm.send([_program_push(one, tag, new) for one in targets]) if targets else []
        )
        states: Counter[str] = Counter(outcome.state for outcome in outcomes)
        log.info("pushed for a program", extra={"client_id": program.id, **states})
        metrics.count("PushesSent", states["sent"])
        pairs = list(zip(targets, outcomes, strict=True))
        forget(
            {target.token for target, outcome in pairs if outcome.state == "gone"}, self._devices
        )
        found: dict[str, list[Outcome]] = defaultdict(list)
        for target, outcome in pairs:
            found[target.user_id].append(outcome)
        return PushResult(items=[_told(user_id, found[user_id]) for user_id in new.user_ids])


def _program_push(device: "PushTarget", tag: str, new: NewPush) -> ProgramPush:
    return ProgramPush(
        token=device.token,
        tag=tag,
        title=new.title if device.previews else APP_NAME,
        body=new.body if device.previews else CONTENT_FREE,
        extra=new.data if device.previews else {},  # it may quote the body
    )


def _told(user_id: str, outcomes: list[Outcome]) -> PushOutcome:
    states = Counter(outcome.state for outcome in outcomes)
    if states["sent"]:
        return PushOutcome(user_id=user_id, outcome="sent", devices=states["sent"])
    if states["retry"]:
        return PushOutcome(user_id=user_id, outcome="try_again", devices=0)
    if states["invalid"]:
        return PushOutcome(user_id=user_id, outcome="refused", devices=0)
    return PushOutcome(user_id=user_id, outcome="no_device", devices=0)
