"""Going back to the deploy before, in moto's account."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from infra.deploy.commands.rollback import Rollback
from infra.deploy.errors import Stopped
from infra.deploy.functions import deployed, maintenance
from infra.deploy.functions.releases import KEPT, Releases
from tests.deploy.aws.account import (
    FUNCTIONS,
    PROJECT,
    Checkout,
    Operator,
    client,
    configuration,
    signed_in,
    stage,
)
from tests.deploy.conftest import Deployed

LAYER = "parley-dev-managed-layer"


def deploy(checkout: Checkout, version: int) -> dict[str, Any]:
    """Deploy a version of the app; answers what runs then."""
    checkout.routes = routes(version)
    Operator(checkout).deploy()
    return running()


def routes(version: int) -> str:
    """What a version adds to the app as it is, which is version 0."""
    return f'@app.route("/v1/version{version}")\ndef version{version}(): ...\n' if version else ""


def half_first(checkout: Checkout) -> None:
    """Deploy for the first time, by a Chalice that dies before it has made all functions."""
    Operator(checkout).deploy(command=[sys.executable, "-c", _dying("create_function")])


def half(checkout: Checkout, version: int) -> None:
    """Deploy another version of the app, by a Chalice that dies once it has updated some."""
    checkout.routes = routes(version)
    with pytest.raises(Stopped, match="killed"):
        Operator(checkout).deploy(command=[sys.executable, "-c", _dying("update_function")])


def _dying(method: str) -> str:
    return (
        "from chalice.awsclient import TypedAWSClient as C\n"
        f"whole, done = C.{method}, []\n"
        "def die(*given, **named):\n"
        "    done.append(1)\n"
        "    if len(done) > 3: raise SystemExit('killed')\n"
        "    return whole(*given, **named)\n"
        f"C.{method} = die\n"
        "from chalice.cli import main; main()"
    )


def running() -> dict[str, Any]:
    """Code and layer of each function."""
    found = {key: configuration(key) for key in FUNCTIONS}
    return {k: (v["CodeSha256"], [one["Arn"] for one in v["Layers"]]) for k, v in found.items()}


def rollback(checkout: Checkout) -> str:
    operator = Operator(checkout)
    Rollback(operator.place, ready=lambda *_: "ready").run()
    return operator.output.getvalue()


def layers() -> set[str]:
    found = client("lambda").list_layer_versions(LayerName=LAYER)["LayerVersions"]
    return {each["LayerVersionArn"] for each in found}


def zips(checkout: Checkout) -> int:
    bucket = Operator(checkout).place.artifacts.bucket
    found = client("s3").list_objects_v2(Bucket=bucket, Prefix="releases/")["Contents"]
    return sum(each["Key"].endswith(".zip") for each in found)


class History:
    """Deploys of version 0, 1, 2, …: each is made once, when a test first needs it. What it left is
    kept, and tests use copies of it."""

    def __init__(self, first: Checkout, folder: Path) -> None:
        self._folder = folder
        self._kept = ExitStack()
        self._left = [first]
        with signed_in(first.account):
            self.made = [running()]

    def after(self, deploys: int) -> Checkout:
        """What this many deploys left."""
        while len(self._left) < deploys:
            version = len(self._left)
            copy = self._left[-1].copied(self._folder / f"version{version}")
            checkout = self._kept.enter_context(copy)
            with signed_in(checkout.account):
                self.made.append(deploy(checkout, version))
            self._left.append(checkout)
        return self._left[deploys - 1]

    def end(self) -> None:
        self._kept.close()


@pytest.fixture(scope="module")
def history(first_deploy: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    history = History(first_deploy.checkout, tmp_path_factory.mktemp("history"))
    yield history
    history.end()


After = Callable[[int], tuple[Checkout, list[dict[str, Any]]]]


@pytest.fixture
def after(history: History, tmp_path: Path) -> Iterator[After]:
    """A checkout that was deployed so many times, and what ran after each time."""
    with ExitStack() as entered:

        def after(deploys: int) -> tuple[Checkout, list[dict[str, Any]]]:
            checkout = entered.enter_context(history.after(deploys).entered(tmp_path))
            return checkout, history.made[:deploys]

        yield after


def test_layers_and_code_of_three_deploys_stay(after: After) -> None:
    checkout, made = after(4)

    assert layers() == {layer for each in made[1:] for _, of in each.values() for layer in of}
    assert len(layers()) == 3
    assert zips(checkout) == 3


def test_code_layer_and_settings_go_back_and_addresses_and_secrets_stay(
    after: After,
) -> None:
    checkout, (first,) = after(1)
    checkout.routes = routes(1)
    Operator(checkout, stage=stage(settings={"LOG_LEVEL": "ERROR", "MAIL_FROM": "a@b.cc"})).deploy()
    api = client("lambda")
    for key, function in FUNCTIONS.items():
        variables = configuration(key)["Environment"]["Variables"]
        newer = {**variables, "SECRETS_VERSION": "rotated", "ISSUER": "https://api.example.org"}
        api.update_function_configuration(
            FunctionName=function.name, Environment={"Variables": newer}, MemorySize=3000
        )

    output = rollback(checkout)

    assert running() == first
    assert f"{len(FUNCTIONS)} as deployed at" in output
    for key, function in FUNCTIONS.items():
        found = configuration(key)
        variables = found["Environment"]["Variables"]
        assert found["MemorySize"] == function.memory
        assert variables["LOG_LEVEL"] == "DEBUG"
        assert "MAIL_FROM" not in variables
        assert variables["SECRETS_VERSION"] == "rotated"
        assert variables["ISSUER"] == "https://api.example.org"
        assert variables["EXPORTS_BUCKET"] == "some-exports"


def test_goes_back_twice_and_then_says_that_no_older_release_is_kept(after: After) -> None:
    checkout, made = after(3)

    rollback(checkout)
    assert running() == made[1]
    rollback(checkout)
    assert running() == made[0]
    with pytest.raises(Stopped, match="No deploy before this one is kept"):
        rollback(checkout)
    assert running() == made[0]
    assert zips(checkout) == 1

    newest = deploy(checkout, 4)
    rollback(checkout)
    assert running() == made[0] != newest


def test_a_rollback_that_ended_early_is_finished_by_the_next(
    after: After, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, made = after(3)
    put, count = deployed.put, 0

    def dies(*args: Any, **given: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise Stopped("enough")
        put(*args, **given)

    with monkeypatch.context() as patch:
        patch.setattr(deployed, "put", dies)
        with pytest.raises(Stopped, match="enough"):
            rollback(checkout)

    rollback(checkout)

    assert running() == made[1]


def test_after_a_deploy_that_failed_half_way_it_goes_to_the_last_whole_one_and_then_before(
    after: After,
) -> None:
    checkout, made = after(2)
    half(checkout, 2)
    assert len({code for code, _ in running().values()}) == 2, "some are new, some are not"

    rollback(checkout)
    assert running() == made[1]
    rollback(checkout)
    assert running() == made[0]


def test_after_a_migration_that_failed_maintain_goes_back_too(
    after: After, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, (first,) = after(1)

    def fail(*_: Any) -> None:
        raise Stopped("enough")

    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "invoke", fail)
        with pytest.raises(Stopped, match="enough"):
            deploy(checkout, 1)
    assert running()["maintain"] != first["maintain"]

    rollback(checkout)

    assert running() == first


def test_a_deploy_that_is_retried_keeps_the_release_to_go_back_to(
    after: After,
) -> None:
    checkout, (good, _) = after(2)
    for _ in range(KEPT - 1):
        bad = deploy(checkout, 1)
    assert running() == bad
    assert zips(checkout) == len(layers()) == 2

    rollback(checkout)

    assert running() == good


def test_settings_alone_are_a_release_of_their_own(deployed: Checkout) -> None:
    Operator(deployed, stage=stage(settings={"LOG_LEVEL": "ERROR"})).deploy()

    rollback(deployed)

    assert configuration("notify")["Environment"]["Variables"]["LOG_LEVEL"] == "DEBUG"


def test_with_nothing_to_go_back_to_it_says_what_to_do_and_changes_nothing(
    checkout: Checkout,
) -> None:
    with pytest.raises(
        Stopped, match=r"no stack parley-dev-network\. First: make deploy STAGE=dev"
    ):
        rollback(checkout)
    with pytest.raises(Stopped, match="killed"):
        half_first(checkout)
    with pytest.raises(Stopped, match="No deploy before this one is kept"):
        rollback(checkout)

    only = deploy(checkout, 0)
    with pytest.raises(Stopped, match="No deploy before this one is kept"):
        rollback(checkout)
    assert running() == only


def test_a_release_whose_layer_was_deleted_is_refused_before_anything_changes(
    after: After,
) -> None:
    checkout, made = after(2)
    (arn,) = made[0]["notify"][1]
    number = int(arn.split(":")[-1])
    client("lambda").delete_layer_version(LayerName=LAYER, VersionNumber=number)

    with pytest.raises(Stopped, match=r"layer of the deploy of .* is deleted"):
        rollback(checkout)

    assert running() == made[1]


def test_a_release_with_a_function_that_is_gone_is_refused_before_anything_changes(
    after: After,
) -> None:
    checkout, made = after(2)
    name = FUNCTIONS["make_exports"].name
    operator = Operator(checkout)
    releases = Releases(operator.place.aws, operator.place.artifacts, PROJECT)
    older, newer = releases.read()
    newer.functions.pop(name)
    releases.write([older, newer])
    client("lambda").delete_function(FunctionName=name)

    with pytest.raises(Stopped, match=rf"had {name}, which a later one deleted"):
        rollback(checkout)

    assert len(releases.read()) == 2
    assert configuration("notify")["CodeSha256"] == made[1]["notify"][0]


def test_keeps_out_while_somebody_deploys(deployed: Checkout) -> None:
    with (
        Operator(deployed).place.artifacts.locked(),
        pytest.raises(Stopped, match="works on this stage since"),
    ):
        rollback(deployed)
