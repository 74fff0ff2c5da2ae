"""The settings that the sample needs."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Only what the schema is applied with."""

    amqp_url: str

    @classmethod
    def load(cls) -> "Settings":
        return cls(amqp_url=os.environ["AMQP_URL"])
