"""CloudFormation stacks, changed by change sets only."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.aws import Aws
from infra.deploy.cloudformation.template import Template
from infra.deploy.console import Console
from infra.deploy.errors import Stopped

BODY_BYTES = 51_200  # a longer template must be in S3
CHANGE_SET_SECONDS = 300
STACK_SECONDS = 5400  # databases and brokers need long
EVERY = 5.0

_NOTHING = ("didn't contain changes", "No updates are to be performed")
_UNUSABLE = {
    "ROLLBACK_FAILED": "Delete it in the CloudFormation console, then run the command again.",
    "DELETE_FAILED": "Run `make destroy`, or delete it in the CloudFormation console.",
    "UPDATE_ROLLBACK_FAILED": (
        "Repair the resource that it names, then: "
        "aws cloudformation continue-update-rollback --stack-name {name} --region {region}"
    ),
}


class Stack:
    """One stack of a stage."""

    def __init__(self, aws: Aws, console: Console, name: str, *, protected: bool = False) -> None:
        self.name = name
        self._aws = aws
        self._console = console
        self._protected = protected
        self._api = aws.client("cloudformation")

    @property
    def status(self) -> str:
        """The stack's status in CloudFormation; empty if there is no stack."""
        found = self._describe()
        return str(found["StackStatus"]) if found else ""

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs; empty if there is no stack."""
        found = self._describe() or {}
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    @property
    def is_protected(self) -> bool:
        """Whether CloudFormation refuses to delete it."""
        return bool((self._describe() or {}).get("EnableTerminationProtection"))

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the last update; empty if there is no stack."""
        found = self._describe() or {}
        return {
            each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])
        }

    def apply(
        self,
        template: Template,
        parameters: Mapping[str, str],
        *,
        tags: Mapping[str, str],
        upload: Callable[[str, str], str] | None = None,
    ) -> str:
        """Create or update the stack. Asks before it replaces or removes a resource."""
        status = self._ready_to_change()
        change_set = self._propose(template, parameters, tags, upload, new=not status)
        if change_set is None:
            self._protect()
            return "unchanged"
        self._approve(change_set["Changes"])
        since = self._newest_event()
        self._api.execute_change_set(ChangeSetName=change_set["Id"], StackName=self.name)
        self._settle(since, len(change_set["Changes"]))
        self._protect()
        return "changed" if status else "created"

    def delete(self) -> str:
        """Delete the stack and wait until it is deleted. Does nothing if there is no stack."""
        found = self._describe()
        if not found:
            return "not there"
        since = self._newest_event()
        # By its id: CloudFormation describes a deleted stack by its id only.
        self._api.delete_stack(StackName=found["StackId"])
        self._settle(since, None, stack=found["StackId"])
        return "deleted"

    def _protect(self) -> None:
        found = self._describe()
        if found and bool(found.get("EnableTerminationProtection")) != self._protected:
            self._api.update_termination_protection(
                StackName=self.name, EnableTerminationProtection=self._protected
            )

    def _ready_to_change(self) -> str:
        """The status of a stack that can be changed; empty if it must be created."""
        status = self.status
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            self._console.progress(f"{self.name} is still {status}: waiting")
            self._aws.wait(
                lambda: not self.status.endswith("_IN_PROGRESS"),
                seconds=STACK_SECONDS,
                every=EVERY,
                late=f"{self.name} is still {status}. Run this again later.",
            )
            status = self.status
        if status == "ROLLBACK_COMPLETE":
            self._console.progress("the first creation failed: deleting what it left")
            self.delete()
            return ""
        if status in _UNUSABLE:
            todo = _UNUSABLE[status].format(name=self.name, region=self._aws.region)
            raise Stopped(f"{self.name} is {status}. {todo}")
        if status == "REVIEW_IN_PROGRESS":  # an earlier run proposed it and went no further
            return ""
        return status

    def _propose(
        self,
        template: Template,
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
        upload: Callable[[str, str], str] | None,
        *,
        new: bool,
    ) -> dict[str, Any] | None:
        """A change set that is ready to be executed; None if there is nothing to change."""
        try:
            created = self._api.create_change_set(
                StackName=self.name,
                ChangeSetName=f"deploy-{secrets.token_hex(6)}",
                ChangeSetType="CREATE" if new else "UPDATE",
                Parameters=[
                    {"ParameterKey": name, "ParameterValue": value}
                    for name, value in parameters.items()
                ],
                Tags=[{"Key": name, "Value": value} for name, value in tags.items()],
                Capabilities=template.capabilities,
                **_body(template, upload),
            )
        except ClientError as error:
            if any(text in str(error) for text in _NOTHING):
                return None
            raise
        answer = self._proposed(created["Id"])
        if answer["Status"] == "CREATE_COMPLETE":
            return {"Id": created["Id"], **answer}
        self._api.delete_change_set(ChangeSetName=created["Id"], StackName=self.name)
        reason = answer.get("StatusReason", "")
        if any(text in reason for text in _NOTHING):
            return None
        raise Stopped(f"CloudFormation refuses {template.path.name}: {reason}")

    def _proposed(self, change_set: str) -> dict[str, Any]:
        """Wait until CloudFormation knows what a change set would do."""
        answer: dict[str, Any] = {}

        def known() -> bool:
            answer.update(self._change_set(change_set))
            return answer["Status"] in {"CREATE_COMPLETE", "FAILED"}

        self._aws.wait(
            known,
            seconds=CHANGE_SET_SECONDS,
            every=EVERY,
            late=f"CloudFormation did not finish the change set of {self.name}. Run this again.",
        )
        return answer

    def _change_set(self, change_set: str) -> dict[str, Any]:
        pages: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._api.describe_change_set(
                ChangeSetName=change_set, StackName=self.name, **token
            )
            pages.append(page)
            if not page.get("NextToken"):
                break
            token = {"NextToken": page["NextToken"]}
        changes = [
            each["ResourceChange"]
            for page in pages
            for each in page.get("Changes", [])
            if each.get("Type") == "Resource"
        ]
        return {**pages[0], "Changes": changes}

    def _approve(self, changes: list[dict[str, Any]]) -> None:
        """Show the changes; ask where data or addresses could be lost."""
        losing = []
        for change in changes:
            text = f"{change['LogicalResourceId']} ({change['ResourceType']})"
            replaced = change.get("Replacement") in {"True", "Conditional"}
            if change["Action"] == "Remove":
                losing.append(f"would be removed:  {text}")
            elif change["Action"] == "Modify" and replaced:
                perhaps = "" if change["Replacement"] == "True" else "perhaps "
                losing.append(f"would {perhaps}be replaced: {text}")
            else:
                self._console.progress(f"{change['Action'].lower()} {text}")
        if losing:
            for line in losing:
                self._console.progress(line)
            question = f"{self.name} loses these {len(losing)} resources and their data."
            self._console.confirm(question, word="replace")

    def _settle(self, since: str, total: int | None, stack: str = "") -> None:
        """Wait until CloudFormation is done. Raises Stopped with the reason of a failure."""
        stack = stack or self.name
        seen: dict[str, str] = {}
        failures: list[str] = []
        last = since

        def done() -> bool:
            nonlocal last
            for event in self._events(stack, last):
                last = event["EventId"]
                self._note(event, seen, failures)
            count = sum(status.endswith("_COMPLETE") for status in seen.values())
            working = [name for name, status in seen.items() if status.endswith("_IN_PROGRESS")]
            if seen:
                of = f" of {total}" if total else ""
                now = f", working on {', '.join(sorted(working)[:4])}" if working else ""
                self._console.progress(f"{count}{of} resources done{now}")
            found = self._describe(stack)
            return not found or not found["StackStatus"].endswith("_IN_PROGRESS")

        self._aws.wait(
            done,
            seconds=STACK_SECONDS,
            every=EVERY,
            late=f"{self.name} is still not done. CloudFormation goes on; run this again later.",
        )
        status = (self._describe(stack) or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"]
        if status not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE"}:
            why = f" First failure: {failures[0]}" if failures else ""
            raise Stopped(f"{self.name} is {status}.{why}")

    def _note(self, event: Mapping[str, Any], seen: dict[str, str], failures: list[str]) -> None:
        name, status = event["LogicalResourceId"], event.get("ResourceStatus", "")
        if name == self.name:
            return
        seen[name] = status
        reason = event.get("ResourceStatusReason", "no reason given")
        if status.endswith("_FAILED") and "cancelled" not in reason:
            failures.append(f"{name} ({event.get('ResourceType')}): {reason}")

    def _newest_event(self) -> str:
        for event in self._pages(self.name):
            return str(event["EventId"])
        return ""

    def _events(self, stack: str, since: str) -> list[dict[str, Any]]:
        """Events after a known one, oldest first."""
        newer = []
        for event in self._pages(stack):
            if event["EventId"] == since:
                break
            newer.append(event)
        return newer[::-1]

    def _pages(self, stack: str) -> Iterator[dict[str, Any]]:
        """Events, newest first; none for a stack that is not there."""
        try:
            for page in self._api.get_paginator("describe_stack_events").paginate(StackName=stack):
                yield from page["StackEvents"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise

    def _describe(self, stack: str = "") -> dict[str, Any] | None:
        try:
            found = self._api.describe_stacks(StackName=stack or self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return found[0] if found and found[0]["StackStatus"] != "DELETE_COMPLETE" else None


def _body(template: Template, upload: Callable[[str, str], str] | None) -> dict[str, str]:
    """The template itself, or its address in S3 if it is too long for a request."""
    if len(template.text.encode()) <= BODY_BYTES:
        return {"TemplateBody": template.text}
    if upload is None:
        raise Stopped(f"{template.path.name} has more than {BODY_BYTES} bytes.")
    return {"TemplateURL": upload(template.path.name, template.text)}
