"""Every error is explained, and the `type` of a problem leads to the explanation."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import authlib.oauth2.rfc6749 as authlib
import pytest

import app as application
from chalicelib import errors
from chalicelib.deps import deps
from chalicelib.edge.problems import problem
from chalicelib.errors import AppError, base, page
from chalicelib.errors.catalogue import catalogue, entry
from chalicelib.errors.protocol import OAUTH
from infra.gateway import RESPONSES
from tests.unit.edge.test_rest import call
from tests.unit.settings import settings

ROOT = Path(__file__).resolve().parents[2]
CODES = [one.code for one in catalogue()]
GIVEN: dict[str, tuple[Any, ...]] = {
    "RateLimited": (1,),
    "SecondFactorRequired": ({"challenge": "x"},),
    "Unavailable": ("test",),
    "ValidationFailed": ([{"field": "a", "message": "b"}],),
}


def below(error: type[AppError]) -> list[type[AppError]]:
    found = [each for one in error.__subclasses__() for each in (one, *below(one))]
    return [one for one in found if one.__module__.startswith("chalicelib.")]


@pytest.mark.parametrize("error", [AppError, *below(AppError)])
def test_every_error_of_the_app_has_an_entry_that_names_its_members(error: type[AppError]) -> None:
    (found,) = [one for one in catalogue() if one.code == error.code]

    if "code" in vars(error):
        assert error.__module__.startswith("chalicelib.errors."), (
            "the page has those of this folder"
        )
    assert (found.status, found.when[-1], found.remedy[-1]) == (error.status, ".", ".")
    assert found.members.keys() == error(*GIVEN.get(error.__name__, ())).details.keys()


@pytest.mark.parametrize("text", [None, "It happens.", "It happens.\n\nDo this.\n\nAnd that."])
def test_an_error_that_does_not_explain_itself_is_refused(text: str | None) -> None:
    unexplained = type("Unexplained", (AppError,), {"code": "unexplained", "__doc__": text})

    with pytest.raises(ValueError, match="Unexplained"):
        entry(unexplained)


def test_the_page_has_each_code_once_and_no_link_into_nothing() -> None:
    assert application.app
    ids = re.findall(r'id="(\w+)"', page.page())
    linked = re.findall(r'href="#(\w+)"', page.page())

    assert sorted(ids) == sorted({*CODES, *OAUTH})
    assert len(CODES) == len(set(CODES))
    assert set(linked) == set(ids)
    assert {refusal.code for refusal in RESPONSES.values()} <= set(CODES)


def test_the_page_is_served_to_everybody_and_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(deps), "settings", settings())
    status, headers, body = call(application.app, f"GET {base.PATH}", token=None)
    (style,) = re.findall("<style>(.*?)</style>", body, re.DOTALL)
    policy = headers["content-security-policy"]
    allowed = re.findall("'sha256-(.*?)'", policy)

    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["cache-control"].startswith("public")
    assert allowed == [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()]
    assert policy.startswith("default-src 'none'; ")
    assert "<script" not in body
    assert body == page.page()


@pytest.mark.parametrize(
    ("issuer", "variable", "expected"),
    [
        ("https://api.example.org", "", "https://api.example.org/v1/errors#user_not_found"),
        # As with a function's first request, or where the secrets cannot be read.
        (None, "https://x.example/api", "https://x.example/api/v1/errors#user_not_found"),
        (None, "", "about:blank"),
    ],
)
def test_the_type_of_a_problem_is_its_entry(
    monkeypatch: pytest.MonkeyPatch, issuer: str | None, variable: str, expected: str
) -> None:
    monkeypatch.setenv("ISSUER", variable)
    monkeypatch.delitem(vars(deps), "settings", raising=False)
    if issuer:
        monkeypatch.setitem(vars(deps), "settings", settings(issuer=issuer))

    assert json.loads(problem(errors.UserNotFound(), "r1").body)["type"] == expected


def test_every_error_of_oauth_that_the_provider_knows_has_an_entry() -> None:
    code = "".join(path.read_text() for path in (ROOT / "chalicelib/oauth").rglob("*.py"))
    named = set(re.findall(r'error="(\w+)"', code)) | set(
        re.findall(r'need_page\(\s*"(\w+)"', code)
    )
    raised = {
        getattr(authlib, name).error
        for name in re.findall(r"\b(\w+Error)\b", code)
        if getattr(getattr(authlib, name, None), "error", None)
    }

    assert {"login_required", "invalid_target"} <= named
    assert {"invalid_grant", "access_denied"} <= raised
    assert (named | raised) <= OAUTH.keys()
