"""The endpoints for programs, with fakes: races, outages, limits."""

from dataclasses import replace

import pytest

from chalicelib.auth.models import Credentials
from chalicelib.auth.sessions.models import Terms
from chalicelib.errors import Forbidden, NotFound, RateLimited, Unauthorized, Unavailable
from chalicelib.oauth.authorize.answers import NoWayBack
from chalicelib.oauth.clients.registration import ClientQuery, NewClient, RegisteredClient
from chalicelib.scopes import SIGN_IN
from chalicelib.wire import Sent
from tests.unit.auth.fakes import PHONE
from tests.unit.conftest import PASSWORD
from tests.unit.oauth.conftest import ASKED, BACK, CHALLENGE, Provider, make_provider
from tests.unit.settings import rates

NEW = NewClient(name="Board", redirect_uris=[BACK], scopes=["openid"], confidential=True)


class TestCodes:
    def test_two_uses_at_once_both_lose_their_tokens(self, provider: Provider) -> None:
        """The second use comes before the first has opened its session."""
        ana, program = provider.world.register(), provider.program()
        code = provider.code(program, ana)
        open_for = provider.world.auth.open_for

        def while_another_comes(*arguments: object) -> object:
            again = provider.codes.redeem(code, program.client_id, CHALLENGE)
            assert again
            assert again[1]
            return open_for(*arguments)  # type: ignore[arg-type]

        provider.world.auth.open_for = while_another_comes  # type: ignore[method-assign,assignment]
        outcome = provider.trade(program, code)

        assert (outcome.status, outcome.error) == (400, "invalid_grant")
        granted = [s for s in provider.world.tables.sessions.values() if s.client_id]
        assert [one.revoked_at is not None for one in granted] == [True]

    def test_a_code_of_a_session_that_has_ended_opens_nothing(self, provider: Provider) -> None:
        ana, program = provider.world.register(), provider.program()
        code = provider.code(program, ana)
        provider.world.auth.end(ana.user.id, ana.session_id)

        assert provider.trade(program, code).error == "invalid_grant"

    def test_an_outage_does_not_count_as_a_guess(self, provider: Provider) -> None:
        ana, program = provider.world.register(), provider.program()
        code = provider.code(program, ana)
        provider.world.tables.down = True
        with pytest.raises(Unavailable):
            provider.trade(program, code)

        assert not [key for key in provider.world.throttle.taken if ":guess:" in key]


class TestScopes:
    def test_a_program_loses_the_scopes_that_its_user_loses(self, provider: Provider) -> None:
        ana, program = provider.world.register(), provider.program()
        tokens = provider.granted(program, ana)
        session = provider.world.auth.session_behind(tokens["refresh_token"])
        assert session

        assert session.scopes == {"openid", "chats.read"}
        beyond = replace(session, scope="openid chats.read admin.roles account")
        assert beyond.scopes == {"openid", "chats.read", "account"}
        assert "admin.roles" in replace(beyond, roles=frozenset({"admin"})).scopes

    def test_a_refresh_can_ask_for_fewer_scopes_but_not_for_more(self, provider: Provider) -> None:
        ana = provider.world.register()
        program = provider.program(scopes=["openid", "chats.read", "users.read"])
        token = provider.granted(program, ana)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token}

        less = provider.post("token", program, **form, scope="openid").body
        more = provider.post("token", program, **form, scope="openid users.read")

        assert isinstance(less, dict)
        assert less["scope"] == "openid"
        assert more.error == "invalid_scope"


class TestGuesses:
    """Wrong requests from an address do not block correct requests from there."""

    NOBODY = "01a20000-0000-7000-8000-00000000000a"

    @pytest.fixture
    def provider(self) -> Provider:
        sizes = {"guess.address": 3, "page.address": 3, "refresh.address": 3}
        return make_provider(rate_limits=rates(sizes))

    def exhaust(self, provider: Provider, program: RegisteredClient) -> None:
        wrong = program.model_copy(update={"client_secret": "wrong"})
        for _ in range(3):
            assert provider.post("token", wrong, grant_type="client_credentials").status == 401
        with pytest.raises(RateLimited):
            provider.post("token", wrong, grant_type="client_credentials")

    def test_wrong_secrets_are_rate_limited_and_correct_ones_never_wait(
        self, provider: Provider
    ) -> None:
        program = provider.program(scopes=["openid", "tokens.introspect"])
        self.exhaust(provider, program)

        for _ in range(5):
            assert provider.post("token", program, grant_type="client_credentials").status == 200
            assert provider.post("introspect", program, token="x").body == {"active": False}

    def test_unknown_programs_are_rate_limited_too(self, provider: Provider) -> None:
        program = provider.program()
        nobody = program.model_copy(update={"client_id": self.NOBODY})
        for _ in range(3):
            with pytest.raises(NoWayBack):
                provider.ask(nobody, {})

        with pytest.raises(RateLimited):
            provider.ask(nobody, {})
        assert provider.ask(program, {}).status == 200

    def test_wrong_tokens_of_a_program_count_against_that_program_only(self) -> None:
        provider = make_provider(rate_limits=rates({"token.user": 5, "guess.address": 1}))
        program, other = provider.program(), provider.program(name="Other")
        ana = provider.world.register()
        tokens = provider.granted(other, ana)
        wrong = {"grant_type": "refresh_token", "refresh_token": f"{self.NOBODY}.{'0' * 64}"}
        for _ in range(5):
            assert provider.post("token", program, PHONE, **wrong).error == "invalid_grant"

        with pytest.raises(RateLimited):
            provider.post("token", program, PHONE, **wrong)
        right = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert provider.post("token", other, PHONE, **right).status == 200
        assert provider.world.refresh(ana.refresh_token)

    def test_correct_codes_and_tokens_of_a_public_program_ignore_the_address_limit(
        self, provider: Provider
    ) -> None:
        public = provider.program(confidential=False)
        ana = provider.world.register()
        code = provider.code(public, ana)
        wrong = {"grant_type": "refresh_token", "refresh_token": f"{self.NOBODY}.{'0' * 64}"}
        for _ in range(3):
            assert provider.post("token", public, PHONE, **wrong).error == "invalid_grant"
        with pytest.raises(RateLimited):
            provider.post("token", public, PHONE, **wrong)

        tokens = provider.trade(public, code).body
        assert isinstance(tokens, dict)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        fresh = provider.post("token", public, PHONE, **form).body
        assert isinstance(fresh, dict)
        assert provider.post("revoke", public, token=fresh["refresh_token"]).status == 200

    def test_a_user_who_is_signed_in_on_the_page_has_separate_buckets(
        self, provider: Provider
    ) -> None:
        program = provider.program()
        provider.world.register()
        credentials = Credentials(login="ana", password=PASSWORD)
        terms = Terms(scope=SIGN_IN, seconds=900)
        page = provider.world.accounts.login(credentials, PHONE, terms)
        for _ in range(3):
            assert provider.ask(program, {}).status == 200

        with pytest.raises(RateLimited):
            provider.ask(program, {})
        cookies = {"parley-sign-in": page.access_token, "parley-mark": "m" * 43}
        assert "Allow" in provider.ask(program, cookies).body

    def test_a_guess_at_a_refresh_token_ends_nothing_and_reveals_nothing(
        self, provider: Provider
    ) -> None:
        program, ana = provider.program(), provider.world.register()
        tokens = provider.granted(program, ana)
        session_id, _, _ = tokens["refresh_token"].partition(".")
        guess = {"grant_type": "refresh_token", "refresh_token": f"{session_id}.{'0' * 64}"}

        for scope in ("openid", "users.read"):  # only the owner learns which scopes it has
            assert (
                provider.post("token", program, PHONE, **guess, scope=scope).error
                == "invalid_grant"
            )

        assert provider.post("introspect", program, token=tokens["refresh_token"]).status == 200
        right = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        assert provider.post("token", program, PHONE, **right).status == 200

    def test_sessions_of_programs_are_limited_by_user_before_they_are_opened(self) -> None:
        provider = make_provider(rate_limits=rates({"sign-in.user": 2}))
        program, ana = provider.program(), provider.world.register()
        for _ in range(2):
            provider.granted(program, ana)
        code, before = provider.code(program, ana), len(provider.world.tables.sessions)

        with pytest.raises(RateLimited):
            provider.trade(program, code)

        assert len(provider.world.tables.sessions) == before


class TestClients:
    def test_only_an_admin_registers_and_deletes(self, provider: Provider) -> None:
        world = provider.world
        admin, moderator = world.staff("admin"), world.staff("moderator")
        made = provider.clients.register(world.identity(admin), PHONE, NEW)

        with pytest.raises(Forbidden):
            provider.clients.register(world.identity(moderator), PHONE, NEW)
        with pytest.raises(Forbidden):
            provider.clients.delete(world.identity(moderator), PHONE, made.client_id)
        with pytest.raises(NotFound):
            provider.clients.delete(world.identity(admin), PHONE, admin.user.id)

        log = [(one.actor, one.action, one.target, one.address) for one in world.tables.audit]
        assert log[-1] == (admin.user.id, "client.register", made.client_id, PHONE.address)

    def test_the_secret_is_not_in_any_repr(self, provider: Provider) -> None:
        made = provider.clients.install(NEW)
        listed = provider.clients.list(ClientQuery())

        assert made.client_secret
        for one in (provider.store.known, listed, repr(made), provider.world.tables.audit):
            assert made.client_secret not in str(one)

    def test_deleting_a_program_ends_its_sessions(self, provider: Provider) -> None:
        world = provider.world
        admin = world.staff("admin")
        program = provider.program(scopes=["openid", "tokens.introspect"])
        grants = [
            provider.granted(program, world.register(name), scope="openid")
            for name in ("ana", "bob")
        ]
        own = provider.post("token", program, grant_type="client_credentials").body
        code = provider.code(program, admin, scope="openid")

        provider.clients.delete(world.identity(admin), PHONE, program.client_id)

        for tokens in grants:
            with pytest.raises(Unauthorized):
                world.auth.authenticate(f"Bearer {tokens['access_token']}")
        assert provider.trade(program, code).error == "invalid_client"
        server = provider.program(redirect_uris=[], scopes=["tokens.introspect"])
        assert isinstance(own, dict)
        told = provider.post("introspect", server, token=own["access_token"])
        assert told.body == {"active": False}

    def test_the_list_has_pages(self, provider: Provider) -> None:
        made = [provider.clients.install(NEW).client_id for _ in range(3)]

        first = provider.clients.list(ClientQuery(limit=2))
        second = provider.clients.list(ClientQuery(limit=2, cursor=first.next))

        assert [one.client_id for one in (*first.items, *second.items)] == sorted(
            made, reverse=True
        )
        assert second.next is None


class TestPages:
    def test_over_https_no_other_host_of_the_domain_can_set_their_cookies(
        self, provider: Provider
    ) -> None:
        secure = make_provider(issuer="https://chat.example/api")
        (cookie,) = secure.ask(secure.program(), {}).cookies

        assert cookie.startswith("__Host-parley-mark=")
        assert "; Path=/; HttpOnly; SameSite=Lax; Secure;" in cookie
        (plain,) = provider.ask(provider.program(), {}).cookies
        assert plain.startswith("parley-mark=")

    def test_a_program_s_name_cannot_become_markup(self, provider: Provider) -> None:
        program = provider.program(name="<img src=x onerror=alert(1)>")

        shown = provider.ask(program, {}, state='"><script>')

        assert "<img" not in shown.body
        assert shown.body.count("<script>") == 1

    def test_an_old_sign_in_does_not_satisfy_max_age(self, provider: Provider) -> None:
        program, ana = provider.program(), provider.world.register()
        form = {"login": [ana.user.username], "password": ["correct horse"], "do": ["sign_in"]}
        first = provider.ask(program, {})
        mark = first.cookies[0].partition(";")[0].partition("=")[2]
        seal = first.body.partition('name="seal" value="')[2].partition('"')[0]
        query = dict(_query(program.client_id))
        sent = Sent(query=query, form={**form, "seal": [seal]}, cookies={"parley-mark": mark})
        second = provider.browsers.answer(sent, PHONE)
        sign_in = second.cookies[1].partition(";")[0].partition("=")[2]
        cookies = {"parley-mark": mark, "parley-sign-in": sign_in}

        assert "Allow Board?" in provider.ask(program, cookies).body
        provider.world.clock.time = provider.world.clock.time.replace(year=2100)
        assert "Sign in to continue" in provider.ask(program, cookies, max_age="60").body


def _query(client_id: str) -> dict[str, list[str]]:
    return {name: [value] for name, value in {**ASKED, "client_id": client_id}.items()}
