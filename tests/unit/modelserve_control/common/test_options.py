"""What is said of an option is said once: where two commands have it, it is the same in both."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import click
from click.testing import CliRunner

from modelserve_control.cli.main import main
from modelserve_control.common.options import ROW_FILES

# By these names each command means something of its own.
OWN = {
    "--abort",
    "--alias",
    "--batch-rows",
    "--data",
    "--max-error-ratio",
    "--model",
    "--out",
    "--overwrite",
    "--store",
    "--thresholds",
    "--watch",
}
OWN |= {"--project", "--region", "--target", "--to", "--window"}
OWN |= {"--key", "--labels", "--log", "--port"}  # `console` can do without the first three, and may listen elsewhere


def test_an_option_is_the_same_in_every_command_that_has_it() -> None:
    found = defaultdict(list)
    for name, command in main.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                found[parameter.opts[0]].append((name, parameter.to_info_dict()))
    repeated = {option: uses for option, uses in found.items() if len(uses) > 1 and option not in OWN}
    assert {"--trust", "--token-command", "--reason", "--by", "--method"} <= repeated.keys()
    for option, uses in repeated.items():
        assert all(said == uses[0][1] for _, said in uses), (option, [name for name, _ in uses])


def test_a_release_without_thresholds_says_what_such_a_file_may_hold() -> None:
    given = ["release", "churn", "2", "--data", "a.csv", "--store", "s"]
    assert "for example of the line `max_rmse_ratio: 1.0`" in CliRunner().invoke(main, given).stderr


def test_a_store_is_always_the_same_setting() -> None:
    stores = [
        parameter
        for command in main.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.opts == ["--store"]
    ]
    assert len(stores) > 5
    for store in stores:
        assert store.envvar == "MODELSERVE_STORE"
        assert str(store.help).startswith("The bucket (gs://B), or a directory laid out like one")


def test_terraform_takes_the_files_of_rows_that_the_command_reads() -> None:
    texts = (path.read_text() for path in (Path(__file__).parents[4] / "terraform").glob("*.tf"))
    found = {ending for text in texts for ending in re.findall(r"\((parquet\|[a-z|]+)\)", text)}
    assert found == {"|".join(ending.removeprefix(".") for ending in ROW_FILES)}
