"""Every way to sign in on the provider's page, also when the bucket of the address is empty."""

import html
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.errors import Forbidden, RateLimited
from chalicelib.identity import Identity
from chalicelib.oauth.authorize.shown import Shown
from chalicelib.oauth.clients.registration import RegisteredClient
from chalicelib.wire import Sent
from tests.unit.auth.fakes import PHONE
from tests.unit.auth.google import test_google as google
from tests.unit.auth.passkeys import test_passkeys as passkeys
from tests.unit.auth.passkeys.authenticator import Authenticator
from tests.unit.auth.second_factor import test_second_factor as second_factor
from tests.unit.conftest import PASSWORD
from tests.unit.oauth.conftest import ASKED, Provider, make_provider
from tests.unit.settings import rates

ALLOW = "Allow Board?"
NEW = {
    "display_name": "Nia",
    "username": "nia",
    "email": "nia@example.org",
    "password": "a few good words",
}


class Tab:
    """A browser: keeps cookies, and the fields of the page."""

    def __init__(self, provider: Provider, program: RegisteredClient, **changes: str) -> None:
        self.provider = provider
        query = {**ASKED, "client_id": program.client_id, **changes}
        self.query = {name: [value] for name, value in query.items()}
        self.cookies: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        self.shown = self.kept(provider.browsers.ask(Sent(query=self.query), PHONE))

    def submit(self, do: str, **form: str) -> str:
        """Press a button; the page, or where the browser is sent."""
        given = {**self.fields, "do": do, **form}
        sent = Sent(
            query=self.query,
            form={name: [value] for name, value in given.items()},
            cookies=self.cookies,
        )
        self.shown = self.kept(self.provider.browsers.answer(sent, PHONE))
        return self.shown.headers.get("Location") or self.shown.body

    def sign_in(self, login: str = "ana") -> str:
        return self.submit("sign_in", login=login, password=PASSWORD)

    def options(self) -> Any:
        found = re.search('data-options="(.*?)"', self.shown.body)
        assert found
        return json.loads(html.unescape(found[1]))

    def kept(self, shown: Shown) -> Shown:
        for cookie in shown.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        found = re.findall('<input type="hidden" name="(seal|kept)" value="(.*?)">', shown.body)
        if shown.status == 200:
            self.fields = dict(found)
        return shown


@pytest.fixture
def provider() -> Provider:
    return make_provider(rate_limits=rates({"page.address": 6}))


@pytest.fixture
def program(provider: Provider) -> RegisteredClient:
    return provider.program()


@pytest.fixture
def tab(provider: Provider, program: RegisteredClient) -> Tab:
    """A browser that has the page, before the bucket of its address is empty."""
    tab = Tab(provider, program)
    for _ in range(5):
        Tab(provider, program)
    with pytest.raises(RateLimited):
        Tab(provider, program)
    return tab


def id_token(visitor: google.Visitor, to_google: str) -> dict[str, str]:
    """What Google answers: an ID token with the nonce that it got."""
    asked = {name: one[0] for name, one in parse_qs(urlsplit(to_google).query).items()}
    visitor.claims["nonce"] = asked["nonce"]
    return {"state": asked["state"], "id_token": visitor.token()}


class TestTheSecondStep:
    def test_takes_a_code_and_does_not_show_the_password(self, tab: Tab) -> None:
        holder = second_factor.Holder(tab.provider.world)

        page = tab.sign_in()

        assert "One more step" in page
        assert PASSWORD not in page
        assert ALLOW in tab.submit("second_factor", code=holder.code())

    def test_takes_a_recovery_code(self, tab: Tab) -> None:
        holder = second_factor.Holder(tab.provider.world)
        tab.sign_in()

        assert ALLOW in tab.submit("second_factor", code=holder.codes[0].upper())

    def test_takes_a_passkey(self, tab: Tab) -> None:
        device = Authenticator()
        second_factor.Holder(tab.provider.world, device)
        tab.sign_in()

        answer = json.dumps(device.answer(tab.options()))
        assert ALLOW in tab.submit("second_factor", passkey=answer)

    @pytest.mark.parametrize(
        ("form", "said"),
        [
            ({"code": "000000"}, "This code is wrong"),
            ({"code": ""}, "A code of the app has 6 digits."),
            ({"code": "12345"}, "A code of the app has 6 digits."),
            ({"code": "x" * 99}, "A code of the app has 6 digits."),
            ({}, "A code of the app has 6 digits."),
        ],
    )
    def test_a_wrong_code_is_asked_for_again(
        self, tab: Tab, form: dict[str, str], said: str
    ) -> None:
        holder = second_factor.Holder(tab.provider.world)
        tab.sign_in()
        tab.provider.world.throttle.taken.clear()

        assert said in tab.submit("second_factor", **form)
        assert [key for key in tab.provider.world.throttle.taken if ":page:" in key]
        assert ALLOW in tab.submit("second_factor", code=holder.code())

    @pytest.mark.parametrize("answer", ["nonsense", "{}", '{"id": "x"}', "[]"])
    def test_a_wrong_passkey_leaves_the_other_ways(self, tab: Tab, answer: str) -> None:
        device = Authenticator()
        holder = second_factor.Holder(tab.provider.world, device)
        tab.sign_in()
        tab.provider.world.throttle.taken.clear()

        assert "did not sign you in" in tab.submit("second_factor", passkey=answer)
        assert tab.options()
        assert ALLOW in tab.submit("second_factor", code=holder.code())

    def test_expires(self, tab: Tab) -> None:
        holder = second_factor.Holder(tab.provider.world)
        tab.sign_in()
        tab.provider.world.clock.go(minutes=20)

        page = tab.submit("second_factor", code=holder.code())

        assert "That took too long" in page
        assert "Sign in to continue" in page

    def test_works_only_in_the_browser_that_sent_the_password(
        self, provider: Provider, program: RegisteredClient
    ) -> None:
        holder = second_factor.Holder(provider.world)
        first, other = Tab(provider, program), Tab(provider, program)
        first.sign_in()

        page = other.submit("second_factor", code=holder.code(), kept=first.fields["kept"])

        assert "That took too long" in page

    def test_ends_when_the_password_changes(self, tab: Tab) -> None:
        world = tab.provider.world
        holder = second_factor.Holder(world)
        tab.sign_in()
        world.tables.passwords[holder.identity.user_id] = world.passwords.hash("another one")

        assert "The login or the password is wrong" in tab.submit(
            "second_factor", code=holder.code()
        )


class TestPasskeys:
    def test_sign_in_without_a_password(self, tab: Tab) -> None:
        holder = passkeys.Holder(tab.provider.world)
        options = tab.provider.world.passkeys.begin_sign_in().options

        assert ALLOW in tab.submit("passkey", passkey=json.dumps(holder.device.answer(options)))
        (session,) = [s for s in tab.provider.world.tables.sessions.values() if s.scope]
        assert session.scopes == {"authorize"}

    @pytest.mark.parametrize("answer", ["", "nonsense", "{}", "[]", "null"])
    def test_anything_else_is_refused_and_counted(self, tab: Tab, answer: str) -> None:
        tab.provider.world.throttle.taken.clear()

        assert "did not sign you in" in tab.submit("passkey", passkey=answer)
        assert [key for key in tab.provider.world.throttle.taken if ":page:" in key]

    def test_are_not_offered_where_they_are_off(self) -> None:
        provider = make_provider(passkey_origins="")

        assert 'id="passkey"' not in Tab(provider, provider.program()).shown.body


class TestGoogle:
    @pytest.mark.parametrize(
        ("issuer", "origin"),
        [
            ("https://chat.example/api", "https://chat.example"),
            ("http://127.0.0.1:8400", "http://127.0.0.1:8400"),
        ],
    )
    def test_is_offered_at_the_origin_that_it_sends_users_back_to(
        self, issuer: str, origin: str
    ) -> None:
        provider = make_provider(issuer=issuer)

        page = Tab(provider, provider.program()).shown.body

        assert f'id="google" data-origins="{origin}"' in page

    def test_a_new_user_chooses_a_username(self, provider: Provider, tab: Tab) -> None:
        visitor = google.ana(provider.world)
        back = id_token(visitor, tab.submit("google"))

        page = tab.submit("google_back", **back)
        assert "Choose a username" in page
        assert back["id_token"] not in page
        assert "Choose a username" in tab.submit("username", username="no")
        assert ALLOW in tab.submit("username", username="Ana_1")

        (user,) = provider.world.tables.users.values()
        assert user.profile.username == "ana_1"

    def test_a_taken_name_is_asked_for_again(self, provider: Provider, tab: Tab) -> None:
        provider.world.register("bob")
        tab.submit("google_back", **id_token(google.ana(provider.world), tab.submit("google")))

        assert "This username is taken" in tab.submit("username", username="bob")
        assert ALLOW in tab.submit("username", username="ana")

    def test_an_account_with_a_second_factor_is_asked_for_it(
        self, provider: Provider, tab: Tab
    ) -> None:
        holder = second_factor.Holder(provider.world)
        visitor = google.ana(provider.world)
        provider.world.tables.google[holder.identity.user_id] = "1", provider.world.clock()

        page = tab.submit("google_back", **id_token(visitor, tab.submit("google")))

        assert "One more step" in page
        assert ALLOW in tab.submit("second_factor", code=holder.code())

    def test_an_answer_is_valid_for_one_browser_and_one_request(
        self, provider: Provider, program: RegisteredClient
    ) -> None:
        first, other = Tab(provider, program), Tab(provider, program)
        elsewhere = Tab(provider, program, state="another")
        elsewhere.cookies = first.cookies
        back = id_token(google.ana(provider.world), first.submit("google"))

        for tab in (other, elsewhere):
            with pytest.raises(Forbidden):
                tab.submit("google_back", **back)
        for state in ("", ".", "x.", back["state"].partition(".")[0]):
            with pytest.raises(Forbidden):
                first.submit("google_back", id_token=back["id_token"], state=state)

    def test_a_token_for_another_nonce_is_refused(self, provider: Provider, tab: Tab) -> None:
        provider.world.throttle.taken.clear()  # what is wrong does count
        back = id_token(google.ana(provider.world), tab.submit("google"))
        stolen = google.ana(provider.world).token()

        page = tab.submit("google_back", state=back["state"], id_token=stolen)

        assert "is not valid any more" in page
        assert "Sign in to continue" in page

    def test_gets_only_what_it_needs(self, provider: Provider, tab: Tab) -> None:
        asked = parse_qs(urlsplit(tab.submit("google")).query)

        assert asked["redirect_uri"] == [f"{provider.world.settings.issuer}/oauth2/google"]
        assert asked["response_type"] == ["id_token"]
        assert tab.cookies["parley-mark"] not in str(asked)
        assert "program.example" not in str(asked)


class TestNewAccounts:
    def test_are_signed_in_at_once(self, provider: Provider, tab: Tab) -> None:
        assert "Create an account" in tab.submit("to_register")

        assert ALLOW in tab.submit("register", **NEW)

        (session,) = provider.world.tables.sessions.values()
        assert session.scopes == {"authorize"}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("display_name", ""),
            ("username", "x"),
            ("username", "ana"),
            ("email", "nobody"),
            ("password", "short"),
            ("password", "nia@example.org"),
        ],
    )
    def test_an_error_is_shown_at_its_field(
        self, provider: Provider, tab: Tab, field: str, value: str
    ) -> None:
        provider.world.register("ana")

        page = tab.submit("register", **{**NEW, field: value})

        assert f'id="{field}-wrong"' in page
        assert "<title>Problem: " in page
        assert page.count(" autofocus") == 1
        assert NEW["password"] not in page
        assert len(provider.world.tables.users) == 1

    def test_have_the_same_limits_as_in_the_api(self) -> None:
        provider = make_provider(rate_limits=rates({"register.address": 1}))
        tab = Tab(provider, provider.program())
        tab.submit("register", **NEW)
        other = Tab(provider, provider.program())

        page = other.submit("register", **{**NEW, "username": "bob"})

        assert "Too many requests" in page
        assert len(provider.world.tables.users) == 1


class TestForgotten:
    @pytest.mark.parametrize("email", ["ana@example.org", "nobody@example.org"])
    def test_passwords_are_reset_by_mail_and_the_page_reveals_no_account(
        self, provider: Provider, tab: Tab, email: str
    ) -> None:
        provider.world.verified()
        assert "Forgot your password?" in tab.submit("to_forgot")

        page = tab.submit("forgot", email=email)

        assert "If an account has this address" in page
        assert len(provider.world.mailed()) == (email == "ana@example.org")
        assert "Sign in to continue" in tab.submit("to_sign_in")

    def test_an_invalid_address_is_reported(self, provider: Provider, tab: Tab) -> None:
        assert 'id="email-wrong"' in tab.submit("forgot", email="nobody")


class TestEnds:
    def test_deleting_a_program_deletes_its_consents(self, provider: Provider) -> None:
        admin, program = provider.world.staff("admin"), provider.program()
        tab = Tab(provider, program)
        tab.sign_in(admin.user.username)
        assert "code=" in tab.submit("allow")
        assert provider.world.tables.consents

        provider.clients.delete(provider.world.identity(admin), PHONE, program.client_id)

        assert not provider.world.tables.consents

    def test_a_session_that_ended_before_the_answer_leaves_no_consent(
        self, provider: Provider, program: RegisteredClient
    ) -> None:
        ana = provider.world.register()
        page = Identity(user_id=ana.user.id, session_id=ana.session_id)
        provider.world.auth.end(page.user_id, page.session_id)
        provider.consents.remember(
            page.user_id,
            program.client_id,
            ["openid"],
            session_id=page.session_id,
            now=provider.world.clock(),
        )

        assert not provider.world.tables.consents
