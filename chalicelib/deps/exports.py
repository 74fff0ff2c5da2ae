"""Builds exports of personal data."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.oauth import OAuthDeps

if TYPE_CHECKING:
    from chalicelib.exports.archive import Archive
    from chalicelib.exports.links import ExportLinks
    from chalicelib.exports.service import Exports
    from chalicelib.exports.store import ExportStore


class ExportsDeps(OAuthDeps):
    @cached_property
    def export_store(self) -> "ExportStore":
        from chalicelib.exports.store import ExportStore

        return ExportStore(self.postgres)

    @cached_property
    def archive(self) -> "Archive":
        from chalicelib.exports.archive import Archive

        return Archive(data=self.personal_data, messages=self.message_store)

    @cached_property
    def export_links(self) -> "ExportLinks":
        from chalicelib.exports.links import ExportLinks

        return ExportLinks(self.redis)

    @cached_property
    def exports(self) -> "Exports":
        from chalicelib.drivers.s3 import S3Bucket
        from chalicelib.exports.models import LINK_PATH
        from chalicelib.exports.service import Exports

        return Exports(
            store=self.export_store,
            bucket=S3Bucket(
                self.settings.exports_bucket,
                self.settings.exports_at,
                self.settings.signer("s3"),
            ),
            archive=self.later(ExportsDeps.archive),
            confirm=lambda *proof: self.confirmation.confirm(*proof),
            links=self.later(ExportsDeps.export_links),
            stands=lambda identity: self.auth.still_valid(identity),
            url=self.settings.issuer.rstrip("/") + LINK_PATH,
        )
