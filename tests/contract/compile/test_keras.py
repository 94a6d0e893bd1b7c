"""Networks of Keras: what compiles, in an environment that has Keras, and how one is published and served without it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

from command_line import CommandLine
from modelserve_control.common.progress import Lines
from modelserve_control.publish.environments import BuildFailed, Packages, build, own_requirements
from serving import serving

# Installing 700 MB takes half a minute, and each network is compiled by JAX, too.
pytestmark = pytest.mark.timeout(400)

# The pins that MLflow writes, so that publishing finds the environment there.
PACKAGES: Final = Packages("3.11", ("jax==0.10.2", "keras==3.15.1"), tuple(own_requirements()))
SELDOM: Final = Path(__file__).parents[2] / "seldom.py"
# How uv says that it does not get to the package index.
UNREACHABLE: Final = ("error sending request", "the network was disabled")
REFUSED: Final = {
    "refused: a layer of its own": "Doubles has no compiled form.",
    "refused: rank": "Reshape works on more than a row of numbers.",
    "refused: precision": "Dense computes in float16.",
    "refused: activation": "Dense has the activation <lambda>.",
    "refused: outputs": "Functional has 2 outputs.",
    "refused: inputs": "Functional has inputs that the signature lacks: second.",
}


@dataclass(frozen=True)
class Training:
    model: Path
    found: dict[str, Any]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    model = tmp_path_factory.mktemp("keras") / "model"
    try:
        python = build(PACKAGES, Lines())
    except BuildFailed as error:
        if not any(reason in str(error) for reason in UNREACHABLE):
            raise
        pytest.skip(f"the packages of Keras cannot be fetched here: {error}")
    script = Path(__file__).with_name("keras_networks.py")
    done = subprocess.run([*python, SELDOM, script, model], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return Training(model, json.loads(done.stdout))


def test_every_layer_and_activation_compiles_and_what_does_not_is_named(training: Training) -> None:
    networks = training.found["networks"]
    refused = {name: found["refused"] for name, found in networks.items() if "refused" in found}
    assert refused == REFUSED
    compiled = [found for name, found in networks.items() if name not in refused]
    assert len(compiled) == 6
    assert {found["mismatch"] for found in compiled} == {None}
    assert min(found["rows"] for found in compiled) > 1_000


def test_a_network_is_published_from_an_environment_of_its_own_and_served_without_keras(
    training: Training, tmp_path: Path
) -> None:
    assert find_spec("keras") is None
    command = CommandLine(str(tmp_path / "store"), {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", "")})
    words = ("publish", training.model, "--name", "network", "--alias", "champion", "--compile", "require")
    assert "--trust pickle" in command.json(*words, code=1)["message"]
    assert command.json(*words, "--trust", "pickle")["runtime"] == "compiled"
    settings = {"MODEL_URI": f"{tmp_path}/store/models/network@champion", "MODEL_TRUST": "strict"}
    with serving(tmp_path / "log", settings) as served:
        answer = served.post("/predict", {"instances": training.found["rows"]}).json()
    wanted = [pytest.approx(row, abs=1e-6) for row in training.found["predicted"]]
    assert answer["predictions"] == wanted
