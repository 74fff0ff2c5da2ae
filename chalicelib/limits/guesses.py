"""Limits on guessing: an attempt takes tokens before the password is hashed.

A guesser must not lock the owner out. So each device makes a random key, and an account remembers
the keys of devices that have signed in. Attempts on these count separately. OWASP calls this device
cookies; here the client stores and sends the key.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chalicelib.drivers.redis import Command, Scripts, guarded
from chalicelib.errors import RateLimited, Unavailable
from chalicelib.limits.attempts import LEARN_DEVICE, LOOK_AT_DEVICE, Attempt, Guess
from chalicelib.limits.buckets import (
    Held,
    digest,
    giving,
    held,
    judge,
    looking,
    network,
    sizes,
    taking,
)
from chalicelib.limits.table import Limit, Quota, Use

if TYPE_CHECKING:
    import redis

KNOWN_DEVICES = 20
KNOWN_SECONDS = 60 * 60 * 24 * 180

Answer = Sequence[int]
"""Of a script that looks or takes: µs to wait, and µs until each bucket is full."""


class Throttle:
    """Every method that counts, except `account`, raises RateLimited beyond the limit. A refusal
    writes nothing.

    An attempt counts before its result is known: otherwise parallel guesses would all pass. If it
    succeeds, its token is given back. Subjects are stored as digests, because they are names of
    people.
    """

    def __init__(self, client: "redis.Redis", limits: Mapping[str, Limit]) -> None:
        self._redis = client
        self._scripts = Scripts(client)
        self._limits = limits

    def anonymous(self, use: Use) -> list[Quota]:
        """Count a request without a session, by address. Returns what is left."""
        return self._take(self._addresses(use.limit, use.address))

    def page(self, owner: str) -> None:
        """Count a page: by the browser, if somebody has signed in there before, or by the session
        that a program asks to end."""
        self._take(held(self._limit("page"), digest(owner), target=""))

    def login(self, login: str, address: str, device_key: str | None = None) -> Attempt:
        """Check whether a login may be tried, by the typed name, known or not, and by address. If
        the account knows the device, only the device counts. `account` takes the tokens."""
        guess = self._logins(login, address, device_key)
        of_address = self._addresses("login", address)
        known, own, found = self._look(guess, of_address)
        counted = [(guess.own(known), own)]
        # Known devices ignore the address limit, and take nothing from it.
        counted += [] if known else [(of_address, found)]
        judge(counted)
        return Attempt(login, address, device_key, [buckets for buckets, _ in counted])

    @contextmanager
    def account(self, attempt: Attempt, user_id: str | None) -> Iterator[bool]:
        """Count an attempt in the buckets that `login` checked, and by account, or by the typed
        name if no account has it. The block checks the password; it gets whether the password may
        be tried, and raises if not. Raises RateLimited after too many right passwords; only the
        owner can cause that.

        An account has two names. RateLimited for one name, after guesses at the other, would show
        that both belong to the same person. So the block raises the error of a wrong password.

        If the password is right, this counts a success, and gives back the token of this attempt
        only. Earlier guesses stay counted: otherwise a guesser could reset the address's count by
        signing in to their own account.
        """
        subject = user_id or attempt.login
        guess = self._accounts(subject, attempt.address, attempt.device_key)
        successes = self._successes(subject)
        known, own, found = self._look(guess, successes)
        judge([(successes, found)])
        wanted = [*attempt.by_name, *([] if own[0] else [guess.own(known)])]
        answers = self._take_each(wanted)
        taken = [buckets for buckets, one in zip(wanted, answers, strict=True) if not one[0]]
        try:
            judge(list(zip(attempt.by_name, answers, strict=False)))
        except RateLimited:  # other attempts came between `login` and this
            self._give_back(taken)
            raise
        yield len(taken) == len(attempt.by_name) + 1
        self._take(successes)
        self._give_back(taken)

    def signed_in(self, user_id: str) -> None:
        """Count a successful sign-in without a password."""
        self._take(self._successes(user_id))

    def program_session(self, user_id: str, client_id: str) -> None:
        """Count a new session of a program, by program and user. A program with a stored consent
        needs no click, so it must not use up the user's sign-ins."""
        self._take(self._successes(f"{user_id} {client_id}"))

    def knows(self, user_id: str, device_key: str | None) -> bool:
        """Whether a device has signed in to an account before, by its device key."""
        if not device_key:
            return False
        with guarded():
            devices = self._accounts(user_id, "", None).devices
            return self._redis.zscore(devices, digest(device_key)) is not None

    def recognise(self, logins: Sequence[str], user_id: str, device_key: str) -> None:
        """Remember a device that has signed in, under each name that its account can sign in
        with."""
        guesses = [self._logins(login, "", device_key) for login in logins]
        self._learn([*guesses, self._accounts(user_id, "", device_key)])

    def forgive(self, user_id: str, logins: Sequence[str], address: str) -> None:
        """Forget the attempts at an account, from this address and from everywhere, because its
        owner has reset the password."""
        guesses = [self._accounts(user_id, address, None)]
        guesses += [self._logins(login, address, None) for login in logins]
        self._drop(
            [
                *self._passwords(user_id),
                *self._codes(user_id),
                *self._successes(user_id),
                *(b for one in guesses for b in one.of_strangers),
            ]
        )

    def forget(self, user_id: str, logins: Sequence[str]) -> None:
        """Forget all devices of an account, under each of its names."""
        guesses = [self._accounts(user_id, "", None)]
        guesses += [self._logins(login, "", None) for login in logins]
        self._forget([one.devices for one in guesses])

    def forget_login(self, login: str) -> None:
        """Forget all devices that are stored under a former name of an account."""
        self._forget([self._logins(login, "", None).devices])

    @contextmanager
    def password(self, user_id: str) -> Iterator[None]:
        """Count a signed-in user's attempt at their password. The block checks it. If it is right,
        earlier wrong ones are forgotten."""
        confirmed = held(self._limit("confirm"), user_id, user="")
        guesses = self._passwords(user_id)
        with self._guess([*guesses, *confirmed], lambda: self._drop(guesses)):
            yield

    def registration(self, address: str) -> None:
        self._take(self._addresses("register", address))

    def reset(self, address: str) -> None:
        """Count a request for a reset, or a reset, by address; never by account."""
        self._take(self._addresses("reset", address))

    @contextmanager
    def code(self, user_id: str) -> Iterator[None]:
        """Count a code of a second factor: there are only a million. The block checks it. If it is
        right, earlier wrong ones are forgotten."""
        guesses = self._codes(user_id)
        with self._guess(guesses, lambda: self._drop(guesses)):
            yield

    def mail(self, kind: str, recipient: str) -> None:
        """Count a mail by kind and mailbox, so that nobody can flood a mailbox, and no kind blocks
        another."""
        self._take(held(self._limit("reset"), digest(f"{kind} {recipient}"), target=""))

    @contextmanager
    def refresh_from(self, address: str) -> Iterator[None]:
        """Count a refresh token without a proof by address. The block asks PostgreSQL about it. A
        right token does not count, nor does an outage."""
        guess = self._addresses("refresh", address)
        with self._guess(guess, lambda: self._give_back([guess]), (RateLimited, Unavailable)):
            yield

    def refresh(self, session_id: str) -> None:
        """Count a refresh with a token of this session."""
        self._take(held(self._limit("refresh"), session_id, session=""))

    def program(self, client_id: str) -> None:
        """Count a request of a program that sent its right secret."""
        self._take(held(self._limit("token"), client_id, user=""))

    def program_guess(self, address: str) -> None:
        """Count a wrong client id, secret, code or token of a program, by address."""
        self._take(self._addresses("guess", address))

    def passkey_guess(self, address: str) -> None:
        """Count a wrong answer of a passkey, by address."""
        self._take(self._addresses("passkey-answer", address))

    def google_guess(self, address: str) -> None:
        """Count a wrong ID token, by address."""
        self._take(self._addresses("google", address))

    def google(self, subject: str) -> None:
        """Count a right ID token, by the Google account."""
        self._take(held(self._limit("google"), digest(f"google {subject}"), user=""))

    def _logins(self, login: str, address: str, device_key: str | None) -> Guess:
        return self._guesses(digest(f"login {login}"), address, device_key)

    def _accounts(self, subject: str, address: str, device_key: str | None) -> Guess:
        return self._guesses(digest(f"account {subject}"), address, device_key)

    def _guesses(self, owner: str, address: str, device_key: str | None) -> Guess:
        mark = digest(device_key) if device_key else ""
        everywhere = held(self._limit("login"), owner, target="")
        here = held(self._limit("login-here"), owner, target=network(address))
        of_device = held(self._limit("login-device"), owner, target=mark)
        return Guess(f"devices:{{{owner}}}", mark, of_device, everywhere + here)

    def _successes(self, subject: str) -> list[Held]:
        return held(self._limit("sign-in"), digest(f"account {subject}"), user="")

    def _addresses(self, name: str, address: str) -> list[Held]:
        return held(self._limit(name), network(address), address="")

    def _passwords(self, user_id: str) -> list[Held]:
        return held(self._limit("password"), user_id, user="")

    def _codes(self, user_id: str) -> list[Held]:
        return held(self._limit("code"), user_id, user="")

    def _limit(self, name: str) -> tuple[str, Limit]:
        return name, self._limits[name]

    @contextmanager
    def _guess(
        self,
        buckets: list[Held],
        take_back: Callable[[], None],
        unknown: tuple[type[Exception], ...] = (),
    ) -> Iterator[None]:
        """Count a guess before the block checks it. It stays counted if the block raises anything
        but `unknown`: then it was wrong."""
        self._take(buckets)
        try:
            yield
        except unknown:
            take_back()
            raise
        take_back()

    def _take(self, buckets: list[Held]) -> list[Quota]:
        (answer,) = self._take_each([buckets])
        return judge([(buckets, answer)])

    def _take_each(self, wanted: Sequence[list[Held]]) -> list[Answer]:
        """For each list, take one token from each bucket, or from none. A list is on one slot. One
        round trip for all lists."""
        return self._scripts.run_all([taking(buckets) for buckets in wanted])

    def _look(self, guess: Guess, others: list[Held]) -> tuple[bool, Answer, Answer]:
        """Whether the device is known, and what is left in its buckets and in `others`: one round
        trip that changes nothing."""
        buckets = guess.of_device + guess.of_strangers
        keys = [guess.devices, *(one.key for one in buckets)]
        look = Command(LOOK_AT_DEVICE, keys, [*sizes(buckets), guess.mark])
        (known, *own), found = self._scripts.run_all([look, looking(others)])
        return bool(known), own, found

    def _give_back(self, taken: Sequence[list[Held]]) -> None:
        self._scripts.run_all([giving(buckets) for buckets in taken])

    def _learn(self, guesses: Sequence[Guess]) -> None:
        kept = [KNOWN_DEVICES, KNOWN_SECONDS]
        self._scripts.run_all(
            [Command(LEARN_DEVICE, [one.devices], [one.mark, *kept]) for one in guesses]
        )

    def _drop(self, buckets: Sequence[Held]) -> None:
        self._forget([one.key for one in buckets])

    def _forget(self, keys: Sequence[str]) -> None:
        with guarded():
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.delete(key)
            pipe.execute()
