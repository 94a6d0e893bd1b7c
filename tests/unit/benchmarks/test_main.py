"""Names of models on the command line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.model import RECIPES
from benchmarks.plan import Plan
from benchmarks.servers.table import OWN, select_servers


@pytest.mark.parametrize("option", ["--model", "--models", "--peers-for"])
def test_the_error_for_an_unknown_model_lists_the_known_ones(option: str) -> None:
    result = CliRunner().invoke(main, [option, "churn,nothing"])
    assert result.exit_code == 2
    assert "unknown model: nothing" in result.output
    assert all(name in result.output for name in RECIPES)


def test_peers_are_measured_only_with_the_requested_models() -> None:
    plan = Plan(select_servers("flask"), ["churn", "forest"], ["churn"], 1.0, 1, 0, 0)
    assert [server.name for server in plan.servers_of("churn") if server not in OWN] == ["flask"]
    assert tuple(plan.servers_of("forest")) == OWN
