"""Signing in with Google on the provider's page."""

from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.errors import Forbidden
from chalicelib.oauth.clients.registration import RegisteredClient
from tests.unit.auth.google import test_google as google
from tests.unit.auth.second_factor import test_second_factor as second_factor
from tests.unit.oauth.conftest import Provider, make_provider
from tests.unit.oauth.signing_in.conftest import Tab

ALLOW = "Allow Board?"


def id_token(visitor: google.Visitor, to_google: str) -> dict[str, str]:
    """What Google answers: an ID token with the nonce that it got."""
    asked = {name: one[0] for name, one in parse_qs(urlsplit(to_google).query).items()}
    visitor.claims["nonce"] = asked["nonce"]
    return {"state": asked["state"], "id_token": visitor.token()}


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
