"""Passkeys: made, used alone or beside a password, refused, taken away."""

from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from chalice import Chalice

from chalicelib.auth.models import Credentials, PasswordProof
from chalicelib.auth.passkey_answers import PasskeyAnswer
from chalicelib.auth.passkeys.models import NewPasskey, PasskeyInfo, PasskeyName, PasskeySignIn
from chalicelib.auth.passkeys.store import MAX_PASSKEYS
from chalicelib.auth.second_factor.models import SecondFactorCode
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.config import SettingsInvalid
from chalicelib.errors import (
    AccountSuspended,
    InvalidCredentials,
    NotFound,
    PasskeyInvalid,
    PasskeyKnown,
    PasskeysOff,
    RateLimited,
    SecondFactorInvalid,
    SecondFactorRequired,
    TooManyPasskeys,
    ValidationFailed,
)
from tests.unit.auth.fakes import PHONE, auth_settings
from tests.unit.auth.passkeys import authenticator
from tests.unit.auth.passkeys.authenticator import PRESENT, VERIFIED, Authenticator, Key, text
from tests.unit.conftest import PASSWORD, World, call, make_world
from tests.unit.settings import rates, settings

PROOF = PasswordProof(password=PASSWORD)

# Each is the change of an answer: null stands for null, and MISSING for a member that is not there.
MISSING = object()
ODD_MEMBERS: list[dict[str, Any]] = [
    {"authenticatorAttachment": None, "clientExtensionResults": None},
    {"authenticatorAttachment": MISSING, "clientExtensionResults": MISSING, "rawId": MISSING},
    {"authenticatorAttachment": "", "clientExtensionResults": {"credProps": {"rk": "?"}}},
    {"authenticatorAttachment": "implant", "later": [1]},
    {"response.transports": []},
    {"response.transports": None, "response.publicKey": None},
    {"response.transports": ["hybrid", "smart-card", "telepathy", ""]},
    {"response.publicKey": "", "response.publicKeyAlgorithm": None},
]
ODD_IDS = [
    *("null", "missing", "empty", "unknown"),
    *("no-transport", "null-transports", "odd-transports", "no-key"),
]


def with_members(answer: dict[str, Any], odd: dict[str, Any]) -> dict[str, Any]:
    changed = {**answer, "response": dict(answer["response"])}
    for path, value in odd.items():
        within = changed["response"] if path.startswith("response.") else changed
        name = path.removeprefix("response.")
        if value is MISSING:
            within.pop(name, None)
        else:
            within[name] = value
    return changed


class Holder:
    """Somebody with a passkey."""

    def __init__(self, world: World, name: str = "ana", device: Authenticator | None = None):
        self.world = world
        self.device = device or Authenticator()
        self.identity = world.identity(world.register(name))
        self.info = self.add(self.device)

    def add(self, device: Authenticator, **changes: Any) -> PasskeyInfo:
        options = self.world.passkeys.begin(self.identity, PROOF).options
        made = {"name": "Laptop", "credential": device.make(options, **changes)}
        return self.world.passkeys.add(self.identity, NewPasskey.model_validate(made))

    def sign_in(self, device_key: str | None = None, **changes: Any) -> SignedIn:
        options = self.world.passkeys.begin_sign_in().options
        return self.send(self.device.answer(options, **changes), device_key)

    def send(self, answer: dict[str, Any], device_key: str | None = None) -> SignedIn:
        sent = {"credential": answer, "device_name": "Laptop", "device_key": device_key}
        given = PasskeySignIn.model_validate(sent)
        return self.world.passkeys.sign_in(given, PHONE)

    def protect(self) -> pyotp.TOTP:
        """Have a second factor asked for."""
        enrolment = self.world.second_factor.set_up(self.identity, PROOF)
        app = pyotp.TOTP(enrolment.secret)
        code = SecondFactorCode(code=app.at(self.world.clock()))
        self.world.second_factor.confirm(self.identity, code)
        return app

    def offered(self) -> dict[str, Any]:
        """What a passkey is to answer, after the right password."""
        with pytest.raises(SecondFactorRequired) as refused:
            self.world.login()
        options: dict[str, Any] = refused.value.details["passkey"]
        return options

    def login(self, answer: dict[str, Any], password: str = PASSWORD) -> SignedIn:
        passkey = PasskeyAnswer.model_validate(answer)
        credentials = Credentials(login="ana", password=password, passkey=passkey)
        return self.world.accounts.login(credentials, PHONE)


@pytest.fixture
def ana(world: World) -> Holder:
    return Holder(world)


class TestMaking:
    def test_asks_for_a_passkey_that_signs_in_alone(self, world: World) -> None:
        ana = world.register()

        options = world.passkeys.begin(world.identity(ana), PROOF).options

        assert options["rp"] == {"id": "example.com", "name": "Parley"}
        assert options["authenticatorSelection"]["residentKey"] == "required"
        assert options["authenticatorSelection"]["userVerification"] == "required"
        assert options["attestation"] == "none"
        assert [one["alg"] for one in options["pubKeyCredParams"]] == [-7, -8, -257]
        assert "ana@example.org" not in str(options)
        assert len(options["challenge"]) == 43

    def test_needs_the_password(self, world: World) -> None:
        identity = world.identity(world.register())

        with pytest.raises(InvalidCredentials):
            world.passkeys.begin(identity, PasswordProof(password="wrong"))
        assert world.challenges.issued == {}

    @pytest.mark.parametrize(
        "key", [authenticator.p256, authenticator.edwards, authenticator.rsa_key]
    )
    def test_three_algorithms_are_accepted(self, world: World, key: Callable[[], Key]) -> None:
        assert Holder(world, device=Authenticator(key=key())).sign_in()

    @pytest.mark.parametrize(
        "device",
        [
            Authenticator(origin="https://evil.example"),
            Authenticator(origin="https://sub.chat.example.com"),
            Authenticator(origin="http://chat.example.com"),
            Authenticator(rp_id="evil.example"),
            Authenticator(flags=PRESENT),
            Authenticator(flags=VERIFIED),
            Authenticator(cross_origin=True),
            Authenticator(key=authenticator.p384()),
            Authenticator(key=authenticator.rsa_key(1024)),
        ],
        ids=[
            *("origin", "subdomain", "scheme", "rp id", "not verified", "not present"),
            *("framed", "P-384", "weak RSA"),
        ],
    )
    def test_others_are_refused(self, world: World, device: Authenticator) -> None:
        with pytest.raises(ValidationFailed):
            Holder(world, device=device)
        assert world.tables.passkeys == {}

    @pytest.mark.parametrize("attestation", ["AA", "oA", "gYGBgYGB", text(b"\x81" * 6000), "____"])
    def test_nonsense_is_refused(self, world: World, ana: Holder, attestation: str) -> None:
        with pytest.raises(ValidationFailed):
            ana.add(Authenticator(), attestationObject=attestation)
        assert len(world.tables.passkeys) == 1

    @pytest.mark.parametrize("odd", ODD_MEMBERS, ids=ODD_IDS)
    def test_what_browsers_leave_out_or_add_does_not_count(
        self, world: World, ana: Holder, odd: dict[str, Any]
    ) -> None:
        options = world.passkeys.begin(ana.identity, PROOF).options
        credential = with_members(Authenticator().make(options), odd)

        new = NewPasskey.model_validate({"name": "Phone", "credential": credential})
        assert world.passkeys.add(ana.identity, new).name == "Phone"

    def test_a_challenge_works_in_one_session(self, world: World, ana: Holder) -> None:
        options = world.passkeys.begin(ana.identity, PROOF).options
        made = Authenticator().make(options)
        new = NewPasskey.model_validate({"name": "x", "credential": made})

        for other in (world.register("bo_"), world.login()):
            with pytest.raises(ValidationFailed):
                world.passkeys.add(world.identity(other), new)
        world.passkeys.add(ana.identity, new)
        with pytest.raises(ValidationFailed):
            world.passkeys.add(ana.identity, new)  # it was used up

    def test_a_challenge_for_signing_in_makes_none(self, world: World, ana: Holder) -> None:
        options = world.passkeys.begin(ana.identity, PROOF).options
        options["challenge"] = world.passkeys.begin_sign_in().options["challenge"]
        made = Authenticator().make(options)
        new = NewPasskey.model_validate({"name": "x", "credential": made})

        with pytest.raises(ValidationFailed):
            world.passkeys.add(ana.identity, new)

    def test_an_authenticator_gets_the_ids_that_it_has(self, world: World, ana: Holder) -> None:
        options = world.passkeys.begin(ana.identity, PROOF).options

        assert [one["id"] for one in options["excludeCredentials"]] == [
            text(ana.device.credential_id)
        ]
        with pytest.raises(PasskeyKnown):
            ana.add(ana.device)

    def test_there_are_so_many_at_most(self, world: World, ana: Holder) -> None:
        for _ in range(MAX_PASSKEYS - 1):
            ana.add(Authenticator())

        with pytest.raises(TooManyPasskeys):
            ana.add(Authenticator())

    def test_its_user_is_mailed(self, world: World) -> None:
        world.verified("ana")
        ana = Holder(world, "bo_")
        world.tables.verify(ana.identity.user_id)
        world.mailed()
        second = ana.add(Authenticator())

        assert world.told() == ["New passkey for your account"]
        world.passkeys.remove(ana.identity, second.id)
        assert world.told() == ["A passkey was removed"]


class TestSigningIn:
    def test_wrong_answers_keep_nobody_at_the_address_out(self) -> None:
        ana = Holder(make_world(auth_settings(rate_limits=rates({"passkey-answer.address": 2}))))
        answer = ana.device.answer(ana.world.passkeys.begin_sign_in().options)
        ana.send(answer)
        for _ in range(2):
            with pytest.raises(PasskeyInvalid):
                ana.send(answer)

        with pytest.raises(RateLimited):
            ana.send(answer)
        assert ana.sign_in()

    def test_right_ones_are_limited_before_anything_is_stored(self) -> None:
        ana = Holder(make_world(auth_settings(rate_limits=rates({"sign-in.user": 2}))))
        for _ in range(2):
            ana.sign_in()
        sessions = len(ana.world.tables.sessions)

        with pytest.raises(RateLimited):
            ana.sign_in()

        assert len(ana.world.tables.sessions) == sessions

    def test_reveals_nothing_about_users(self, world: World, ana: Holder) -> None:
        options = world.passkeys.begin_sign_in().options

        assert "allowCredentials" not in options
        assert (options["rpId"], options["userVerification"]) == ("example.com", "required")

    def test_is_a_sign_in_like_any_other(self, world: World, ana: Holder) -> None:
        signed_in = ana.sign_in()

        assert signed_in.user.username == "ana"
        assert world.stands(signed_in)
        assert world.tables.sessions[signed_in.session_id].device_name == "Laptop"
        ((told, event),) = world.sockets.told
        assert (told, event.kind.name) == ([ana.identity.user_id], "account.signed_in")
        assert world.passkeys.all(ana.identity).items[0].last_used_at == world.clock()

    def test_is_mailed_unless_the_device_shows_a_key_that_is_known(
        self, world: World, ana: Holder
    ) -> None:
        world.tables.verify(ana.identity.user_id)
        world.mailed()
        told = [ana.sign_in(device_key=key) and world.told() for key in ("k" * 22, "k" * 22, None)]

        assert told == [["New sign-in to your account"], [], ["New sign-in to your account"]]

    def test_needs_no_second_factor(self, world: World, ana: Holder) -> None:
        ana.protect()

        assert ana.sign_in()

    @pytest.mark.parametrize(
        "changes",
        [
            {"origin": "https://evil.example"},
            {"origin": "https://chat.example.com:444"},
            {"rp_id": "evil.example"},
            {"flags": PRESENT},
            {"flags": VERIFIED},
            {"cross_origin": True},
            {"handle": bytes(16)},
            {"key": authenticator.p256()},
            {"credential_id": b"unknown"},
        ],
        ids=lambda change: "-".join(change),
    )
    def test_another_answer_is_refused(self, ana: Holder, changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(ana.device, name, value)

        with pytest.raises(PasskeyInvalid):
            ana.sign_in()

    @pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON"])
    def test_no_part_can_be_changed(self, world: World, ana: Holder, part: str) -> None:
        answer = ana.device.answer(world.passkeys.begin_sign_in().options)
        other = Authenticator(key=ana.device.key, counts=True)
        answer["response"][part] = other.answer(world.passkeys.begin_sign_in().options)["response"][
            part
        ]

        with pytest.raises(PasskeyInvalid):
            ana.send(answer)

    @pytest.mark.parametrize("handle", [None, ""], ids=["left out", "empty"])
    def test_an_answer_must_name_its_user(self, ana: Holder, handle: str | None) -> None:
        with pytest.raises(PasskeyInvalid):
            ana.sign_in(userHandle=handle)

    @pytest.mark.parametrize("odd", ODD_MEMBERS, ids=ODD_IDS)
    def test_what_browsers_leave_out_or_add_does_not_count(
        self, world: World, ana: Holder, odd: dict[str, Any]
    ) -> None:
        answer = with_members(ana.device.answer(world.passkeys.begin_sign_in().options), odd)

        assert ana.send(answer)

    @pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON"])
    @pytest.mark.parametrize("sent", ["AA", text(b"[" * 1500), text(b'{"challenge": 1}')])
    def test_nonsense_is_refused(self, ana: Holder, part: str, sent: str) -> None:
        with pytest.raises(PasskeyInvalid):
            ana.sign_in(**{part: sent})

    def test_a_challenge_is_good_once(self, world: World, ana: Holder) -> None:
        answer = ana.device.answer(world.passkeys.begin_sign_in().options)

        assert ana.send(answer)
        with pytest.raises(PasskeyInvalid):
            ana.send(answer)

    def test_a_wrong_answer_uses_nothing_up(self, world: World, ana: Holder) -> None:
        answer = ana.device.answer(world.passkeys.begin_sign_in().options)
        wrong = {**answer, "response": {**answer["response"], "signature": "AAAA"}}

        with pytest.raises(PasskeyInvalid):
            ana.send(wrong)
        assert ana.send(answer)

    def test_a_made_up_challenge_is_refused(self, ana: Holder) -> None:
        with pytest.raises(PasskeyInvalid):
            ana.send(ana.device.answer({"challenge": text(bytes(32))}))

    def test_a_challenge_for_another_purpose_is_refused(self, world: World, ana: Holder) -> None:
        making = world.passkeys.begin(ana.identity, PROOF).options
        ana.protect()

        for options in (making, ana.offered()):
            with pytest.raises(PasskeyInvalid):
                ana.send(ana.device.answer(options))

    def test_a_count_that_does_not_grow_is_refused(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        ana = Holder(world, device=Authenticator(counts=True, count=6))
        assert ana.sign_in()

        for count in (6, 5, -1):
            ana.device.count = count
            with pytest.raises(PasskeyInvalid):
                ana.sign_in()
        assert "passkey count went back" in caplog.text
        ana.device.count = 7
        assert ana.sign_in()

    def test_synced_passkeys_need_no_growing_count(self, ana: Holder) -> None:
        assert ana.sign_in()
        assert ana.sign_in()

    def test_a_suspended_user_gets_account_suspended(self, world: World, ana: Holder) -> None:
        world.tables.users[ana.identity.user_id].suspended_at = world.clock()

        with pytest.raises(AccountSuspended):
            ana.sign_in()

    def test_one_that_was_removed_is_unknown(self, world: World, ana: Holder) -> None:
        world.passkeys.remove(ana.identity, ana.info.id)

        with pytest.raises(PasskeyInvalid):
            ana.sign_in()

    def test_one_of_a_deleted_account_is_unknown(self, world: World, ana: Holder) -> None:
        world.delete(ana.identity)

        with pytest.raises(PasskeyInvalid):
            ana.sign_in()
        assert world.tables.passkeys == {}


class TestBesideAPassword:
    def test_replaces_a_code(self, world: World, ana: Holder) -> None:
        ana.protect()

        options = ana.offered()

        assert [one["id"] for one in options["allowCredentials"]] == [
            text(ana.device.credential_id)
        ]
        assert ana.login(ana.device.answer(options))

    def test_is_offered_only_after_the_right_password(self, world: World, ana: Holder) -> None:
        ana.protect()
        answer = ana.device.answer(ana.offered())

        with pytest.raises(InvalidCredentials):
            world.login(password="wrong")
        with pytest.raises(InvalidCredentials):
            ana.login(answer, password="wrong")
        assert ana.login(answer)

    def test_a_code_is_accepted_as_well(self, world: World, ana: Holder) -> None:
        app = ana.protect()
        world.clock.go(seconds=30)

        assert world.login(code=app.at(world.clock()))

    def test_does_not_ask_for_one_by_itself(self, world: World, ana: Holder) -> None:
        assert world.login()

    def test_one_of_somebody_else_is_refused(self, world: World, ana: Holder) -> None:
        ana.protect()
        bo = Holder(world, "bo_")

        with pytest.raises(PasskeyInvalid):
            ana.login(bo.device.answer(ana.offered()))

    def test_a_challenge_of_somebody_else_is_refused(self, world: World, ana: Holder) -> None:
        ana.protect()
        options = {"challenge": text(world.challenges.issue("second_factor", "somebody"))}

        for asked in (options, world.passkeys.begin_sign_in().options):
            with pytest.raises(PasskeyInvalid):
                ana.login(ana.device.answer(asked))

    @pytest.mark.parametrize("handle", [None, ""], ids=["left out", "empty"])
    def test_needs_no_user_handle(self, ana: Holder, handle: str | None) -> None:
        """Safari sends an empty one for a passkey that it keeps without a user."""
        ana.protect()

        assert ana.login(ana.device.answer(ana.offered(), userHandle=handle))

    def test_accepts_a_user_handle_of_null(self, ana: Holder) -> None:
        ana.protect()
        answer = ana.device.answer(ana.offered())
        answer["response"]["userHandle"] = None

        assert ana.login(answer)

    def test_methods_name_it_only_where_there_is_one(self, world: World, ana: Holder) -> None:
        ana.protect()
        world.passkeys.remove(ana.identity, ana.info.id)

        with pytest.raises(SecondFactorRequired) as refused:
            world.login()
        assert refused.value.details == {"methods": ["totp", "recovery_code"]}
        with pytest.raises(SecondFactorInvalid):
            world.login(code="000000")


class TestKeeping:
    def test_they_are_listed_renamed_and_removed(self, world: World, ana: Holder) -> None:
        second = ana.add(Authenticator())
        world.passkeys.rename(ana.identity, second.id, PasskeyName(name="Phone"))
        assert [one.name for one in world.passkeys.all(ana.identity).items] == ["Laptop", "Phone"]

        world.passkeys.remove(ana.identity, ana.info.id)

        assert [one.name for one in world.passkeys.all(ana.identity).items] == ["Phone"]

    def test_passkeys_of_others_are_not_found(self, world: World, ana: Holder) -> None:
        bo = world.identity(world.register("bo_"))

        assert world.passkeys.all(bo).items == []
        with pytest.raises(NotFound):
            world.passkeys.rename(bo, ana.info.id, PasskeyName(name="Mine"))
        with pytest.raises(NotFound):
            world.passkeys.remove(bo, ana.info.id)


class TestSettings:
    @pytest.mark.parametrize("unset", ["passkey_rp_id", "passkey_origins"])
    def test_without_the_settings_every_call_is_refused(self, unset: str) -> None:
        from chalicelib.deps import Deps

        deps = Deps()
        vars(deps)["settings"] = auth_settings(**{unset: ""})
        assert deps.relying_party is None
        world = make_world(auth_settings(passkey_origins=""))
        identity = world.identity(world.register())

        with pytest.raises(PasskeysOff):
            world.passkeys.begin(identity, PROOF)
        with pytest.raises(PasskeysOff):
            world.passkeys.begin_sign_in()
        assert world.passkeys.offer(identity.user_id) is None

    @pytest.mark.parametrize(
        "wrong",
        [
            {"passkey_rp_id": "127.0.0.1"},
            {"passkey_rp_id": "https://example.com"},
            {"passkey_origins": "http://chat.example.com"},
            {"passkey_origins": "https://chat.example.com/"},
            {"passkey_origins": "*"},
        ],
        ids=lambda change: "-".join(change),
    )
    def test_an_origin_that_no_browser_has_is_refused(self, wrong: dict[str, str]) -> None:
        with pytest.raises(SettingsInvalid):
            settings(**wrong)


class TestRoutes:
    def test_all_the_way(self, app: Chalice, world: World) -> None:
        ana, device = world.register(), Authenticator()
        route = "/v1/auth/passkeys"

        status, begun = call(app, f"POST {route}/begin", {"password": PASSWORD}, by=ana)
        assert status == 200
        new = {"name": "Laptop", "credential": device.make(begun["options"])}
        status, added = call(app, f"POST {route}", new, by=ana)
        assert (status, added["name"], added["last_used_at"]) == (201, "Laptop", None)
        one = f"{route}/{{passkey_id}}"
        at = {"passkey_id": added["id"]}
        assert call(app, f"PATCH {one}", {"name": "Phone"}, by=ana, **at)[0] == 200
        status, begun = call(app, "POST /v1/auth/login/passkey/begin")
        assert status == 200
        body = {"credential": device.answer(begun["options"])}
        status, signed_in = call(app, "POST /v1/auth/login/passkey", body)
        assert (status, signed_in["user"]["username"]) == (200, "ana")
        status, refused = call(app, "POST /v1/auth/login/passkey", body)
        assert (status, refused["code"]) == (401, "passkey_invalid")
        assert [one["name"] for one in call(app, f"GET {route}", by=ana)[1]["items"]] == ["Phone"]
        assert call(app, f"DELETE {one}", by=ana, **at)[0] == 204
        assert call(app, f"DELETE {one}", by=ana, **at)[0] == 404

    @pytest.mark.parametrize("size", ["too large", "not base64", "too short"])
    def test_a_malformed_answer_is_refused(self, app: Chalice, size: str) -> None:
        sent = {"too large": "A" * 4100, "not base64": "AA==", "too short": "A"}[size]
        answer = Authenticator().answer({"challenge": "AAAA"}, clientDataJSON=sent)

        status, refused = call(app, "POST /v1/auth/login/passkey", {"credential": answer})

        assert (status, refused["code"]) == (422, "validation_failed")
