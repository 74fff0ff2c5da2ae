"""What may be sent to change a profile, and to be pushed to."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from chalicelib.auth.models import Credentials
from chalicelib.auth.passkeys.models import PasskeyName
from chalicelib.errors import ValidationFailed
from chalicelib.oauth.clients.registration import NewClient
from chalicelib.users.device_models import DeviceId, PushToken
from chalicelib.users.models import ProfileChanges
from chalicelib.wire import parse
from tests.unit.text.test_text import UNSEEN


def changes(**sent: Any) -> dict[str, Any]:
    """What a PATCH would change."""
    made = parse(ProfileChanges, json.dumps(sent))
    return made.model_dump(include=made.model_fields_set)


def test_what_is_left_out_is_not_changed() -> None:
    assert changes() == {}
    assert changes(about="hi") == {"about": "hi"}


def test_only_the_picture_can_be_taken_away_by_null() -> None:
    assert changes(avatar_url=None) == {"avatar_url": None}
    for field in ("display_name", "about", "push_previews"):
        with pytest.raises(ValidationFailed):
            changes(**{field: None})


@pytest.mark.parametrize(
    "name", ["A", "x" * 64, "Анна", "O'Neil", "👩\u200d🚀", "دنیا\u200cها", "7"]
)
def test_takes_names_of_all_scripts(name: str) -> None:
    assert changes(display_name=name) == {"display_name": name}


def test_names_are_cut_to_their_text_and_measured_in_nfc() -> None:
    assert changes(display_name="  Ana ") == {"display_name": "Ana"}
    assert changes(display_name="e\u0301" * 64) == {"display_name": "é" * 64}


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 65,
        "a\nb",
        "a\x00",
        "a\u2028b",
        "\u202eevil",
        "a\u2066b",
        "\u200b",
        "\u0301",
        "a\u200eb",
        "a\u200fb",
        "a\u061cb",
        "a\u200bb",
        "a\u00adb",
        "a\u3164b",
        "a\ue000b",
        "a\ufdd0b",
        7,
    ],
)
def test_refuses_names_that_cannot_be_shown(name: Any) -> None:
    with pytest.raises(ValidationFailed):
        changes(display_name=name)


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_no_name_is_invisible(text: str) -> None:
    for model, given in (
        (ProfileChanges, {"display_name": text}),
        (NewClient, {"name": text, "scopes": ["push.send"], "confidential": True}),
        (PasskeyName, {"name": text}),
        (Credentials, {"login": "ana", "password": "x", "device_name": text}),
    ):
        with pytest.raises(ValidationFailed):
            parse(model, json.dumps(given))


def test_an_about_that_shows_nothing_is_empty() -> None:
    assert changes(about=" \u200b\u3164") == {"about": ""}


def test_about_may_be_empty_and_has_its_limit() -> None:
    assert changes(about="") == {"about": ""}
    assert changes(about="e\u0301" * 140) == {"about": "é" * 140}
    for about in ("x" * 141, "a\x00b"):
        with pytest.raises(ValidationFailed):
            changes(about=about)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.org/a.png?x=1#y",
        "/photos/1",
        "http://example.org/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AA",
        "//example.org/a.png",
        "https://",
        "https:///a.png",
        "https://user:pass@example.org/",
        "https://example.org:port/",
        "https://[::1/",
        "https://exa mple.org/",
        "https://example.org/\n",
        "https://example.org/" + "a" * 500,
        7,
    ],
)
def test_refuses_pictures_from_elsewhere(url: Any) -> None:
    with pytest.raises(ValidationFailed):
        changes(avatar_url=url)


@pytest.mark.parametrize(
    "sent", [{"email": "b@example.org"}, {"username": "bo_"}, {"push_previews": "yes"}, {"id": "1"}]
)
def test_nothing_else_can_be_changed(sent: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        changes(**sent)


@pytest.mark.parametrize("token", ["", "x" * 1025, "a b", "é", None])
def test_refuses_push_tokens_that_fcm_never_gave(token: Any) -> None:
    with pytest.raises(ValidationFailed):
        parse(PushToken, json.dumps({"token": token, "platform": "ios"}))


def test_refuses_unknown_platforms() -> None:
    with pytest.raises(ValidationFailed):
        parse(PushToken, json.dumps({"token": "t", "platform": "watch"}))


def test_push_tokens_stay_out_of_reprs() -> None:
    assert "secret" not in repr(PushToken(token="secret", platform="ios"))


def test_device_ids_are_plain() -> None:
    adapter = TypeAdapter[str](DeviceId)
    assert adapter.validate_python("Pixel-9.a_1")
    for bad in ("", "a b", "a/b", "x" * 65, "é", "a\n"):
        with pytest.raises(ValidationError):
            adapter.validate_python(bad)
