"""What the commands of `python -m infra.deploy` do: deploy, its plan, destroy, rollback, rotate."""
