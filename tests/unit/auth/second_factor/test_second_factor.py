"""A second factor: set up, asked for, used once, lost, and taken away."""

from typing import Any

import pyotp
import pytest
from chalice import Chalice

from chalicelib.auth.models import Credentials, PasswordChange, PasswordProof
from chalicelib.auth.passkey_answers import PasskeyAnswer
from chalicelib.auth.passkeys.models import NewPasskey
from chalicelib.auth.recovery.models import PasswordReset
from chalicelib.auth.second_factor.models import SecondFactorCode
from chalicelib.auth.sessions.models import SignedIn
from chalicelib.errors import (
    AccountSuspended,
    InvalidCredentials,
    RateLimited,
    SecondFactorInvalid,
    SecondFactorOff,
    SecondFactorOn,
    SecondFactorRequired,
    ValidationFailed,
)
from tests.unit.auth.fakes import PHONE
from tests.unit.auth.passkeys.authenticator import Authenticator
from tests.unit.conftest import PASSWORD, World, call, token_in

PROOF = PasswordProof(password=PASSWORD)


class Holder:
    """Somebody with an authenticator app."""

    def __init__(self, world: World, device: Authenticator | None = None) -> None:
        self.world = world
        self.session = world.verified()
        self.identity = world.identity(self.session)
        if device is not None:
            options = world.passkeys.begin(self.identity, PROOF).options
            made = {"name": "Laptop", "credential": device.make(options)}
            world.passkeys.add(self.identity, NewPasskey.model_validate(made))
        enrolment = world.second_factor.set_up(self.identity, PROOF)
        self.app = pyotp.parse_uri(enrolment.uri)
        assert isinstance(self.app, pyotp.TOTP)
        assert self.app.secret == enrolment.secret
        given = SecondFactorCode(code=self.code())
        self.codes = world.second_factor.confirm(self.identity, given).recovery_codes
        world.clock.go(seconds=30)

    def proof(self) -> PasswordProof:
        return PasswordProof(password=PASSWORD, second_factor=self.code())

    def code(self, steps: int = 0) -> str:
        """What the app shows, so many steps from now."""
        assert isinstance(self.app, pyotp.TOTP)
        return self.app.at(self.world.clock(), counter_offset=steps)


@pytest.fixture
def ana(world: World) -> Holder:
    return Holder(world)


class TestSettingUp:
    def test_nothing_is_asked_for_until_a_code_confirms_it(self, world: World) -> None:
        identity = world.identity(world.register())
        world.second_factor.set_up(identity, PROOF)

        assert world.login()
        assert not world.second_factor.state(identity).enabled

    def test_names_the_account_in_the_app(self, ana: Holder) -> None:
        assert (ana.app.issuer, ana.app.name) == ("Parley", "ana")

    def test_gives_ten_recovery_codes(self, world: World, ana: Holder) -> None:
        assert len(set(ana.codes)) == 10
        state = world.second_factor.state(ana.identity)
        assert (state.enabled, state.recovery_codes_left) == (True, 10)

    def test_needs_the_password(self, world: World) -> None:
        identity = world.identity(world.register())

        with pytest.raises(InvalidCredentials):
            world.second_factor.set_up(identity, PasswordProof(password="wrong"))
        assert world.tables.factors == {}

    def test_a_wrong_code_confirms_nothing(self, world: World) -> None:
        identity = world.identity(world.register())
        enrolment = world.second_factor.set_up(identity, PROOF)
        late = pyotp.TOTP(enrolment.secret).at(world.clock(), counter_offset=2)

        for code in (late, "a" * 16):
            with pytest.raises(ValidationFailed):
                world.second_factor.confirm(identity, SecondFactorCode(code=code))
        assert world.login()

    def test_a_second_try_replaces_the_first(self, world: World) -> None:
        identity = world.identity(world.register())
        first, second = (world.second_factor.set_up(identity, PROOF).secret for _ in range(2))

        old = pyotp.TOTP(first).at(world.clock())
        with pytest.raises(ValidationFailed):
            world.second_factor.confirm(identity, SecondFactorCode(code=old))
        new = pyotp.TOTP(second).at(world.clock())
        assert world.second_factor.confirm(identity, SecondFactorCode(code=new))

    def test_one_in_force_is_not_replaced(self, world: World, ana: Holder) -> None:
        with pytest.raises(SecondFactorOn):
            world.second_factor.set_up(ana.identity, PROOF)
        with pytest.raises(SecondFactorOn):
            world.second_factor.confirm(ana.identity, SecondFactorCode(code=ana.code()))
        assert world.login(code=ana.code())

    def test_confirming_needs_one_that_was_set_up(self, world: World) -> None:
        identity = world.identity(world.register())

        with pytest.raises(SecondFactorOff):
            world.second_factor.confirm(identity, SecondFactorCode(code="123456"))

    def test_codes_are_guessed_at_five_times(self, world: World) -> None:
        identity = world.identity(world.register())
        enrolment = world.second_factor.set_up(identity, PROOF)
        for _ in range(5):
            with pytest.raises(ValidationFailed):
                world.second_factor.confirm(identity, SecondFactorCode(code="a" * 16))
        right = pyotp.TOTP(enrolment.secret).at(world.clock())

        with pytest.raises(RateLimited):
            world.second_factor.confirm(identity, SecondFactorCode(code=right))

    def test_g8_secrets_show_in_no_representation(self, world: World, ana: Holder) -> None:
        (shared,) = world.tables.factors.values()
        identity = world.identity(world.register("bo_"))
        enrolment = world.second_factor.set_up(identity, PROOF)
        credentials = Credentials(login="ana", password=PASSWORD, second_factor=ana.code())

        assert enrolment.secret not in repr(enrolment)
        assert enrolment.secret not in repr(world.second_factor._store.factor(identity.user_id))
        assert ana.code() not in repr(credentials)
        assert ana.codes[0].replace("-", "").encode() not in shared.codes


class TestSigningIn:
    def test_asks_for_a_code_once_the_password_is_right(self, world: World, ana: Holder) -> None:
        with pytest.raises(SecondFactorRequired):
            world.login()
        with pytest.raises(InvalidCredentials):
            world.login(password="wrong", code=ana.code())
        assert world.login(code=ana.code())

    @pytest.mark.parametrize("steps", [-1, 0, 1])
    def test_clocks_may_differ_by_a_step(self, world: World, ana: Holder, steps: int) -> None:
        world.clock.go(minutes=5)

        assert world.login(code=ana.code(steps))

    @pytest.mark.parametrize("steps", [-2, 2])
    def test_clocks_may_not_differ_by_two_steps(
        self, world: World, ana: Holder, steps: int
    ) -> None:
        world.clock.go(minutes=5)

        with pytest.raises(SecondFactorInvalid):
            world.login(code=ana.code(steps))

    def test_a_code_is_good_once(self, world: World, ana: Holder) -> None:
        code = ana.code()
        world.login(code=code)

        with pytest.raises(SecondFactorInvalid):
            world.login(code=code)
        world.clock.go(seconds=30)
        with pytest.raises(SecondFactorInvalid):
            world.login(code=code)
        assert world.login(code=ana.code())

    def test_an_older_code_is_not_good_after_a_newer_one(self, world: World, ana: Holder) -> None:
        world.clock.go(minutes=5)
        older = ana.code(-1)
        world.login(code=ana.code())

        with pytest.raises(SecondFactorInvalid):
            world.login(code=older)

    def test_the_code_that_confirmed_is_used_up(self, world: World) -> None:
        identity = world.identity(world.register())
        secret = world.second_factor.set_up(identity, PROOF).secret
        code = pyotp.TOTP(secret).at(world.clock())
        world.second_factor.confirm(identity, SecondFactorCode(code=code))

        with pytest.raises(SecondFactorInvalid):
            world.login(code=code)

    def test_a_recovery_code_is_good_once_however_it_is_typed(
        self, world: World, ana: Holder
    ) -> None:
        first, second = ana.codes[:2]

        assert world.login(code=first)
        assert world.login(code=f" {second.upper().replace('-', ' ')} ")

        for code in (first, second):
            with pytest.raises(SecondFactorInvalid):
                world.login(code=code)
        assert world.second_factor.state(ana.identity).recovery_codes_left == 8

    def test_codes_of_other_users_are_refused(self, world: World, ana: Holder) -> None:
        bo = world.register("bo_")
        enrolment = world.second_factor.set_up(world.identity(bo), PROOF)
        code = pyotp.TOTP(enrolment.secret).at(world.clock())
        codes = world.second_factor.confirm(world.identity(bo), SecondFactorCode(code=code))

        with pytest.raises(SecondFactorInvalid):
            world.login(code=codes.recovery_codes[0])

    def test_guesses_are_limited_and_a_right_password_forgives_none(
        self, world: World, ana: Holder
    ) -> None:
        for _ in range(5):
            with pytest.raises(SecondFactorInvalid):
                world.login(code="a" * 16)
            with pytest.raises(SecondFactorRequired):
                world.login()

        for code in (ana.code(), ana.codes[0]):
            with pytest.raises(RateLimited):
                world.login(code=code)

    def test_a_password_reset_does_not_skip_it(self, world: World, ana: Holder) -> None:
        world.mailed()
        world.request_reset("ana@example.org")
        (letter,) = world.mailed()
        reset = PasswordReset(token=token_in(letter), new_password="battery staple")
        world.recovery.reset(reset, PHONE)

        with pytest.raises(SecondFactorRequired):
            world.login(password="battery staple")
        assert world.login(password="battery staple", code=ana.code())

    def test_a_suspended_account_is_refused_before_a_code_is_asked_for(
        self, world: World, ana: Holder
    ) -> None:
        world.tables.users[ana.identity.user_id].suspended_at = world.clock()

        with pytest.raises(AccountSuspended):
            world.login()

    def test_an_unneeded_code_is_ignored(self, world: World) -> None:
        world.register()

        assert world.login(code="123456")


class TestTakingItAway:
    def test_needs_the_password_and_a_code_and_can_be_repeated(
        self, world: World, ana: Holder
    ) -> None:
        with pytest.raises(InvalidCredentials):
            world.second_factor.disable(ana.identity, PasswordProof(password="wrong"))
        with pytest.raises(SecondFactorRequired):
            world.second_factor.disable(ana.identity, PROOF)
        with pytest.raises(SecondFactorRequired):
            world.login()
        proof = ana.proof()
        for _ in range(2):
            world.second_factor.disable(ana.identity, proof)

        assert world.login()
        state = world.second_factor.state(ana.identity)
        assert (state.enabled, state.recovery_codes_left) == (False, 0)

    def test_recovery_codes_are_renewed(self, world: World, ana: Holder) -> None:
        with pytest.raises(SecondFactorRequired):
            world.second_factor.renew_codes(ana.identity, PROOF)
        new = world.second_factor.renew_codes(ana.identity, ana.proof()).recovery_codes

        assert set(new).isdisjoint(ana.codes)
        with pytest.raises(SecondFactorInvalid):
            world.login(code=ana.codes[0])
        assert world.login(code=new[0])

    def test_there_are_none_without_a_second_factor(self, world: World) -> None:
        identity = world.identity(world.register())

        with pytest.raises(SecondFactorOff):
            world.second_factor.renew_codes(identity, PROOF)

    def test_a_deleted_account_leaves_nothing_of_it(self, world: World, ana: Holder) -> None:
        with pytest.raises(SecondFactorRequired):
            world.delete(ana.identity)
        world.deletion.delete(ana.identity, ana.proof())

        assert world.tables.factors == {}


class TestProvingOnceMore:
    """Where a second factor is on, what asks for the password asks for it as well."""

    def test_a_password_is_changed_with_a_code(self, world: World, ana: Holder) -> None:
        change = PasswordChange(current_password=PASSWORD, new_password="battery staple")
        with pytest.raises(SecondFactorRequired):
            world.password_changes.change(ana.identity, change)
        weak = change.model_copy(update={"new_password": "password123"})
        code = {"second_factor": ana.code()}
        with pytest.raises(ValidationFailed):  # which leaves the code good
            world.password_changes.change(ana.identity, weak.model_copy(update=code))

        world.password_changes.change(ana.identity, change.model_copy(update=code))

        world.clock.go(seconds=30)
        assert world.login(password="battery staple", code=ana.code())

    def test_a_passkey_is_added_with_a_code(self, world: World, ana: Holder) -> None:
        with pytest.raises(SecondFactorRequired):
            world.passkeys.begin(ana.identity, PROOF)

        assert world.passkeys.begin(ana.identity, ana.proof())

    def test_a_wrong_password_is_refused_first_and_uses_no_code_up(
        self, world: World, ana: Holder
    ) -> None:
        code = ana.code()
        wrong = PasswordProof(password="wrong", second_factor=code)

        with pytest.raises(InvalidCredentials):
            world.confirmation.confirm(ana.identity, wrong)
        world.confirmation.confirm(
            ana.identity, PasswordProof(password=PASSWORD, second_factor=code)
        )

    def test_a_code_is_good_once_also_after_signing_in(self, world: World, ana: Holder) -> None:
        proof = ana.proof()
        world.login(code=proof.second_factor)

        with pytest.raises(SecondFactorInvalid):
            world.confirmation.confirm(ana.identity, proof)

    def test_a_recovery_code_is_accepted_and_its_use_is_mailed(
        self, world: World, ana: Holder
    ) -> None:
        world.mailed()
        proof = PasswordProof(password=PASSWORD, second_factor=ana.codes[0])

        world.second_factor.disable(ana.identity, proof)

        (letter,) = world.mailed()
        assert "- A recovery code was used" in letter.text
        assert "- The second factor was turned off" in letter.text

    def test_guesses_at_codes_are_limited(self, world: World, ana: Holder) -> None:
        wrong = PasswordProof(password=PASSWORD, second_factor="a" * 16)
        for _ in range(5):
            with pytest.raises(SecondFactorInvalid):
                world.second_factor.disable(ana.identity, wrong)

        with pytest.raises(RateLimited):
            world.second_factor.disable(ana.identity, ana.proof())

    def test_a_passkey_will_do(self, world: World) -> None:
        device = Authenticator()
        ana = Holder(world, device)
        with pytest.raises(SecondFactorRequired) as asked:
            world.second_factor.disable(ana.identity, PROOF)
        answer = PasskeyAnswer.model_validate(device.answer(asked.value.details["passkey"]))
        proof = PasswordProof(password=PASSWORD, passkey=answer)

        world.second_factor.disable(ana.identity, proof)

        assert world.login()


class TestRoutes:
    def test_all_the_way(self, app: Chalice, world: World) -> None:
        ana: SignedIn = world.register()
        route, password = "/v1/auth/second-factor", {"password": PASSWORD}

        status, enrolment = call(app, f"POST {route}", password, by=ana)
        assert (status, set(enrolment)) == (201, {"secret", "uri"})
        code = {"code": pyotp.TOTP(enrolment["secret"]).at(world.clock())}
        status, made = call(app, f"POST {route}/confirm", code, by=ana)
        assert (status, len(made["recovery_codes"])) == (200, 10)
        assert call(app, f"POST {route}", password, by=ana)[1]["code"] == "second_factor_on"
        login: dict[str, Any] = {"login": "ana", "password": PASSWORD}
        status, answer = call(app, "POST /v1/auth/login", login)
        assert (status, answer["code"]) == (401, "second_factor_required")
        assert answer["methods"] == ["totp", "recovery_code"]
        status, answer = call(app, "POST /v1/auth/login", {**login, "second_factor": "000000"})
        assert (status, answer["code"]) == (401, "second_factor_invalid")
        status, answer = call(app, f"POST {route}/recovery-codes", password, by=ana)
        assert (status, answer["code"]) == (401, "second_factor_required")
        assert call(app, f"POST {route}/disable", password, by=ana)[0] == 401
        proof = {**password, "second_factor": made["recovery_codes"][0]}
        status, made = call(app, f"POST {route}/recovery-codes", proof, by=ana)
        login["second_factor"] = made["recovery_codes"][0]
        assert call(app, "POST /v1/auth/login", login)[0] == 200
        assert call(app, f"GET {route}", by=ana) == (
            200,
            {"enabled": True, "recovery_codes_left": 9},
        )
        proof["second_factor"] = made["recovery_codes"][1]
        assert call(app, f"POST {route}/disable", proof, by=ana)[0] == 204
        assert call(app, f"GET {route}", by=ana)[1]["enabled"] is False

    @pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "x" * 17, 123456])
    def test_what_can_be_no_code_is_refused(self, app: Chalice, world: World, code: object) -> None:
        body = {"login": "ana", "password": PASSWORD, "second_factor": code}

        status, answer = call(app, "POST /v1/auth/login", body)

        assert (status, answer["errors"][0]["field"]) == (422, "second_factor")
