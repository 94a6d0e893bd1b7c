"""The console: it is reached only through the proxy, and moves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import click

from infra.resources import Resource, identity, of
from modelserve_control.console.command import console

SERVICE: Final = "google_cloud_run_v2_service"
PROXY: Final = "@gcp-sa-iap.iam.gserviceaccount.com"


def the_console_is_behind_the_proxy(resources: Sequence[Resource]) -> Iterator[str]:
    services = dict(of(resources, SERVICE))
    callers = {(one["name"], one["member"]) for _, one in of(resources, "google_cloud_run_v2_service_iam_member")}
    for address, one in services.items():
        if one["iap_enabled"] is not True or one["invoker_iam_disabled"]:
            yield f"{address} can be reached without the proxy"
        called = {member for name, member in callers if name == one["name"]}
        if len(called) != 1 or not all(member.endswith(PROXY) for member in called):
            yield f"{address} may be called by {sorted(called)}"


def the_console_is_a_command_that_only_shows(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, SERVICE):
        [container] = one["template"][0]["containers"]
        name, *rest = container["args"]
        try:
            given = console.make_context(name, list(rest)).params
        except click.ClickException as error:
            yield f"{address}: {error.format_message()}"
            continue
        if given["write"]:
            yield f"{address} can move aliases"
        if (given["host"], given["port"]) != ("0.0.0.0", container["ports"][0]["container_port"]):
            yield f"{address} does not listen where Cloud Run asks"
        if not given["origins"] or "@sha256:" not in container["image"]:
            yield f"{address} does not know its address, or names its image by a tag"


def the_console_only_reads(resources: Sequence[Resource]) -> Iterator[str]:
    account = identity(resources, "console")
    for address, one in of(resources, SERVICE):
        if one["template"][0]["service_account"] != account["email"]:
            yield f"{address} does not run as the account of the console"
    for one in resources:
        granted = one["type"].endswith("_iam_member") and one["values"]["member"] == account["member"]
        if granted and one["values"]["role"] != "roles/storage.objectViewer":
            yield f"{one['address']} lets the console do more than read"
