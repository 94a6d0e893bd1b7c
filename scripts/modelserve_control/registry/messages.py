from collections.abc import Mapping
from typing import Any, Final

from modelserve_control.common.output import table

Result = Mapping[str, Any]


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_move(result: Result) -> str:
    subject = f"{result['name']}@{result['alias']}"
    if not result["changed"]:
        return f"{subject} already names version {result['version']}"
    before = f" (before: version {result['moved_from']})" if result["moved_from"] else ""
    return f"{subject} now names version {result['version']}{before}"


HISTORY: Final = ("WHEN", "MOVE", "VERSION", "BY", "REASON")
MODELS: Final = ("NAME", "VERSIONS", "NEWEST", "ALIASES")
LONG: Final = ("inputs", "outputs")  # of a compiled form: the signature has the columns
VERSIONS: Final = ("VERSION", "ALIASES", "PUBLISHED", "BY", "BYTES", "SOURCE")


def format_history(result: Result) -> str:
    return "\n".join(table([HISTORY, *history_rows(result)]))


def history_rows(result: Result) -> list[tuple[str, ...]]:
    return [
        (
            move["updated_at"] or "-",
            "rollback" if move["rollback"] else "promote",
            move["version"],
            move["updated_by"] or "-",
            move["reason"] or "-",
        )
        for move in reversed(result["moves"])
    ]


def format_models(result: Result) -> str:
    rows = model_rows(result)
    return "\n".join(table([MODELS, *rows])) if rows else "The store has no models."


def model_rows(result: Result) -> list[tuple[str, ...]]:
    return [
        (
            model["name"],
            str(model["versions"]),
            model["newest"] or "-",
            ", ".join(f"{alias} {version}" for alias, version in model["aliases"].items()) or "-",
        )
        for model in result["models"]
    ]


def format_versions(result: Result) -> str:
    return "\n".join([*table([VERSIONS, *version_rows(result)]), *unusable_versions(result)])


def version_rows(result: Result) -> list[tuple[str, ...]]:
    return [
        (
            row["version"],
            ",".join(row["aliases"]) or "-",
            row["published_at"] or "-",
            row["published_by"] or "-",
            f"{row['bytes']:,}",
            row["source"] or "-",
        )
        for row in result["versions"]
    ]


def unusable_versions(result: Result) -> list[str]:
    lines = [f"version {number} was published only in part and does not exist" for number in result["incomplete"]]
    return [*lines, *(f"version {number} cannot be served: {reason}" for number, reason in result["damaged"].items())]


def format_show(result: Result) -> str:
    if "manifest" not in result:
        lines = [f"{result['name']}: {count(result['versions'], 'version')}, newest {result['newest'] or '-'}"]
        lines += [f"  @{alias} names version {now['version']}" for alias, now in result["aliases"].items()]
        return "\n".join(lines)
    manifest = result["manifest"]
    lines = [f"{result['name']} version {result['version']}  {result['manifest_sha256']}"]
    lines += format_section("runtime", {key: value for key, value in manifest["runtime"].items() if key not in LONG})
    for part in ("methods", "presentation", "environment", "provenance"):
        lines += format_section(part, manifest[part])
    from modelserve.schema.signature import from_mlmodel  # imports numpy, which no other message needs

    signature = from_mlmodel(manifest["signature"])  # MLflow's form is JSON text, that of a manifest is decoded
    columns = signature.raw["inputs"] if signature else []
    lines += format_section(
        "inputs",
        {
            column.get(
                "name", place
            ): f"{column['type']}{', required' if column.get('required', True) else ', may be null'}"
            for place, column in enumerate(columns)
        },
    )
    lines += format_section("files", {entry["path"]: f"{entry['size']:,} bytes" for entry in manifest["files"]})
    return "\n".join(lines)


def format_section(title: str, content: Any) -> list[str]:
    if isinstance(content, Mapping):
        return [f"{title}:", *(f"  {key}: {flatten(value)}" for key, value in content.items() if value is not None)]
    return [f"{title}: {flatten(content) or '-'}"]


def flatten(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str("" if value is None else value)


def format_delete(result: Result) -> str:
    return f"deleted {result['name']} version {result['version']}: {count(result['files'] + 1, 'file')}; its number is not used again"
