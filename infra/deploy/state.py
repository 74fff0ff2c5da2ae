"""What a deploy keeps for the next one, in the stage's artifacts bucket."""

import getpass
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.aws import Aws, code_of
from infra.deploy.errors import Stopped

LOCK = "lock.json"
EMPTY: dict[str, Any] = {"schema_version": "2.0", "backend": "api", "resources": []}


class Artifacts:
    """The bucket: Chalice's list of what it deployed, releases, templates, and the lock."""

    def __init__(self, aws: Aws, bucket: str, stage: str) -> None:
        self.bucket = bucket
        self._aws = aws
        self._s3 = aws.client("s3")
        self._deployed = f"deployed/{stage}.json"

    def read(self) -> dict[str, Any]:
        """Chalice's list; an empty one if there is none yet."""
        found = self._get(self._deployed)
        return json.loads(found) if found else {**EMPTY, "resources": []}

    def write(self, deployed: dict[str, Any]) -> None:
        """Keep Chalice's list."""
        self._put(self._deployed, json.dumps(deployed, indent=2))

    def upload(self, name: str, text: str) -> str:
        """Keep a template that is too long for a request; answers its address."""
        self._put(f"templates/{name}", text)
        where = f"s3.{self._aws.region}.{self._aws.domain}"
        return f"https://{self.bucket}.{where}/templates/{name}"

    def load(self, key: str) -> bytes:
        """The bytes under a key; empty if there are none."""
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        except ClientError as error:
            if code_of(error) in {"NoSuchKey", "404"}:
                return b""
            raise
        return bytes(body.read())

    def save(self, key: str, content: bytes) -> None:
        """Store bytes under a key."""
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=content)

    def drop(self, key: str) -> None:
        """Delete the bytes under a key."""
        self._s3.delete_object(Bucket=self.bucket, Key=key)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the stage. Raises Stopped if another run has locked it."""
        holder = {
            "who": f"{getpass.getuser()} on {socket.gethostname()}",
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            self._put(LOCK, json.dumps(holder), IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) not in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise
            other = json.loads(self._get(LOCK) or "{}")
            raise Stopped(
                f"{other.get('who', 'Somebody')} works on this stage since {other.get('since')}. "
                "If that run has ended or was killed: "
                f"aws s3 rm s3://{self.bucket}/{LOCK} --region {self._aws.region}"
            ) from None
        try:
            yield
        finally:
            with suppress(self._s3.exceptions.NoSuchBucket):  # this run may have deleted it
                self._s3.delete_object(Bucket=self.bucket, Key=LOCK)

    def delete(self) -> str:
        """Delete the bucket and all versions in it. Does nothing if there is no bucket."""
        try:
            count = self._empty()
            self._s3.delete_bucket(Bucket=self.bucket)
        except ClientError as error:
            if code_of(error) != "NoSuchBucket":
                raise
            return "not there"
        return f"{count} versions deleted"

    def _empty(self) -> int:
        count = 0
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            doomed = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            ]
            if doomed:
                answer = self._s3.delete_objects(Bucket=self.bucket, Delete={"Objects": doomed})
                if wrong := answer.get("Errors"):
                    raise Stopped(f"{self.bucket} cannot be emptied: {wrong[0]['Message']}")
            count += len(doomed)
        return count

    def _get(self, key: str) -> str:
        return self.load(key).decode()

    def _put(self, key: str, text: str, **more: str) -> None:
        self._s3.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=text.encode(),
            ContentType="application/json",
            **more,
        )
