from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from modelserve.core.errors import BadSetting
from modelserve_control.common import options
from modelserve_control.common.output import prints_result, table
from modelserve_control.deploy.failover.weights import NAMES, Name


def format_result(result: Mapping[str, Any]) -> str:
    weights = {name: f"{result['weights'][name]['percent']:g} %" for name in NAMES}
    if "sides" not in result:
        line = ", ".join(f"{name} {weights[name]}" for name in NAMES)
        return f"{line}: {'moved' if result['changed'] else 'already so'}"
    head = ("SIDE", "REQUESTS", "READY", "MODEL")
    rows: list[tuple[str, ...]] = [head]
    for name, side in result["sides"].items():
        model = side["model"]
        shown = f"{model['name']} version {model['version']} ({model['digest'][:12]})" if model else side["reason"]
        rows.append((name, weights[name], "yes" if side["ready"] else "no", shown))
    return "\n".join(table(rows))


@click.command()
@click.option("--to", type=click.Choice(NAMES), help="The side that is to get requests.")
@click.option(
    "--weight",
    type=click.IntRange(0, 100),
    default=100,
    help="How many of 100 requests --to gets; the other side gets the rest.",
)
@click.option("--status", "only_status", is_flag=True, help="Show how requests are shared out, and move none.")
@options.project
@click.option(
    "--url-map",
    envvar="MODELSERVE_URL_MAP",
    show_envvar=True,
    default="modelserve",
    help="Terraform's variable `name`.",
)
@click.option(
    "--functions-url",
    envvar="MODELSERVE_FUNCTIONS_URL",
    show_envvar=True,
    required=True,
    help="Where the function predict answers itself.",
)
@click.option(
    "--gke-url",
    envvar="MODELSERVE_GKE_URL",
    show_envvar=True,
    help="Where the Gateway answers itself.  [default: the host that the load balancer asks]",
)
@click.option(
    "--request",
    type=options.FILE,
    help="A JSON body for POST /predict, sent with every probe.",
)
@options.number("--wait", 0, 600, 60, "Seconds until the side must be ready and serve the same version.")
@options.number("--watch", 0, 3600, 60, "Seconds to probe the side afterwards.")
@click.option(
    "--allow-different-versions", "any_version", is_flag=True, help="Do not compare the models of both sides."
)
@click.option("--allow-anonymous", "any_caller", is_flag=True, help="The cluster may answer callers without identity.")
@click.option(
    "--compute-endpoint",
    envvar="MODELSERVE_COMPUTE_ENDPOINT",
    help="Another address of the compute API, as https://...",
)
@prints_result(format_result, extras=("cloud",))
def failover(
    to: Name | None,
    only_status: bool,
    project: str,
    url_map: str,
    compute_endpoint: str | None,
    functions_url: str,
    gke_url: str | None,
    request: Path | None,
    **order: Any,
) -> Any:
    """Move requests between the functions and the cluster.

    Both are behind one load balancer. The side that gets more must be ready and serve the same version as the other; it
    is watched afterwards, and the weights are put back if it fails.
    """
    if (to is None) != only_status:
        raise click.UsageError("Give either --to gke|functions or --status.")
    from modelserve_control.common.progress import progress
    from modelserve_control.common.services.identity import Identity, service_account_or_user
    from modelserve_control.deploy.failover.balancer import Balancer
    from modelserve_control.deploy.failover.sides import Side
    from modelserve_control.deploy.failover.switch import SwitchOptions, status, switch

    balancer = Balancer(project, url_map, compute_endpoint)
    seen = balancer.read()
    added = balancer.added_headers(seen.services["gke"])
    identity = Identity(service_account_or_user, functions_url)
    body = request.read_bytes() if request else None
    if not gke_url and "Host" not in added:
        raise BadSetting("--gke-url is needed: the backend service of the cluster names no host.")
    sides: dict[Name, Side] = {
        "functions": Side("functions", functions_url, identity, {}, body),
        "gke": Side("gke", gke_url or f"https://{added['Host']}", identity, added, body),
    }
    if to is None:
        return status(balancer, seen, sides)
    return switch(balancer, seen, sides, SwitchOptions(to, **order), progress())
