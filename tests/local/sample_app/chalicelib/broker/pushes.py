"""The queues that the notify function is triggered by."""

PUSH_QUEUES = ["sample.push.0", "sample.push.1"]
