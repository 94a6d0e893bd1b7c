"""Terraform and a stand-in for the provider, made once; without Terraform the room is skipped, aloud.

With REAL_PROVIDER=8.0.0 it is that version of the real one, from the mirror that TF_CLI_CONFIG_FILE names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from infra import terraform
from infra.google.cloud import Cloud
from infra.stand_in import serving
from infra.terraform import EVERYTHING, MADE_UP, Report, Workspace
from infra.wheels import PROVIDERS

NEWEST = max(PROVIDERS)
REAL = os.environ.get("REAL_PROVIDER")
NO_TERRAFORM = "no terraform of 1.9 or newer on PATH, and none in the package index for this machine"
VERSIONS = [REAL] if REAL else sorted(PROVIDERS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    used = f"{REAL} of {os.environ.get('TF_CLI_CONFIG_FILE')}" if REAL else f"a stand-in for {' and '.join(VERSIONS)}"
    terminalreporter.write_line(f"hashicorp/google was {used}")


@pytest.fixture(scope="session")
def stand_in() -> None:
    """What a test needs that applies something."""
    if not terraform.command():
        pytest.skip(NO_TERRAFORM)
    if REAL:
        pytest.skip("the real provider would apply this to the real Google")


@pytest.fixture(scope="session")
def providers() -> Iterator[dict[str, dict[str, str]]]:
    """The environment that selects each version of the provider."""
    if not terraform.command():
        pytest.skip(NO_TERRAFORM)
    if REAL:
        yield dict.fromkeys([REAL, NEWEST], terraform.real_provider(REAL))
        return
    with serving_all(Cloud("nothing-is-applied-here")) as served:
        yield served


@pytest.fixture(scope="session")
def lenient(stand_in: None) -> Iterator[dict[str, dict[str, str]]]:
    """As `providers`, but takes a value in any form."""
    with serving_all(Cloud("nothing-is-applied-here", strict=False)) as served:
        yield served


@contextmanager
def serving_all(cloud: Cloud) -> Iterator[dict[str, dict[str, str]]]:
    with ExitStack() as stack:
        yield {version: stack.enter_context(serving(version, cloud)) for version in PROVIDERS}


@pytest.fixture(scope="session", params=VERSIONS)
def workspace(
    request: pytest.FixtureRequest, providers: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Workspace:
    """The configuration as it is, once for each version of the provider."""
    return Workspace.make(tmp_path_factory.mktemp(request.param), providers[request.param])


@pytest.fixture(scope="session")
def newest(providers: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The configuration as it is, for the newest version, or the real one that was asked for."""
    return Workspace.make(tmp_path_factory.mktemp("newest"), providers[NEWEST])


@pytest.fixture(scope="session")
def everything(lenient: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Production with all that it may add, planned and applied."""
    return Workspace.make(tmp_path_factory.mktemp("all"), lenient[NEWEST], MADE_UP).test(*EVERYTHING)
