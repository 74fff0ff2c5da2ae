"""`make oauth-client`: what the operator says is what is registered."""

from typing import Any

import pytest

from chalicelib.oauth.clients.registration import NewClient
from infra.deploy.__main__ import _client, _parser

PLAIN = {
    "name": "Board",
    "scopes": ["openid", "profile"],
    "redirect_uris": ["https://board.example/back"],
    "post_logout_redirect_uris": [],
    "confidential": True,
    "require_pkce": True,
    "claims_in_id_token": False,
}


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ([], {}),
        (["--public"], {"confidential": False}),
        (["--optional-pkce"], {"require_pkce": False}),
        (["--claims-in-id-token"], {"claims_in_id_token": True}),
        (
            ["--post-logout-redirect-uris", "https://board.example/a https://board.example/b"],
            {"post_logout_redirect_uris": ["https://board.example/a", "https://board.example/b"]},
        ),
    ],
)
def test_options_of_the_command_are_fields_of_the_client(
    options: list[str], changes: dict[str, Any]
) -> None:
    named = ["--stage", "dev", "--name", "Board", "--scopes", "openid profile"]
    back = ["--redirect-uris", "https://board.example/back"]

    client = _client(_parser().parse_args(["oauth-client", *named, *back, *options]))

    assert NewClient(**client).model_dump() == {**PLAIN, **changes}
