"""Builds pushes."""

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.deps.exports import ExportsDeps

if TYPE_CHECKING:
    from chalicelib.notify.canary import Canaries
    from chalicelib.notify.direct import DirectPush
    from chalicelib.notify.fcm import Fcm
    from chalicelib.notify.service import Notifier


class NotifyDeps(ExportsDeps):
    @cached_property
    def fcm(self) -> "Fcm":
        from chalicelib.notify.fcm import Fcm

        return Fcm(self.settings.fcm_credentials.get_secret_value(), self.settings.fcm_url)

    @cached_property
    def direct_push(self) -> "DirectPush":
        from chalicelib.notify.direct import DirectPush

        return DirectPush(devices=self.devices, fcm=self.fcm)

    @cached_property
    def notifier(self) -> "Notifier":
        from chalicelib.notify.service import Notifier
        from chalicelib.notify.strangers import PushThrottle

        return Notifier(
            devices=self.devices,
            receipts=self.receipts,
            fcm=self.fcm,
            broker=self.broker,
            throttle=PushThrottle(self.redis),
            canaries=self.later(NotifyDeps.canaries),
        )

    @cached_property
    def canaries(self) -> "Canaries":
        from chalicelib.notify.canary import Canaries

        return Canaries(
            self.redis, broker=self.later(NotifyDeps.broker), fcm=self.later(NotifyDeps.fcm)
        )
