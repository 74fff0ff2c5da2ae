"""Every way to sign in on the provider's page, also when the bucket of the address is empty."""

import json

import pytest

from chalicelib.identity import Identity
from chalicelib.oauth.clients.registration import RegisteredClient
from tests.unit.auth.fakes import PHONE
from tests.unit.auth.passkeys import test_passkeys as passkeys
from tests.unit.auth.passkeys.authenticator import Authenticator
from tests.unit.auth.second_factor import test_second_factor as second_factor
from tests.unit.conftest import PASSWORD
from tests.unit.oauth.conftest import Provider, make_provider
from tests.unit.oauth.signing_in.conftest import Tab
from tests.unit.settings import rates

ALLOW = "Allow Board?"


NEW = {
    "display_name": "Nia",
    "username": "nia",
    "email": "nia@example.org",
    "password": "a few good words",
}


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
