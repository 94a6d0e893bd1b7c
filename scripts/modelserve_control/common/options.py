"""The options and arguments that several commands share."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
from msgspec import inspect

from modelserve.core.errors import BadSetting

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

# The endings of a file of rows, for every command that reads one: records are an array in .json, one a line in .jsonl.
PARQUET, CSV, JSON, JSON_LINES = ".parquet", ".csv", ".json", ".jsonl"
ROW_FILES: Final = (PARQUET, CSV, JSON, JSON_LINES)
ENDINGS: Final = f"{', '.join(ROW_FILES[:-1])} or {ROW_FILES[-1]}"


class ThresholdsFile(click.Path):
    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return (
            "It is a YAML file of limits, for example of the line `max_rmse_ratio: 1.0` with --target COLUMN, or of "
            "`max_flip_ratio: 0.05`: docs/compare.md"
        )


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
THRESHOLDS = ThresholdsFile(exists=True, dir_okay=False, path_type=Path)


def store(what: str = "", required: bool = True) -> Callable[[Command], Command]:
    return click.option(
        "--store",
        envvar="MODELSERVE_STORE",
        required=required,
        show_envvar=True,
        help=f"The bucket (gs://B), or a directory laid out like one{what}.",
    )


def number(name: str, low: float, high: float | None, default: float | None, help: str) -> Callable[[Command], Command]:
    return click.option(name, type=click.FloatRange(low, high), default=default, help=help)


def _parse_version(context: click.Context, _: click.Parameter, words: tuple[str, ...]) -> None:
    """Sets `name` and `version`. The command checks them, so that --json applies to that error too."""
    if len(words) == 1 and "/" in words[0]:
        name, version = words[0].split("/", 1)
        words = (name, version.removeprefix("versions/"))
    if len(words) != 2:
        raise click.UsageError("Name one version, as in churn 7 or churn/7.", context)
    context.params["name"], context.params["version"] = words


version = click.argument(
    "words", metavar="NAME VERSION|NAME/VERSION", nargs=-1, required=True, callback=_parse_version, expose_value=False
)
alias = click.option("--alias", default="champion", help="The alias that moves.")
batch_rows = click.option("--batch-rows", type=click.IntRange(1, 1_000_000), default=10_000, help="Rows per call.")
by = click.option("--by", metavar="COLUMN", help="Also compare by the values of this column.")
data = click.option(
    "--data", required=True, metavar="FILE", help=f"The rows to compare on ({ENDINGS}), a path or gs://."
)
method = click.option("--method", help="The predict_method to score with, for example predict_proba.")
project = click.option(
    "--project",
    envvar="GOOGLE_CLOUD_PROJECT",
    required=True,
    show_envvar=True,
    help="The id of the Google Cloud project.",
)
reason = click.option("--reason", default="", show_default=False, help="The reason, for the record.")
target = click.option(
    "--target", metavar="COLUMN", help="The column of the data with the truth, against which both are also measured."
)


def reports(command: Command) -> Command:
    for option in (
        click.option("--overwrite", is_flag=True, help="Replace the reports if they are there."),
        click.option("--html", metavar="FILE", help="Write the report as one HTML file with charts."),
        click.option("--markdown", metavar="FILE", help="Write the report as Markdown."),
    ):
        command = option(command)
    return command


token_command = click.option(
    "--token-command",
    metavar="COMMAND",
    help="A command that prints an identity token for the services; {audience} is replaced by their address.",
)
trust = click.option(
    "--trust",
    type=click.Choice(["strict", "pickle"]),
    envvar="MODEL_TRUST",
    default="strict",
    show_envvar=True,
    help="Which models may be loaded: the MODEL_TRUST of the functions that serve them.",
)


def read_yaml(path: Path, shape: type[T], option: str) -> T:
    """The strict YAML file that an option names. `shape` is a dataclass or a Struct. Raises BadSetting."""
    import yaml

    from modelserve.store.trust import strict_yaml  # not for every command at its start

    try:
        value = strict_yaml.load(path.read_text())
        check_keys(value, inspect.type_info(shape), f"{option} {path}")
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise BadSetting(f"{option} {path}: {error}.") from error
    except strict_yaml.Refused as error:
        raise BadSetting(f"{option} {path} {error}.") from error
    except yaml.YAMLError as error:
        raise BadSetting(f"{option} {path} is not YAML: {' '.join(str(error).split())}.") from error
    except (OSError, ValueError) as error:
        raise BadSetting(f"{option} {path} cannot be read: {type(error).__name__}.") from error


def check_keys(value: Any, kind: inspect.Type, where: str, path: str = "") -> None:
    """Dataclasses ignore unknown keys, and a Struct does not say which there are."""
    for one in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
        if not isinstance(one, inspect.DataclassType | inspect.StructType) or not isinstance(value, dict):
            continue
        fields = {field.encode_name: field.type for field in one.fields}
        for key, inner in value.items():
            if key not in fields:
                near = difflib.get_close_matches(str(key), fields, 1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(fields)}."
                raise BadSetting(f"{where} has an unknown key {path}{key}; {hint}")
            check_keys(inner, fields[key], where, f"{path}{key}.")
