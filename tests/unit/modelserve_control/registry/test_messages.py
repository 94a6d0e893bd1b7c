"""What `show` prints of a version is for people: no Python, and a line for each column."""

from __future__ import annotations

from modelserve_control.registry.messages import format_show


def test_a_version_has_a_line_for_each_column_and_no_code() -> None:
    columns = [{"name": "tenure", "type": "long"}, {"name": "plan", "type": "string", "required": False}]
    held = [{"name": "tenure", "kind": "double", "exact_integers": True}]
    runtime = {"kind": "compiled", "merges": False, "classes": None, "inputs": held, "outputs": held}
    manifest = {
        "runtime": runtime | {"verified": {"rows": 9, "flips": 0}},
        "methods": ["predict", "predict_proba"],
        "presentation": None,
        "environment": {"python": "3.11"},
        "provenance": {"source": "model"},
        "signature": {"inputs": columns, "outputs": None, "params": None},
        "files": [{"path": "MLmodel", "size": 1234}],
    }
    result = {"name": "churn", "version": "1", "manifest_sha256": "0a", "manifest": manifest}
    assert format_show(result).splitlines() == [
        "churn version 1  0a",
        "runtime:",
        "  kind: compiled",
        "  merges: False",
        "  verified: rows 9, flips 0",
        "methods: predict, predict_proba",
        "presentation: -",
        "environment:",
        "  python: 3.11",
        "provenance:",
        "  source: model",
        "inputs:",
        "  tenure: long, required",
        "  plan: string, may be null",
        "files:",
        "  MLmodel: 1,234 bytes",
    ]
