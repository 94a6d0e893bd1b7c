import shlex
from collections.abc import Mapping
from typing import Any

from modelserve_control.common.output import texts_advice
from modelserve_control.registry.messages import count, format_move

Result = Mapping[str, Any]


def format_publish(result: Result) -> str:
    line = f"{result['name']} version {result['version']}: {count(result['files'], 'file')}, {count(result['bytes'], 'byte')}"
    return line + (f"\n{format_move(result['alias'])}" if result["alias"] else "")


def format_import(result: Result) -> str:
    """And the command that comes next."""
    trust = "" if result["form"] == "skops" else " --trust pickle"
    columns = count(len(result["columns"]), "column")
    texts = f" Texts, which requests send in quotes: {', '.join(result['texts'])}." if result["texts"] else ""
    path, data = (shlex.quote(str(result[key])) for key in ("path", "data"))
    rows = f" --data {data}"
    if result["texts_as_numbers"]:
        advice = texts_advice(result["texts_as_numbers"])
        texts += f" {data} has numbers there, which `publish --data`, `score` and requests refuse: {advice}"
        rows = ""
    return (
        f"{result['path']} is a {result['model']} on {columns}, in the form {result['form']}.{texts} Next:\n"
        f"modelserve publish {path} --name NAME --alias champion{rows}{trust}"
    )


def format_doctor(result: Result) -> str:
    subject = f"{result['name']} version {result['version']} ({result['runtime']})"
    warnings = [f"  warning: {one}" for one in result["warnings"]]
    if not result["compared"]:
        nothing = f"{subject} says nothing about its Python and packages, so there is nothing to compare"
        return "\n".join([nothing, *warnings])
    lines = [f"{subject} fits Python {result['python']} and {result['requirements']}: {', '.join(result['compared'])}"]
    lines += [
        f"  {one['package']}: made with {one['version_has']}, the functions have {one['functions_have']}"
        for one in result["differences"]
    ]
    return "\n".join([*lines, *warnings])
