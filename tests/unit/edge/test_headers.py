"""What browsers may do with answers, and which origins may read them."""

from typing import Any

import pytest
from chalice import Chalice

import app as application
from chalicelib.auth.sessions.models import Jwks
from chalicelib.config import SettingsInvalid
from chalicelib.deps import deps
from chalicelib.edge import headers
from chalicelib.edge.call import answered as answered_with
from chalicelib.edge.endpoints import ENDPOINTS
from chalicelib.edge.forms import FORM
from chalicelib.errors import Unauthorized, Unavailable
from chalicelib.limits.table import Use
from tests.unit.edge.test_rest import FakeAuth, FakeThrottle, call
from tests.unit.settings import ENVIRONMENT, settings

OURS = "https://chat.example.org"
OTHERS = [
    "https://chat.example.org.evil.example",
    "https://evil.example/https://chat.example.org",
    "http://chat.example.org",
    "https://chat.example.org:444",
    "https://CHAT.example.org",
    f"{OURS}\r\nX-Evil: 1",
    "null",
    "*",
    "",
]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Chalice:
    monkeypatch.setitem(vars(deps), "auth", FakeAuth())
    monkeypatch.setitem(vars(deps), "throttle", FakeThrottle())
    given(monkeypatch, issuer="https://api.example.org")
    return application.app


def given(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setitem(vars(deps), "settings", settings(**changes))


ANSWERS = [
    ("GET /v1/health", None),
    ("GET /v1/users/me", None),
    ("GET /v1/users/me", "busy"),
    ("GET /v1/users/me", "down"),
    ("GET /v1/admin/audit", "good"),
    ("POST /v1/auth/login", None),
    ("OPTIONS /v1/users/me", None),
]


class Anybody:
    """Has public keys, and refuses everybody else."""

    def admit(self, authorization: str, use: Use) -> None:
        raise Unauthorized()

    def public_keys(self) -> Jwks:
        return Jwks(keys=[])


class FakeOrigins:
    """Knows one program."""

    def __init__(self, *, down: bool = False) -> None:
        self.down = down

    def know(self, origin: str) -> bool:
        if self.down:
            raise Unavailable("postgres")
        return origin == "https://program.example"


class TestCaches:
    @pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
    def test_may_keep_answers_that_are_the_same_for_all(self, app: Chalice, name: str) -> None:
        status, answered, _ = call(app, f"GET /.well-known/{name}")

        assert status == 200
        assert answered["cache-control"] == "public, max-age=3600"

    def test_do_not_keep_errors(self, app: Chalice, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(vars(deps), "auth")
        given(monkeypatch, jwt_keys="{}", issuer="https://api.example.org")

        status, answered, _ = call(app, "GET /.well-known/jwks.json")

        assert status == 500
        assert answered["cache-control"] == "no-store"


class TestSecurity:
    @pytest.mark.parametrize(("route", "token"), ANSWERS)
    def test_every_answer_says_what_browsers_may_do_with_it(
        self, app: Chalice, route: str, token: str | None
    ) -> None:
        _, answered, _ = call(app, route, token=token)

        for name, value in headers.PRIVATE.items():
            assert answered[name.lower()] == value
        assert answered["strict-transport-security"] == "max-age=63072000"

    def test_an_answer_without_a_body_has_them_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given(monkeypatch)

        answered = answered_with(None, 204, "r1").headers

        assert headers.PRIVATE.items() <= answered.items()

    def test_without_https_browsers_are_not_told_to_use_it(self) -> None:
        assert "Strict-Transport-Security" not in headers.common("http://127.0.0.1:8000")


class TestOrigins:
    @pytest.mark.parametrize("origins", ["", "https://other.example", f"{OURS}, https://b.example"])
    @pytest.mark.parametrize("origin", OTHERS)
    @pytest.mark.parametrize("route", ["GET /v1/users/me", "OPTIONS /v1/users/me"])
    def test_other_origins_may_not_read_an_answer(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch, origins: str, origin: str, route: str
    ) -> None:
        given(monkeypatch, cors_origins=origins)

        _, answered, _ = call(app, route, token=None, headers={"origin": origin})

        assert not [name for name in answered if name.startswith("access-control")]
        assert answered["vary"] == "Origin"

    @pytest.mark.parametrize("origins", [OURS, f"https://b.example,{OURS}", f"{OURS}, http://c:1"])
    def test_an_allowed_origin_may_read_an_answer(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch, origins: str
    ) -> None:
        given(monkeypatch, cors_origins=origins)

        _, answered, _ = call(app, "GET /v1/users/me", token=None, headers={"origin": OURS})

        assert answered["access-control-allow-origin"] == OURS
        assert "RateLimit" in answered["access-control-expose-headers"]
        assert answered["vary"] == "Origin"

    def test_a_preflight_is_answered_with_the_methods_of_the_path(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given(monkeypatch, cors_origins=OURS)

        status, answered, _ = call(
            app, "OPTIONS /v1/auth/sessions", token=None, headers={"origin": OURS}
        )

        assert status == 204
        assert answered["access-control-allow-methods"] == "DELETE, GET"
        assert answered["access-control-allow-headers"] == "Authorization, Content-Type"
        assert answered["access-control-max-age"] == "7200"

    @pytest.mark.parametrize("route", ["GET /v1/users/me", "OPTIONS /v1/users/me"])
    @pytest.mark.parametrize("origins", ["*", OURS])
    def test_no_answer_allows_credentials(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch, route: str, origins: str
    ) -> None:
        given(monkeypatch, cors_origins=origins)

        _, answered, _ = call(app, route, token=None, headers={"origin": OURS})

        allowed = answered["access-control-allow-origin"]
        assert allowed == origins
        assert "access-control-allow-credentials" not in answered

    def test_every_path_but_pages_answers_preflights(self) -> None:
        asked = {path for path, methods in application.app.routes.items() if "OPTIONS" in methods}

        assert asked == {one.path for one in ENDPOINTS if not one.page}

    @pytest.mark.parametrize(
        "route",
        [
            *(f"{one.method} {one.path}" for one in ENDPOINTS if one.open and not one.page),
            "GET /oauth2/userinfo",
            "POST /oauth2/userinfo",
        ],
    )
    @pytest.mark.parametrize("origins", ["", OURS, "*"])
    def test_public_answers_may_be_read_by_every_origin(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch, route: str, origins: str
    ) -> None:
        given(monkeypatch, cors_origins=origins)
        monkeypatch.setitem(vars(deps), "auth", Anybody())
        method, path = route.split(" ")
        asked = {"origin": "https://x.example", "access-control-request-method": method}

        _, preflight, _ = call(app, f"OPTIONS {path}", token=None, headers=asked)
        _, answered, _ = call(app, route, token=None, headers={"origin": "https://x.example"})

        assert preflight["access-control-allow-origin"] == "*"
        assert method in preflight["access-control-allow-methods"].split(", ")
        assert answered["access-control-allow-origin"] == "*"
        assert "WWW-Authenticate" in answered["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answered | preflight

    def test_a_preflight_names_no_method_that_other_pages_may_not_call(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given(monkeypatch, cors_origins="")
        asked = {"origin": "https://x.example", "access-control-request-method": "GET"}

        _, preflight, _ = call(app, "OPTIONS /v1/auth/google", token=None, headers=asked)

        assert preflight["access-control-allow-methods"] == "GET, HEAD"
        for method in ("POST", "DELETE", "", "GET, POST"):
            asked["access-control-request-method"] = method
            _, preflight, _ = call(app, "OPTIONS /v1/auth/google", token=None, headers=asked)
            assert "access-control-allow-origin" not in preflight

    @pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/revoke"])
    def test_pages_of_oauth_clients_may_call_the_routes_they_need(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        given(monkeypatch, cors_origins=OURS)
        monkeypatch.setitem(vars(deps), "program_origins", FakeOrigins())
        asked = {"access-control-request-method": "POST"}
        for origin in (OURS, "https://program.example", "https://evil.example", "null", ""):
            sent = {"origin": origin}
            _, preflight, _ = call(app, f"OPTIONS {path}", token=None, headers=asked | sent)
            _, answered, _ = call(app, f"POST {path}", token=None, body="{}", headers=sent)
            for one in (preflight, answered):
                may = origin in (OURS, "https://program.example")
                assert one.get("access-control-allow-origin") == (origin if may else None)
                assert one["vary"] == "Origin"

    def test_during_an_outage_only_pages_of_oauth_clients_are_refused(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given(monkeypatch, cors_origins=OURS)
        monkeypatch.setitem(vars(deps), "program_origins", FakeOrigins(down=True))
        sent = {"origin": "https://program.example", "access-control-request-method": "POST"}

        preflight, _, problem = call(app, "OPTIONS /oauth2/token", token=None, headers=sent)
        status, answered, _ = call(app, "POST /oauth2/token", token=None, body="{}", headers=sent)

        assert (preflight, problem["code"]) == (503, "unavailable")
        assert (status, answered.get("access-control-allow-origin")) == (415, None)

    def test_broken_settings_are_an_error_for_pages_of_oauth_clients_too(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("settings", "auth", "oauth", "program_origins"):
            monkeypatch.delitem(vars(deps), name, raising=False)
        for name in ENVIRONMENT:
            monkeypatch.delenv(name, raising=False)
        sent = {"origin": "https://program.example", "content-type": FORM}

        status, answered, _ = call(app, "POST /oauth2/token", token=None, body="a=b", headers=sent)

        assert (status, answered.get("access-control-allow-origin")) == (500, None)

    def test_other_routes_do_not_read_the_oauth_clients(
        self, app: Chalice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(vars(deps), "program_origins", FakeOrigins(down=True))

        named = {one.path for one in ENDPOINTS if one.readers == "programs"}
        sent = {"origin": "https://program.example", "access-control-request-method": "GET"}
        _, preflight, _ = call(app, "OPTIONS /v1/users/me", token=None, headers=sent)

        assert named == {"/oauth2/token", "/oauth2/revoke"}
        assert "access-control-allow-origin" not in preflight

    @pytest.mark.parametrize(
        "origins",
        ["https://*", "*, https://a.example", "chat.example.org", "https://a.example/", "null"],
    )
    def test_an_origin_that_no_browser_sends_is_refused_as_a_setting(self, origins: str) -> None:
        with pytest.raises(SettingsInvalid, match="CORS_ORIGINS"):
            settings(cors_origins=origins)
