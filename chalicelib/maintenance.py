"""Tasks of operators that run inside the network. `Order` has their names.

`python -m chalicelib.maintenance '{"task": "check"}'` does the same from a shell.
"""

import json
import logging
import sys
from typing import Annotated, Any, Literal, Self

from chalice import Blueprint
from pydantic import Field, ValidationError, model_validator

from chalicelib.config import SettingsInvalid
from chalicelib.deps import deps
from chalicelib.domain_events.models import TYPES, ConsumerName
from chalicelib.edge.invocation import InvocationFailed, invocation
from chalicelib.edge.readiness import readiness
from chalicelib.errors import Unavailable, UserNotFound
from chalicelib.oauth.clients.registration import NewClient
from chalicelib.scopes import Role
from chalicelib.text.sentences import problems, wrong
from chalicelib.users.models import Username
from chalicelib.wire import Input

log = logging.getLogger(__name__)

bp = Blueprint(__name__)


class MaintenanceFailed(InvocationFailed):
    """A task failed. The text says what failed and on which server, and contains no secrets."""


class Order(Input):
    """A task. `limit` is for `redrive`, `username` and `role` are for `grant`, `client` is for
    `oauth-client`, `consumer`, `events` and `remove` are for `event-consumer`."""

    task: Literal[
        "migrate", "retire", "redrive", "check", "canary", "grant", "oauth-client", "event-consumer"
    ]
    limit: Annotated[int, Field(ge=1, le=100_000)] = 1000
    username: Username | None = None
    role: Role | None = None
    client: NewClient | None = None
    consumer: ConsumerName | None = None
    events: list[str] = Field(default=list(TYPES), min_length=1)
    remove: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.task == "grant" and (self.username is None or self.role is None):
            raise wrong("does_not_fit", "grant needs a username and a role.")
        if self.task == "oauth-client" and self.client is None:
            raise wrong("does_not_fit", "oauth-client needs a client.")
        if self.task == "event-consumer" and self.consumer is None:
            raise wrong("does_not_fit", "event-consumer needs a consumer.")
        if not TYPES.keys() >= set(self.events):
            raise wrong("not_a_choice", f"events are some of: {', '.join(TYPES)}.")
        return self


@bp.lambda_function(name="maintain")
def maintain(event: Any, context: Any) -> dict[str, Any]:
    """Do a task and return its result. Each may be repeated, and run twice at the same time.

    - migrate: all servers get the tables, queues and accounts that the code expects. Returns
      {"done": true}.
    - retire: accounts with earlier passwords are removed. Returns {"retired": [names]}.
    - redrive: dead-lettered pushes are tried again. Returns {"moved", "left"}.
    - check: returns {"dependencies"}, like GET /v1/ready.
    - canary: a push to nobody goes through each queue. Returns {"queues"}: see CanaryResult.
    - grant: a user gets a role, as the first admin does. Returns {"user_id"}.
    - oauth-client: an OAuth client is registered. Returns the same as POST
      /v1/admin/oauth-clients. Only this answer contains its secret.
    - event-consumer: a service may consume `events`, or all. Returns {"url", "queue"}. Only this
      answer contains its password. With `remove`, its account and queue are deleted. Returns
      {"removed": true}.

    Raises MaintenanceFailed.
    """
    with invocation(context):
        try:
            return _done(Order.model_validate(event))
        except ValidationError as error:
            found = " ".join(
                ": ".join(filter(None, (one["field"], one["message"]))) for one in problems(error)
            )
            raise MaintenanceFailed(f"This is not a task: {found}") from None
        except (SettingsInvalid, UserNotFound) as error:
            raise MaintenanceFailed(str(error)) from None
        except Unavailable as error:
            raise MaintenanceFailed(f"No answer in time from: {error.dependency}") from None
        except Exception as error:
            # Drivers quote values in their messages; the log tells where it was.
            log.exception("maintenance failed")
            raise MaintenanceFailed(f"{type(error).__name__}; the log tells where") from None


def _done(order: Order) -> dict[str, Any]:
    if order.task == "migrate":
        deps.apply_schema()
        return {"done": True}
    if order.task == "retire":
        return {"retired": deps.retire_accounts()}
    if order.task == "redrive":
        return deps.broker.redrive(order.limit)._asdict()
    if order.task == "canary":
        return deps.canaries.send().model_dump()
    if order.task == "grant" and order.username and order.role:
        return {"user_id": deps.admin.appoint(order.username, order.role)}
    if order.task == "oauth-client" and order.client:
        return deps.oauth_clients.install(order.client).model_dump(mode="json")
    if order.task == "event-consumer" and order.consumer:
        if order.remove:
            deps.event_consumers.remove(order.consumer)
            return {"removed": True}
        return deps.event_consumers.register(order.consumer, order.events).model_dump()
    return readiness().model_dump(mode="json", include={"dependencies"})


if __name__ == "__main__":
    try:
        print(json.dumps(maintain(json.loads(sys.argv[1]), None)))
    except MaintenanceFailed as failure:
        sys.exit(str(failure))
