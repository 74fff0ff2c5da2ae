"""Settings come from the environment, and say what is wrong without saying values."""

import pytest

from chalicelib.config import Settings, SettingsInvalid
from tests.unit.settings import ENVIRONMENT


def test_reads_each_setting_from_the_variable_of_its_name() -> None:
    settings = Settings.load({**ENVIRONMENT, "FRAMES_BURST": "7"})

    assert settings.frames_burst == 7
    assert settings.redis_url.get_secret_value() == ENVIRONMENT["REDIS_URL"]


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsInvalid, match="REDIS_URL: Field required"):
        Settings.load({k: v for k, v in ENVIRONMENT.items() if k != "REDIS_URL"})


def test_a_malformed_setting_is_named_without_its_value() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load({**ENVIRONMENT, "ISSUER": "hunter2", "FRAMES_BURST": "hunter2"})

    assert "ISSUER" in str(caught.value)
    assert "FRAMES_BURST" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_when_printed() -> None:
    settings = Settings.load({**ENVIRONMENT, "JWT_KEYS": "hunter2"})

    assert "hunter2" not in repr(settings)
