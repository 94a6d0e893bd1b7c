"""The schema of a Terraform provider, read back from the bindings that were generated from it.

Each binding is a JavaScript class. Beside every attribute a comment says whether it is required, optional or computed;
the types stand in the functions that turn it into HCL. Defaults and the provider's own value checks are not in there.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

# A block may hold itself (a condition of conditions); no configuration nests deeper than this.
DEEPEST: Final = 14

CLASS = re.compile(r"^class (\w+) extends cdktn\.(\w+) \{", re.MULTILINE)
TYPE_NAME = re.compile(r'static tfResourceType = "(\w+)"')
FLAGS = re.compile(
    r"^    // (\w+) - computed: (true|false), optional: (true|false), required: (true|false)$", re.MULTILINE
)
NESTED = re.compile(r" = new (?:\w+\.)?(\w+?)(List|Map|OutputReference)\(this, ")
GETTER = re.compile(r"this\.get(\w+)Attribute\(|cdktn\.(String|Number|Boolean|Any)Map\(this")
TO_HCL = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
SYNTHESIS = re.compile(r"synthesizeHclAttributes\(\) \{(.*?)^    \}", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(
    r'(\w+): \{\s+value: .*\s+isBlock: (true|false),\s+type: "(\w+)",\s+storageClassType: "(\w+)",', re.MULTILINE
)

SCALARS: Final = {"string": "string", "number": "number", "boolean": "bool", "any": "string"}
KINDS: Final = {"TerraformResource": "resources", "TerraformDataSource": "data", "TerraformProvider": "provider"}


@dataclass(slots=True)
class Attribute:
    """`type` is in Terraform's own notation: "string", ["list", "string"], ["list", ["object", {...}]]."""

    type: Any
    required: bool
    optional: bool
    computed: bool


@dataclass(slots=True)
class Nested:
    """A block inside a block; `nesting` is single, list or set, and `most` is 0 for any number."""

    block: Block
    nesting: str
    least: int
    most: int


@dataclass(slots=True)
class Block:
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: dict[str, Nested] = field(default_factory=dict)


@dataclass(slots=True)
class Schema:
    provider: Block
    resources: dict[str, Block]
    data: dict[str, Block]


@dataclass(slots=True)
class _Class:
    base: str
    body: str
    hcl: str


def only(block: Block, names: Collection[str]) -> Block:
    """`block` with what is in `names`, and what must be set."""
    attributes = {name: one for name, one in block.attributes.items() if one.required or name in names}
    blocks = {
        name: replace(one, block=only(one.block, names))
        for name, one in block.blocks.items()
        if one.least or name in names
    }
    return Block(attributes, blocks)


def flat(block: Block, path: str) -> Iterator[tuple[str, Attribute | tuple[str, int, int]]]:
    """Each attribute, and how often each block may be there, by its path."""
    for name, attribute in block.attributes.items():
        yield f"{path}.{name}", attribute
    for name, nested in block.blocks.items():
        yield f"{path}.{name}", (nested.nesting, nested.least, nested.most)
        yield from flat(nested.block, f"{path}.{name}")


def read(wheel: Path) -> Schema:
    """Every resource and data source of the provider whose bindings are in `wheel`."""
    found = Schema(Block(), {}, {})
    for text in sources(wheel):
        classes = parse(text)
        for name, one in classes.items():
            kind = KINDS.get(one.base)
            if kind == "provider":
                found.provider = block(classes, name)
            elif kind:
                getattr(found, kind)[TYPE_NAME.findall(one.body)[0]] = block(classes, name)
    return found


def sources(wheel: Path, ending: str = ".js") -> Iterator[str]:
    """The code of each resource, the files of large ones joined, without source maps."""
    texts: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as outer:
        bundle = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as inner:
            for member in inner:
                path = member.name.split("/")
                if path[:2] == ["package", "lib"] and len(path) > 3 and member.name.endswith(ending):
                    file = inner.extractfile(member)
                    data = file.read().decode() if file else ""  # only a directory has none
                    texts[path[2]] = texts.get(path[2], "") + data.partition("//# sourceMappingURL")[0]
    yield from texts.values()


def parse(text: str) -> dict[str, _Class]:
    functions: dict[str, str] = dict(TO_HCL.findall(text))
    classes = {}
    for match, body in sections(CLASS, text):
        own = SYNTHESIS.search(body)
        struct = match[1].removesuffix("OutputReference")
        hcl = own[1] if own else functions.get(struct[0].lower() + struct[1:], "")
        classes[match[1]] = _Class(match[2], body, hcl)
    return classes


def sections(pattern: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each match, with the text up to the next one."""
    matches = list(pattern.finditer(text))
    for match, following in zip_longest(matches, matches[1:]):
        yield match, text[match.end() : following.start() if following else len(text)]


def block(classes: dict[str, _Class], name: str, depth: int = 0) -> Block:
    made = Block()
    one = classes.get(name)
    if one is None or depth > DEEPEST:
        return made
    entries = {key: (flag == "true", kind, storage) for key, flag, kind, storage in ENTRY.findall(one.hcl)}
    for mark, text in sections(FLAGS, one.body):
        key = mark[1]
        computed, optional, required = (mark[place] == "true" for place in (2, 3, 4))
        inner = NESTED.search(text)
        is_block, kind, storage = entries.get(key, (False, "", ""))
        if is_block:
            struct = inner[1] if inner else storage
            several = inner is not None and inner[2] == "List"
            nesting = "single" if kind == "struct" else kind
            child = block(classes, f"{struct}OutputReference", depth + 1)
            made.blocks[key] = Nested(child, nesting, int(required), 0 if several or kind == "struct" else 1)
        else:
            shape = configured(kind, storage) or derived(classes, text, inner, depth)
            made.attributes[key] = Attribute(shape, required, optional and not required, computed)
    return made


def configured(kind: str, storage: str) -> Any:
    """The type of an attribute that a configuration may set; None when it does not say."""
    if kind == "simple":
        return SCALARS.get(storage, "string")
    element = SCALARS.get(re.sub("(List|Map|Set)$", "", storage))
    return [kind, element] if kind and element else None


def derived(classes: dict[str, _Class], text: str, inner: re.Match[str] | None, depth: int) -> Any:
    """The type of an attribute that only the provider sets, from how it is read."""
    if inner and f"{inner[1]}OutputReference" in classes:
        child = block(classes, f"{inner[1]}OutputReference", depth + 1)
        shape = ["object", {key: one.type for key, one in child.attributes.items()}]
        return ["map" if inner[2] == "Map" else "list", shape]
    getter = GETTER.search(text)
    if getter is None:
        return "string"
    if getter[2]:
        return ["map", SCALARS[getter[2].lower()]]
    words = re.findall("String|Number|Boolean|List|Map", getter[1])
    scalar = next((SCALARS[word.lower()] for word in words if word.lower() in SCALARS), "string")
    if "List" in words:
        return ["set" if "Fn.tolist" in text else "list", scalar]
    return ["map", scalar] if "Map" in words else scalar
