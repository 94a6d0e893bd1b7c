"""The load balancer, both sides and the command, wired as Terraform wires them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from command_line import CommandLine
from contract.failover.compute import PROJECT, Compute
from modelserve_control.common.progress import Lines
from modelserve_control.common.services.identity import Identity, service_account_or_user
from modelserve_control.deploy.failover.balancer import Balancer
from modelserve_control.deploy.failover.sides import Side
from modelserve_control.deploy.failover.switch import Sides, SwitchOptions, status, switch
from modelserve_control.deploy.failover.weights import Name


@dataclass
class Rig:
    compute: Compute
    functions_url: str
    gke_url: str
    account: Path
    request: bytes | None = None
    output: io.StringIO = field(default_factory=io.StringIO)

    def balancer(self) -> Balancer:
        return Balancer(PROJECT, "modelserve", self.compute.url)

    def sides(self, balancer: Balancer) -> Sides:
        identity = Identity(service_account_or_user, self.functions_url)
        added = balancer.added_headers("modelserve-gateway")
        return {
            "functions": Side("functions", self.functions_url, identity, {}, self.request),
            "gke": Side("gke", self.gke_url, identity, added, self.request),
        }

    def move(self, to: Name = "gke", weight: int = 100, wait: float = 0, watch: float = 0, **allowed: bool) -> Any:
        balancer = self.balancer()
        order = SwitchOptions(to, weight, wait, watch, **allowed)
        return switch(balancer, balancer.read(), self.sides(balancer), order, Lines(self.output))

    def status(self) -> Any:
        balancer = self.balancer()
        return status(balancer, balancer.read(), self.sides(balancer))

    @property
    def command(self) -> CommandLine:
        return CommandLine(
            "",
            {
                "GOOGLE_CLOUD_PROJECT": PROJECT,
                "GOOGLE_APPLICATION_CREDENTIALS": str(self.account),
                "MODELSERVE_COMPUTE_ENDPOINT": self.compute.url,
                "MODELSERVE_FUNCTIONS_URL": self.functions_url,
                "MODELSERVE_GKE_URL": self.gke_url,
            },
        )
