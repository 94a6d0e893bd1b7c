"""Compile fitted models to ONNX at publish time, and verify that both forms give the same answers."""

from modelserve_control.compile.compiler import CompiledModel, Output, compile
from modelserve_control.compile.errors import CannotCompile
from modelserve_control.compile.verify.rows import generate_batches
from modelserve_control.compile.verify.verify import Report, verify

__all__ = ["CannotCompile", "CompiledModel", "Output", "Report", "compile", "generate_batches", "verify"]
