"""Every alarm is sent, described and in the manual."""

import json
import re
from typing import Any

import pytest

from app import app
from chalicelib.broker import topology
from chalicelib.broker.pushes import PUSH_QUEUES
from tests.deploy.templates.stacks import ROOT, WATCH, WATCHED

OURS = {
    "MessagesStored", "LeftPending", "OutboxAge", "EventsAge", "Redelivered", "OverduePushed",
    "PushesSent", "PushesRetried", "PushesBuried", "TokensForgotten", "MailsSent", "MailsGivenUp",
    "PostsThrottled", "ExportsMade", "ExportsGivenUp", "RateLimited",
    "DependencyUnavailable",
}  # fmt: skip
FUNCTIONS = {
    "parley-dev", "parley-dev-websocket_connect", "parley-dev-websocket_message",
    "parley-dev-websocket_disconnect", "parley-dev-notify", "parley-dev-redeliver_pending",
    "parley-dev-push_overdue", "parley-dev-purge_sessions", "parley-dev-send_mails",
    "parley-dev-make_exports", "parley-dev-maintain",
}  # fmt: skip


class TestAlarms:
    def test_use_only_metrics_that_exist(self) -> None:
        used = {metric for stack in WATCHED for metric in _metrics(stack)}
        used |= {metric for stack in WATCHED for metric in _drawn(stack)}

        assert {name for namespace, name, _ in used if namespace == "Parley"} <= OURS
        assert {namespace for namespace, _, _ in used} == {
            "Parley", "AWS/Lambda", "AWS/ApiGateway", "AWS/AmazonMQ", "AWS/RDS", "AWS/ElastiCache",
            "AWS/NATGateway",
        }  # fmt: skip
        for namespace, name, dimensions in used:
            if namespace == "Parley":
                expected = {"Stage", "Dependency"} if "Unavailable" in name else {"Stage"}
                assert {dimension for dimension, _ in dimensions} == expected

    def test_watch_every_queue(self) -> None:
        queues = {
            dict(dimensions)["Queue"]
            for _, name, dimensions in _metrics(WATCHED[0])
            if name == "MessageCount"
        }

        assert queues == {*PUSH_QUEUES, topology.DEAD}

    def test_each_queue_has_a_consumer(self) -> None:
        for stack in WATCHED:
            alarm = stack.of_type("CloudWatch::Alarm")["PushConsumers"]
            assert (alarm["MetricName"], alarm["Threshold"]) == ("ConsumerCount", len(PUSH_QUEUES))
            assert alarm["TreatMissingData"] == "breaching"

    def test_credits_are_watched_where_there_are_some_and_every_nat_gateway_is(self) -> None:
        names = [set(stack.of_type("CloudWatch::Alarm")) for stack in WATCHED]
        nat = {"FirstNatPorts", "SecondNatPorts", "ThirdNatPorts"}

        assert ["PostgresCredits" in each for each in names] == [True, False, False, True]
        assert [len(each & nat) for each in names] == [1, 1, 3, 1]

    def test_watch_every_node_of_valkey(self) -> None:
        """Either may be the one that serves: after a failover it is the second."""
        watched = [
            sorted(
                dict(where)["CacheClusterId"][-4:]
                for space, _, where in _metrics(stack)
                if space == "AWS/ElastiCache"
            )
            for stack in WATCHED
        ]

        one, two = ["-001"] * 3, ["-001"] * 3 + ["-002"] * 3
        assert watched == [one, one, two, one]

    @pytest.mark.parametrize("metric", ["Errors", "Throttles"])
    def test_watch_every_function(self, metric: str) -> None:
        watched = {
            dict(dimensions)["FunctionName"]
            for namespace, name, dimensions in _metrics(WATCHED[0])
            if (namespace, name) == ("AWS/Lambda", metric)
        }
        jobs = {one.name for one in app.event_sources}
        others = {one.name for one in app.pure_lambda_functions}

        assert watched == FUNCTIONS
        assert {f"parley-dev-{name}" for name in jobs | others} <= FUNCTIONS

    def test_on_rabbitmq_4_pushes_are_watched_without_metrics_of_queues(self) -> None:
        used = {(name, dict(where).get("Queue")) for _, name, where in _metrics(WATCHED[1])}

        assert {("MessageReadyCount", None), ("PushesBuried", None)} <= used
        assert all(queue is None for _, queue in used)

    def test_every_alarm_says_why_and_where_to_read_on(self) -> None:
        names = [one["AlarmName"] for one in self._alarms()]

        assert len(names) == len(set(names)) > 30
        for one in self._alarms():
            section = re.search(r"\w\. See docs/operations\.md: ([a-z-]+)\.$", _text(one))
            assert section, one["AlarmName"]
            assert len(_text(one)) > 60
        assert {one["TreatMissingData"] for one in self._alarms() if "outbox" in _text(one)} == {
            "breaching"
        }

    def test_every_alarm_has_its_section_in_the_operations_manual(self) -> None:
        manual = (ROOT / "docs/operations.md").read_text()
        _, _, alarms = manual.partition("\n## Alarms\n")
        sections = re.findall(r"^### (\S+)$", alarms.partition("\n## ")[0], re.MULTILINE)

        named = re.findall(r"docs/operations\.md: ([a-z-]+)\.", WATCH.path.read_text())

        assert sorted(set(named)) == sorted(sections)

    def test_shares_in_the_manual_are_the_thresholds(self) -> None:
        manual = (ROOT / "docs/operations.md").read_text().partition("\n## Alarms\n")[2]
        told = dict(re.findall(r"^### (\S+)\n(?:(?!^###).*\n)*?.*[Oo]ver (\d+) %", manual, re.M))
        thresholds = {
            section[1]: str(one["Threshold"])
            for one in self._alarms()
            if (section := re.search(r"operations\.md: ([a-z-]+)\.$", _text(one)))
        }

        assert told.keys() >= {"postgres-cpu", "redis-memory", "redis-cpu"}
        assert told.items() <= thresholds.items()

    def test_every_alarm_is_sent_to_the_topic(self) -> None:
        for one in self._alarms():
            assert one["AlarmActions"] == one["OKActions"] == ["<Alarms>"]

    def test_the_dashboard_is_readable(self) -> None:
        for stack in WATCHED:
            [dashboard] = stack.of_type("::Dashboard").values()
            widgets = json.loads(dashboard["DashboardBody"])["widgets"]
            rows = [one for one in widgets if one["type"] == "text"]
            places = {(one["x"], one["y"]) for one in widgets}

            assert len(places) == len(widgets)
            assert 4 <= len(rows) <= 6
            assert all(one["x"] + one["width"] <= 24 for one in widgets)

    def _alarms(self) -> list[dict[str, Any]]:
        every = {
            one["AlarmName"]: one
            for stack in WATCHED
            for one in stack.of_type("CloudWatch::Alarm").values()
        }
        assert len(every) == len(
            [one for one in WATCH.resources.values() if one["Type"].endswith("::Alarm")]
        )
        return list(every.values())


Metric = tuple[str, str, tuple[tuple[str, str], ...]]


def _metrics(stack: Any) -> set[Metric]:
    """Metrics of alarms: namespace, name, dimensions."""
    found = set()
    for alarm in stack.of_type("CloudWatch::Alarm").values():
        inner = [
            one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one
        ]
        for one in inner or [alarm]:
            where = tuple((each["Name"], each["Value"]) for each in one.get("Dimensions", []))
            found.add((one["Namespace"], one["MetricName"], where))
    return found


def _drawn(stack: Any) -> set[Metric]:
    """Metrics of the dashboard."""
    [dashboard] = stack.of_type("::Dashboard").values()
    found = set()
    for widget in json.loads(dashboard["DashboardBody"])["widgets"]:
        last: list[str] = []
        for line in widget["properties"].get("metrics", []):
            parts = [one for one in line if isinstance(one, str)]
            if parts[0] == "...":
                parts = last[: len(last) - len(parts) + 1] + parts[1:]
            last = parts
            where = tuple(zip(parts[2::2], parts[3::2], strict=True))
            found.add((parts[0], parts[1], where))
    return found


def _text(alarm: dict[str, Any]) -> str:
    return str(alarm["AlarmDescription"])
