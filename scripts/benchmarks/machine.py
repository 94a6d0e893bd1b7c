"""The machine and the packages that the figures depend on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "functions-framework",
    "uvicorn",
    "uvloop",
    "mlflow-skinny",
    "onnxruntime",
    "scikit-learn",
    "pandas",
    "numpy",
)


def describe() -> dict[str, str]:
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
        **{name: found for name in PACKAGES if (found := package_version(name))},
    }


def package_version(name: str) -> str:
    """The installed version, or an empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def processor() -> str:
    """The model name from Linux, or else from Python."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load_average() -> float:
    """Average number of processes that ran or waited for a processor in the last minute."""
    return os.getloadavg()[0]
