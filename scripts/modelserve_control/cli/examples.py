"""The examples at the end of each command's help."""

from collections.abc import Iterator
from typing import Final

import click

EXAMPLES: Final = {
    "compare": ("compare churn 6 7 --data may.parquet --html report.html",),
    "console": ("console --log log", "console --write --data may.parquet --thresholds thresholds.yaml"),
    "delete": ("delete churn/6", "delete churn 8 --incomplete"),
    "doctor": ("doctor churn/7", "doctor models:/churn/latest"),
    "drift": ("drift churn --data may.parquet", "drift churn --data log --window day --html drift.html"),
    "evaluate": ("evaluate churn --log log --labels churned.parquet --key customer --target churn",),
    "failover": ("failover --status", "failover --to gke --weight 20"),
    "history": ("history churn", "history churn --alias challenger"),
    "import": ("import lin_reg.bin --data rides.csv --out taxi --trust pickle",),
    "list": ("list --store gs://BUCKET",),
    "local down": ("local down",),
    "local logs": ("local logs predict",),
    "local status": ("local status",),
    "local up": ("local up --keep", "local up --model churn/7 --env LOG_LEVEL=DEBUG"),
    "package": ("package --runtime compiled --out build", "package --for churn@champion --out build"),
    "promote": ('promote churn 7 --reason "better on May"', "promote churn/7 --alias challenger"),
    "publish": (
        "publish models:/churn/latest --name churn --alias champion",
        "publish ./model --name churn --positive-class yes --label churn",
    ),
    "release": ("release churn 7 --data may.parquet --thresholds thresholds.yaml --url https://SERVICE",),
    "retrain": (
        "retrain churn --policy policy.yaml --dry-run",
        "retrain churn --policy policy.yaml --now",
        "retrain churn --policy policy.yaml --simulate",
    ),
    "rollback": ("rollback churn", 'rollback churn --to 5 --reason "6 was trained on half a month"'),
    "rollout": ("rollout --predict predict --serves predict=churn -- terraform apply plan.tfplan",),
    "schema": ("schema churn", "schema churn/7 --of input"),
    "score": ("score churn may.parquet scored.parquet", "score churn@challenger gs://IN/may.csv gs://OUT/may.parquet"),
    "serve": ("serve churn --store gs://BUCKET", "serve models:/telco_churn/latest --trust pickle --port 9000"),
    "show": ("show churn", "show churn@champion", "show churn/7 --json"),
    "versions": ("versions churn",),
    "worker": ("SUBSCRIPTION=projects/P/subscriptions/S modelserve worker",),
}


def add_examples(group: click.Group) -> None:
    for path, command in commands(group):
        lines = (line if "modelserve " in line else f"modelserve {line}" for line in EXAMPLES.get(path, ()))
        command.epilog = "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if path in EXAMPLES else None


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands below `group` with their paths, as in `local up`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command
