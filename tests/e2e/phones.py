"""Phones that get pushes."""

import asyncio
import uuid
from typing import Any

from tests.e2e.conftest import People


async def pushes_for(people: People, token: str, wanted: int = 1, seconds: float = 20) -> Any:
    """The pushes that a device has shown, once there are as many as wanted."""
    async with asyncio.timeout(seconds):
        while True:
            shown = await people.anonymous.ok("GET /_local/pushes")
            found = [push for push in shown["items"] if push["token"] == token]
            if len(found) >= wanted:
                return found
            await asyncio.sleep(0.1)


async def with_phone(people: People, user: Any) -> str:
    """Give a user a device; its token."""
    token = f"phone-{uuid.uuid4().hex}"
    body = {"token": token, "platform": "android"}
    await user.ok("PUT /v1/users/me/push-tokens/phone", body)
    return token
