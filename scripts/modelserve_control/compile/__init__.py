"""Compiles fitted models to ONNX at publish time, and proves that both forms answer alike. Nothing here is served."""

from modelserve_control.compile.compiler import Compiled, Output, compile
from modelserve_control.compile.errors import CannotCompile
from modelserve_control.compile.verify.rows import generated
from modelserve_control.compile.verify.verify import Report, verify

__all__ = ["CannotCompile", "Compiled", "Output", "Report", "compile", "generated", "verify"]
