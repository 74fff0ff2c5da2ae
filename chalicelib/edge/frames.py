"""Frames of sockets: the table of actions, how frames are read, and how actions are called."""

import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, get_type_hints

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import from_json

from chalicelib.errors import AppError, BadRequest, Forbidden, UnknownAction
from chalicelib.identity import Identity
from chalicelib.limits.table import Use
from chalicelib.text.broken_json import has_half, look
from chalicelib.wire import Input, refusal, unpaired


class Frame(Input):
    """A request of a client. The client chooses `id`, and the answer has it as `re`."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    action: Annotated[str, Field(max_length=64)]
    data: Annotated[dict[str, Any], Field(default_factory=dict)]


class Action(NamedTuple):
    """An action: a function of (identity, data), the scope that it needs, and its class of limits.
    It takes one token or, with `counts`, one for each item of that list. `tag`: its subject, one of
    those in chalicelib/edge/asyncapi/__init__.py."""

    call: Callable[..., Any]
    scope: str
    limit: str = "default"
    counts: str = ""
    tag: str = ""

    @property
    def model(self) -> type[BaseModel]:
        return _model_of(self.call)


@functools.cache
def _model_of(call: Callable[..., Any]) -> type[BaseModel]:
    model: type[BaseModel] = get_type_hints(call)["data"]
    return model


ACTIONS: dict[str, Action] = {}


def add_actions(actions: Mapping[str, Action]) -> None:
    """Make actions available to frames. Raises ValueError for a name that is taken."""
    if taken := ACTIONS.keys() & actions.keys():
        raise ValueError(f"actions defined twice: {sorted(taken)}")
    ACTIONS.update(actions)


class ReadFrame(NamedTuple):
    """A frame before it is validated, or the error in its text. `id`: None if it has none that can
    be sent back."""

    frame: dict[str, Any] | AppError
    id: str | None


def read(body: str) -> ReadFrame:
    """Read the text of a frame. Raises nothing."""
    try:
        raw = from_json(body, allow_inf_nan=False)
    except ValueError:
        broken = look(body)
        # Error paths in `data` are those of the action's model.
        fields = [field.removeprefix("data.") for field in broken.unpaired]
        wrong = unpaired(fields) if fields else BadRequest("The frame is not valid JSON.")
        return ReadFrame(wrong, _frame_id(broken.members))
    if isinstance(raw, dict):
        return ReadFrame(raw, _frame_id(raw))
    return ReadFrame(BadRequest("The frame is not a JSON object."), None)


def _frame_id(raw: dict[str, Any]) -> str | None:
    value = raw.get("id")
    usable = isinstance(value, str) and 0 < len(value) <= 64 and not has_half(value)
    return value if usable else None


def call(identity: Identity, raw: dict[str, Any] | AppError) -> Any:
    """Call the action of a frame. Raises the errors of the frame and of its action."""
    if isinstance(raw, AppError):
        raise raw
    try:
        frame = Frame.model_validate(raw)
        action = ACTIONS.get(frame.action)
        if action is None:
            raise UnknownAction()
        if action.scope not in identity.scopes:
            raise Forbidden()
        data = action.model.model_validate(frame.data)
    except ValidationError as error:
        raise refusal(error) from None
    result = action.call(identity, data)
    return {} if result is None else result


def use_of(raw: dict[str, Any] | AppError) -> Use:
    """The use that a frame counts as, by its action and data, which are not validated yet."""
    if isinstance(raw, AppError):
        return Use()
    name, data = raw.get("action"), raw.get("data")
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None or not isinstance(data, dict):
        return Use(limit=action.limit) if action else Use()
    target, items = data.get("chat_id"), data.get(action.counts)
    return Use(
        limit=action.limit,
        target=target.lower() if isinstance(target, str) else "",
        cost=max(1, len(items)) if isinstance(items, list) else 1,
    )
