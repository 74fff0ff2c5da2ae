"""Mails are kept, and shown to pages of this machine alone."""

import httpx
import pytest

from local.stand_ins.mails import Mails
from tests.local.stack import Stack

MAIL = {"sender": "us@example.com", "to": "ana@example.org", "subject": "Hi", "text": "Hello"}


def test_the_last_ones_are_kept_newest_first() -> None:
    mails = Mails(limit=2)
    for subject in ("one", "two", "three"):
        mails.add(**{**MAIL, "subject": subject})

    assert [mail["subject"] for mail in mails.after(0)] == ["three", "two"]
    assert [mail["subject"] for mail in mails.after(2)] == ["three"]
    mails.clear()
    assert mails.after(0) == []


def test_a_page_shows_them_and_forgets_them(stack: Stack) -> None:
    stack.mails.clear()
    stack.mails.add(**MAIL)
    client = httpx.Client(base_url=stack.http_url)

    (shown,) = client.get("/_local/mails").json()["items"]
    assert {name: shown[name] for name in MAIL} == MAIL
    assert client.delete("/_local/mails").status_code == 204
    assert client.get("/_local/mails").json() == {"items": []}


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_pages_from_elsewhere_do_not_get_them(stack: Stack, headers: dict[str, str]) -> None:
    status = httpx.get(f"{stack.http_url}/_local/mails", headers=headers).status_code
    assert status == (421 if "Host" in headers else 403)
