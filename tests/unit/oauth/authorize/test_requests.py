"""Reading a program's request."""

from tests.unit.oauth.conftest import Provider


def test_the_client_is_read_once(provider: Provider) -> None:
    program = provider.program()

    assert provider.ask(program, {}).status == 200
    assert provider.store.reads == 1


def test_an_id_in_upper_case_is_the_same_client(provider: Provider) -> None:
    program = provider.program()
    shown = provider.ask(program, {}, client_id=program.client_id.upper())

    assert "Sign in to continue to Board" in shown.body
    assert provider.store.reads == 1
