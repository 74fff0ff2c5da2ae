"""Pushes to absent users: each record is sent, retried or dead-lettered."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from chalicelib import metrics
from chalicelib.broker.pushes import Canary, Failure
from chalicelib.errors import AppError, Unavailable
from chalicelib.notify.canary import canary_of
from chalicelib.notify.models import Outcome, Push, Record, Unread
from chalicelib.notify.strangers import UnansweredPush

if TYPE_CHECKING:
    from chalicelib.broker.publisher import Broker
    from chalicelib.messages.receipts import Receipts
    from chalicelib.notify.canary import Canaries
    from chalicelib.notify.fcm import Fcm
    from chalicelib.notify.strangers import PushThrottle
    from chalicelib.users.device_models import PushTarget
    from chalicelib.users.devices import Devices

log = logging.getLogger(__name__)

APP_NAME = "Parley"
CONTENT_FREE = "New message"


class ParsedRecord(NamedTuple):
    """A record that could be read."""

    record: Record
    event: Unread

    def failed(self, reason: str, user_ids: Iterable[str], retry_after: float = 0) -> Failure:
        """A retry of this record, for the users that it has not reached."""
        body = self.event.to(sorted(user_ids)).model_dump_json().encode()
        return Failure(body, self.record.shard, self.record.attempt, reason, retry_after)


class PendingPush(NamedTuple):
    """A push that is sent now."""

    parsed: ParsedRecord
    user_id: str
    push: Push


class Notifier:
    """Handles the records of a push queue, one batch at a time."""

    def __init__(
        self,
        *,
        devices: "Devices",
        receipts: "Receipts",
        fcm: "Fcm",
        broker: "Broker",
        throttle: "PushThrottle",
        canaries: "Callable[[], Canaries]",
    ) -> None:
        self._devices = devices
        self._receipts = receipts
        self._fcm = fcm
        self._broker = broker
        self._throttle = throttle
        self._canaries = canaries

    def notify(self, records: list[Record]) -> None:
        """Push to every user of every record, unless they have read the message by now. A user who
        has not answered in the chat gets only a few pushes in an hour.

        A failed push goes to the retry queue, for the users it failed for, and does not delay
        others. Raises Unavailable if that queue cannot be reached: then the whole batch is
        delivered again, and a device shows a notification once even if it gets it twice.
        """
        parsed, canaries, failures, dead = _read(records)
        self._record(canaries)
        try:
            failures += self._push(parsed)
        except Exception as error:
            # If this raised, the batch would be redelivered at once and without end. By the retry
            # queue it comes back later, and is dead-lettered in the end.
            log.exception("pushes failed", extra={"records": len(parsed)})
            reason = type(error).__name__
            failures += [one.failed(reason, one.event.user_ids) for one in parsed]
        self._broker.retry(failures)
        self._broker.bury(dead)
        if failures or dead:
            log.warning("pushes put off", extra={"retried": len(failures), "dead": len(dead)})

    def _record(self, canaries: list[tuple[str, Canary]]) -> None:
        if canaries:
            try:
                self._canaries().record(canaries)
            except AppError as error:
                # The deploy then reports it as missing.
                log.warning("canary not recorded", extra={"code": error.code})

    def _push(self, parsed: list[ParsedRecord]) -> list[Failure]:
        due = self._due(parsed)
        outcomes = self._fcm.send([each.push for each in due]) if due else []
        results = list(zip(due, outcomes, strict=True))
        states: Counter[str] = Counter(outcome.state for outcome in outcomes)
        log.info("pushed", extra=dict(states))
        metrics.count("PushesSent", states["sent"])
        for each, outcome in results:
            if outcome.state == "invalid":
                refused = {"message_id": each.push.message_id, "reason": outcome.reason}
                log.error("FCM refuses a push", extra=refused)
        gone = {each.push.token for each, outcome in results if outcome.state == "gone"}
        forget(gone, self._devices)
        return _failures((each, outcome) for each, outcome in results if outcome.state == "retry")

    def _due(self, parsed: list[ParsedRecord]) -> list[PendingPush]:
        user_ids = {user_id for one in parsed for user_id in one.event.user_ids}
        if not user_ids:
            return []
        known = self._devices.push_targets(user_ids, {one.event.sender_id for one in parsed})
        devices: dict[str, list[PushTarget]] = defaultdict(list)
        for target in known.targets:
            devices[target.user_id].append(target)
        pairs = {
            (one.event.chat_id, user_id)
            for one in parsed
            for user_id in one.event.user_ids
            if user_id in devices
        }
        receipts = self._receipts.of(pairs) if pairs else {}
        unread = [
            (one, user_id, state.answered)
            for one in parsed
            for user_id in one.event.user_ids
            # Users without a receipt have left the chat, and must not see the message (G4).
            if (state := receipts.get((one.event.chat_id, user_id))) is not None
            and state.receipt.read_seq < one.event.seq
        ]
        quiet = self._too_many(
            [_unanswered(one, user_id) for one, user_id, answered in unread if not answered]
        )
        return [
            PendingPush(one, user_id, _push_to(device, one.event, known.names))
            for one, user_id, _ in unread
            if _unanswered(one, user_id) not in quiet
            for device in devices[user_id]
        ]

    def _too_many(self, pushes: list[UnansweredPush]) -> set[UnansweredPush]:
        try:
            quiet = self._throttle.too_many(pushes)
        except Unavailable as error:
            # Push without counting: the store accepts only a few such messages anyway.
            log.warning("pushes not counted", extra={"dependency": error.dependency})
            return set()
        if quiet:
            log.info("not pushed: no answer yet", extra={"count": len(quiet)})
        return quiet


def forget(tokens: Collection[str], devices: "Devices") -> None:
    """Delete tokens that FCM no longer knows; best effort."""
    if tokens:
        try:
            devices.forget_push_tokens(tokens)
            metrics.count("TokensForgotten", len(tokens))
        except AppError as error:
            # The next push finds them again.
            log.warning("dead tokens kept", extra={"code": error.code, "count": len(tokens)})


def _read(
    records: list[Record],
) -> tuple[list[ParsedRecord], list[tuple[str, Canary]], list[Failure], list[Failure]]:
    """Sorts records: parsed ones; canaries with their queues; records to retry, because another
    version of the code may understand them; and invalid records."""
    parsed: list[ParsedRecord] = []
    canaries: list[tuple[str, Canary]] = []
    again: list[Failure] = []
    dead: list[Failure] = []
    for record in records:
        try:
            parsed.append(ParsedRecord(record, Unread.model_validate_json(record.body)))
        except ValidationError as error:
            if canary := canary_of(record):
                canaries.append((f"push.{record.shard}", canary))
                continue
            hopeless = any(item["type"] == "json_invalid" for item in error.errors())
            failure = Failure(record.body, record.shard, record.attempt, type(error).__name__)
            (dead if hopeless else again).append(failure)
    return parsed, canaries, again, dead


def _unanswered(one: ParsedRecord, user_id: str) -> UnansweredPush:
    return UnansweredPush(user_id, one.event.chat_id, one.event.message_id)


def _push_to(device: "PushTarget", event: Unread, names: dict[str, str]) -> Push:
    return Push(
        token=device.token,
        message_id=event.message_id,
        chat_id=event.chat_id,
        seq=event.seq,
        sender_id=event.sender_id if device.previews else None,
        title=names.get(event.sender_id, APP_NAME) if device.previews else APP_NAME,
        body=event.preview if device.previews else CONTENT_FREE,
    )


def _failures(put_off: Iterable[tuple[PendingPush, Outcome]]) -> list[Failure]:
    """One failure for each record, with the users that a later attempt may reach."""
    records: dict[int, ParsedRecord] = {}
    failed: dict[int, dict[str, Outcome]] = defaultdict(dict)
    for due, outcome in put_off:
        records[id(due.parsed)] = due.parsed
        failed[id(due.parsed)][due.user_id] = outcome
    return [
        records[key].failed(
            next(iter(by_user.values())).reason,
            by_user,
            max(outcome.retry_after for outcome in by_user.values()),
        )
        for key, by_user in failed.items()
    ]
