"""Runs where Keras is: compiles networks of all layers and activations that are known, and saves one with MLflow.

Prints JSON: what came of each network, the rows and what Keras answers for them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # a program runs a few times, compiling it takes longer
import keras
import mlflow.keras
import numpy as np
from keras import layers
from mlflow.models import infer_signature

from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve_control.compile import CannotCompile, compile, verify
from modelserve_control.compile.models.keras_networks import ACTIVATIONS
from modelserve_control.publish.compiling import verification_batches

RANDOM: Final = np.random.default_rng(0)
WIDTH: Final = 4
ROWS: Final = (RANDOM.normal(size=(64, WIDTH)) * [1, 10, 0.1, 3]).astype("float32")
NORMALIZATION: Final = layers.Normalization()
NORMALIZATION.adapt(ROWS)


@keras.saving.register_keras_serializable()
class Doubles(layers.Layer):  # type: ignore[misc]  # the kit has no Keras, so its classes are Any
    def call(self, x: Any) -> Any:
        return 2 * x


def sequence(*steps: Any) -> Any:
    return keras.Sequential([keras.Input((WIDTH,)), *steps])


def beside(*steps: Any) -> Any:
    first = keras.Input((WIDTH,))
    return keras.Model(first, layers.Concatenate()([step(first) for step in steps]))


def functional() -> Any:
    """A step of two inputs, a network in a network, and one layer used twice."""
    first = keras.Input((WIDTH,))
    shared = layers.Dense(8, activation="tanh")
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8), layers.LeakyReLU()])
    one = shared(first)
    two = inner(shared(layers.Rescaling(0.5, offset=1)(first)))
    merged = [kind()([one, two]) for kind in (layers.Add, layers.Subtract, layers.Multiply, layers.Average)]
    merged += [kind()([one, two]) for kind in (layers.Maximum, layers.Minimum)]
    return keras.Model(first, layers.Dense(2)(layers.Concatenate()(merged)))


def networks() -> Iterator[tuple[str, Any]]:
    dense = [layers.Dense(2, activation=function) for function in ACTIVATIONS]
    yield "activations", beside(*dense)
    bounded = [layers.ELU(0.5), layers.ReLU(2.0, 0.1, 0.5), layers.Softmax(), layers.Activation("selu")]
    yield "layers of activations", beside(*bounded)
    noise = [layers.Dropout(0.5), layers.AlphaDropout(0.5), layers.GaussianDropout(0.5), layers.GaussianNoise(1.0)]
    rest = [layers.Flatten(), layers.Identity(), layers.ActivityRegularization(l2=1.0)]
    yield "without effect", sequence(layers.Dense(8, use_bias=False), *noise, *rest)
    options: tuple[dict[str, bool], ...] = ({}, {"center": False}, {"scale": False})
    normal = [kind(**given) for kind in (layers.BatchNormalization, layers.LayerNormalization) for given in options]
    made = beside(NORMALIZATION, *normal)
    for layer in normal:
        layer.set_weights([RANDOM.uniform(0.5, 2, WIDTH) for _ in layer.weights])
    yield "normalization", made
    yield "functional", functional()
    yield "refused: a layer of its own", sequence(layers.Dense(8), Doubles())
    yield "refused: rank", sequence(layers.Reshape((WIDTH, 1)), layers.Conv1D(2, 2), layers.Flatten())
    yield "refused: precision", sequence(layers.Dense(8, dtype="mixed_float16"))
    yield "refused: activation", sequence(layers.Dense(8, activation=lambda x: x + 1))
    first = keras.Input((WIDTH,))
    yield "refused: outputs", keras.Model(first, [layers.Dense(1)(first), layers.Dense(1)(first)])
    both = [keras.Input((WIDTH,), name=name) for name in ("first", "second")]
    two = keras.Model(both, layers.Dense(1)(layers.Concatenate()([both[1], layers.Rescaling(2.0)(both[0])])))
    yield "two inputs", two
    yield "refused: inputs", two


def inputs_of(name: str, network: Any) -> list[str]:
    """As the signature names them."""
    return ["first", "third"] if name == "refused: inputs" else [one.name for one in network.inputs]


def prove(network: Any, inputs: list[str]) -> dict[str, Any]:
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, WIDTH]}}
    named = [{"name": name} for name in inputs] if len(inputs) > 1 else [{}]
    signature = from_mlmodel({"inputs": json.dumps([tensor | name for name in named])})
    assert isinstance(signature, Signature)
    sample = Batch({name: ROWS + number for number, name in enumerate(signature.names)}, len(ROWS))
    network.predict = partial(network.predict, verbose=0)
    try:
        compiled = compile(network, signature)
    except CannotCompile as error:
        return {"refused": str(error)}
    report = verify(network, signature, compiled, verification_batches(signature, compiled, sample))
    return {"mismatch": report.mismatch, "rows": report.rows}


def main(directory: Path) -> None:
    network = sequence(NORMALIZATION, layers.Dense(8, activation="gelu"), layers.Dense(3, activation="softmax"))
    predicted = network.predict(ROWS, verbose=0)
    directory.mkdir()  # MLflow writes the example before it makes the directory
    pins = [f"keras=={keras.__version__}", f"jax=={sys.modules['jax'].__version__}"]
    signature = infer_signature(ROWS, predicted)
    mlflow.keras.save_model(network, str(directory), signature=signature, input_example=ROWS[:5], pip_requirements=pins)
    found = {name: prove(network, inputs_of(name, network)) for name, network in networks()}
    print(json.dumps({"networks": found, "rows": ROWS.tolist(), "predicted": predicted.tolist()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
