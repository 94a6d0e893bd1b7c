"""Terraform and a stand-in for the provider, made once; without Terraform the room is skipped, aloud."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from infra import terraform
from infra.mutations import FORBIDDEN
from infra.stand_in import serving
from infra.terraform import EVERYTHING, Report, Workspace
from infra.wheels import PROVIDERS

NEWEST = max(PROVIDERS)


@pytest.fixture(scope="session")
def providers() -> Iterator[dict[str, dict[str, str]]]:
    """The environment that selects each version of the provider."""
    if not terraform.command():
        pytest.skip("no terraform of 1.9 or newer on PATH, and none in the package index for this machine")
    with ExitStack() as stack:
        yield {version: stack.enter_context(serving(version, terraform.types() | FORBIDDEN)) for version in PROVIDERS}


@pytest.fixture(scope="session", params=sorted(PROVIDERS))
def workspace(
    request: pytest.FixtureRequest, providers: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """The configuration as it is, once for each version of the provider."""
    return Workspace.make(tmp_path_factory.mktemp(request.param), providers[request.param])


@pytest.fixture(scope="session")
def everything(workspace: Workspace) -> Report:
    """Production with all that it may add, planned and applied once for each version of the provider."""
    return workspace.test(*EVERYTHING)
