"""What `make run` and `make demo` fill in for a newcomer."""

from local import demo
from tests.client import Api
from tests.cloud import Cloud
from tests.e2e.conftest import People, Run


def test_two_accounts_can_sign_in_and_have_one_chat_however_often_it_is_filled(
    run: Run, cloud: Cloud
) -> None:
    for _ in range(2):
        demo.fill(cloud.http_url)

    async def scenario(people: People) -> None:
        unread = {}
        for account in demo.ACCOUNTS:
            given = {"login": account.username, "password": account.password}
            signed_in = await people.anonymous.ok("POST /v1/auth/login", given)
            user = Api(cloud.http_url, people.http, signed_in["access_token"])
            [chat] = (await user.ok("GET /v1/chats"))["items"]
            history = await user.ok(f"GET /v1/chats/{chat['id']}/messages")
            assert [one["content"]["text"] for one in history["items"][::-1]] == [
                text for _, text in demo.LINES
            ]
            unread[account.username] = chat["unread_count"]
            assert len((await user.ok("GET /v1/auth/sessions"))["items"]) == 1
        assert unread == {"ada": 0, "ben": 1}

    run(scenario)
