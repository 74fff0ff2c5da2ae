"""Problems, and ids that name nothing."""

from typing import Any

TEXT = {"kind": "text", "text": "hi"}
NOWHERE = "00000000-0000-7000-8000-0000000000ff"


def is_problem(answer: Any, status: int, code: str) -> bool:
    """RFC 9457 with our code."""
    assert (answer.status, answer.body["code"]) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == status
    assert answer.body["type"].endswith(f"/v1/errors#{code}")
    assert answer.body["detail"]
    assert answer.headers["x-request-id"] == answer.body["request_id"]
    return True
