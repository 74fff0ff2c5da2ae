"""Whatever anybody sends, no answer is a 5xx, and each is one that the OpenAPI document has."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chalicelib.limits.table import TABLE
from tests.cloud import Cloud
from tests.e2e.conftest import People
from tests.e2e.oauth.oauth import registered

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
UNLIMITED = json.dumps(
    {
        name: dict.fromkeys(limit.buckets, (100_000, 1))
        for name, limit in TABLE.items()
        if limit.buckets
    }
)
EXAMPLES = 3
CALLERS = ("anonymous", "user", "moderator", "admin", "program")
ENDING = {"logout", "delete_me", "change_password", "revoke_session", "revoke_other_sessions"}
"""What may end the session that the other requests are made with."""


@dataclass
class Known:
    """What there is: somebody's tokens by role, and ids that lead beyond a 404."""

    url: str
    schema: Any
    tokens: dict[str, str]
    ids: dict[str, str]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    state = tmp_path_factory.mktemp("fuzzed")
    with Cloud(state, "--messages", "postgres", RATE_LIMITS=UNLIMITED) as cloud:
        yield asyncio.run(prepared(cloud))


async def prepared(cloud: Cloud) -> Known:
    service = registered(
        cloud,
        redirect_uris=[],
        post_logout_redirect_uris=[],
        scopes=["push.send", "users.validate"],
    )
    async with aiohttp.ClientSession() as http:
        people = People(cloud, http)
        user, bo, chat = await people.pair()
        await user.send(chat, "hi")
        signed_in = {role: await people.staff(role) for role in ("moderator", "admin")}
        form = aiohttp.FormData({"grant_type": "client_credentials"})
        url = f"{cloud.http_url}/oauth2/token"
        headers = {"Authorization": aiohttp.encode_basic_auth(service.id, service.secret or "")}
        async with http.post(url, data=form, headers=headers) as answer:
            token = (await answer.json())["access_token"]
        return Known(
            url=cloud.http_url,
            schema=schemathesis.openapi.from_dict(
                await people.anonymous.ok("GET /v1/openapi.json")
            ),
            tokens={
                "anonymous": "",
                "program": token,
                "user": user.token or "",
                **{role: one.token or "" for role, one in signed_in.items()},
            },
            ids={"chat_id": chat, "user_id": bo.id, "client_id": service.id},
        )


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("caller", CALLERS)
def test_no_answer_is_undocumented_or_a_failure_of_ours(
    known: Known, caller: str, mode: GenerationMode
) -> None:
    headers = {"Authorization": f"Bearer {known.tokens[caller]}"} if caller != "anonymous" else {}
    seen: Counter[int] = Counter()
    failures = []
    with requests.Session() as session:
        for found in known.schema.get_all_operations():
            operation = found.ok()  # else it raises
            if operation.definition.raw["operationId"] in ENDING:
                continue
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                seen += Counter(tried(strategy, known, headers, session))
            except Unsatisfiable:
                continue  # it takes nothing that could be wrong
            except FailureGroup as group:
                failures.append(f"{operation.label}: {group.exceptions}")
    assert failures == []
    assert len(seen) > 3, seen


def tried(strategy: Any, known: Known, headers: dict[str, str], session: Any) -> list[int]:
    """The statuses that an operation answered with, once each was found to be documented."""
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def send(case: Any) -> None:
        if len(statuses) % 2:  # every other one is about what there is
            case.path_parameters.update(
                {name: known.ids[name] for name in case.path_parameters if name in known.ids}
            )
        response = case.call(base_url=known.url, headers=headers, session=session, timeout=20)
        statuses.append(response.status_code)
        if "x-request-id" in response.headers:
            case.validate_response(response, checks=CHECKS)
        else:  # in API Gateway's own name: such a path or request never reaches us
            assert response.status_code in (400, 403, 413), response.text

    send()
    return statuses
