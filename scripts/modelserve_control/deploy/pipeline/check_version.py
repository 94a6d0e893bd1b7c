"""Check that the source archive can serve a version, from the result of `modelserve doctor --json`."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from modelserve.core.errors import ServeError
from modelserve_control.common.output import prints_result
from modelserve_control.deploy.package import REQUIREMENTS


class ArchiveTooSmall(ServeError):
    code = "ARCHIVE_TOO_SMALL"
    status = HTTPStatus.CONFLICT


@click.command()
@click.argument("checked", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--runtime", type=click.Choice(list(REQUIREMENTS)), required=True, help="The runtime of the archive.")
@prints_result(lambda found: f"{found['name']}/{found['version']}")
def check_version(checked: Path, runtime: str) -> dict[str, Any]:
    """Refuse a version that needs more than the archive has, and print MODEL/VERSION."""
    found = {key: str(json.loads(checked.read_text())[key]) for key in ("name", "version", "runtime")}
    if (found["runtime"], runtime) == ("native", "compiled"):
        raise ArchiveTooSmall(
            f"{found['name']} version {found['version']} is native, and the functions are built for compiled versions: "
            "set _RUNTIME to native in cloudbuild.yaml, or publish it compiled."
        )
    return found


if __name__ == "__main__":
    check_version()
