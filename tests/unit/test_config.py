"""Settings come from the environment, and say what is wrong without saying values."""

import pytest

from chalicelib.config import Settings, SettingsInvalid, trace_id
from tests.unit.settings import ENVIRONMENT


def test_reads_each_setting_from_the_variable_of_its_name() -> None:
    settings = Settings.load({**ENVIRONMENT, "SOCKETS_PER_SESSION": "7"})

    assert settings.sockets_per_session == 7
    assert settings.redis_url.get_secret_value() == ENVIRONMENT["REDIS_URL"]


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsInvalid, match="REDIS_URL: Field required"):
        Settings.load({k: v for k, v in ENVIRONMENT.items() if k != "REDIS_URL"})


@pytest.mark.parametrize("name", ["AMQP_URL", "JWT_KEYS", "JWT_PUBLIC_KEYS", "FCM_CREDENTIALS"])
def test_a_function_starts_without_what_it_has_no_use_for(name: str) -> None:
    settings = Settings.load({k: v for k, v in ENVIRONMENT.items() if k != name})

    with pytest.raises(SettingsInvalid, match=f"{name} was not given to this function"):
        getattr(settings, name.lower()).get_secret_value()


def test_a_malformed_setting_is_named_without_its_value() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load({**ENVIRONMENT, "ISSUER": "hunter2", "SOCKETS_PER_SESSION": "hunter2"})

    assert "ISSUER" in str(caught.value)
    assert "SOCKETS_PER_SESSION" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_when_printed() -> None:
    settings = Settings.load({**ENVIRONMENT, "JWT_KEYS": '{"keys": "hunter2"}'})

    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_URL", "mysql://hunter2"),
        ("MESSAGES_URL", "hunter2"),
        ("REDIS_URL", "http://hunter2"),
        ("AMQP_URL", "//hunter2"),
        ("JWT_KEYS", "hunter2"),
        ("JWT_KEYS", '["hunter2"]'),
        ("JWT_PUBLIC_KEYS", "hunter2"),
        ("FCM_CREDENTIALS", '{"hunter2'),
        ("BROKER_ADMIN", '["hunter2"]'),
        ("POSTGRES_ADMIN_URL", "mysql://hunter2"),
        ("LOG_LEVEL", "hunter2"),
        ("SECRETS_URL", "hunter2"),
    ],
)
def test_each_kind_of_setting_is_checked(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"{name}: ") as caught:
        Settings.load({**ENVIRONMENT, name: value})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mongodb+srv://host/db", "mongodb://host", "postgres://host/db", "postgresql://host"]
)
def test_chats_are_kept_in_either_kind_of_store(url: str) -> None:
    given = Settings.load({**ENVIRONMENT, "MESSAGES_URL": url})

    assert given.messages_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("value", "trace"),
    [
        ("Root=1-5759e988-bd862e3f;Parent=557abcec;Sampled=1", "1-5759e988-bd862e3f"),
        ("Self=1-2;Root=1-3;Lineage=a:1", "1-3"),
        ("Parent=557abcec", None),
        ("", None),
    ],
)
def test_the_trace_is_that_of_the_event(value: str, trace: str | None) -> None:
    assert trace_id({"_X_AMZN_TRACE_ID": value}) == trace
    assert trace_id({}) is None
