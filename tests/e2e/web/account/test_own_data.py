"""Exporting one's data, and deleting the account, in the web client."""

from pathlib import Path
from zipfile import ZipFile

from playwright.sync_api import expect

from tests.e2e.web.world import PASSWORD, World, settings


def test_an_archive_is_asked_for_and_downloaded(world: World, tmp_path: Path) -> None:
    ada = world.person("Ada").open()
    section = settings(ada.page, "Your data")
    section.get_by_label("Password, to be sure").fill("wrong horse battery 43")
    section.get_by_role("button", name="Export my data").click()
    expect(section.get_by_text("The password is wrong.")).to_be_visible()
    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Export my data").click()
    expect(section.get_by_text("Your archive is ready")).to_be_visible(timeout=40_000)

    section.get_by_label("Password, to be sure").fill(PASSWORD)
    section.get_by_role("button", name="Get a link").click()
    with ada.page.expect_download() as download:
        section.get_by_role("link", name="Download the archive").click()

    assert download.value.suggested_filename == "parley-export.zip"
    download.value.save_as(tmp_path / "export.zip")
    with ZipFile(tmp_path / "export.zip") as archive:
        assert ada.username in archive.read("account.json").decode()
