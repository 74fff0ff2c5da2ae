"""The Lambda functions of a stage, and what belongs to them: log groups, triggers, releases."""
