"""A stand-in for the AWS provider: it serves a schema over Terraform's plugin protocol, and creates nothing.

With it Terraform's own core validates, plans and applies a module against a version of the provider that is not on this
machine. What is computed is unknown in a plan and made up after it. STAND_IN_SCHEMA names the file of the schema.
STAND_IN_GOES_BACK=1: ECS takes back each rollout, as its circuit breaker does.

Run by the Python of tools/infra-tools, not by the tests' own.
"""

# ruff: noqa: N802 -- the protocol names its calls

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-not-found]
import tf.provider  # type: ignore[import-not-found]
from tf.gen import tfplugin_pb2 as pb  # type: ignore[import-not-found]
from tf.gen import tfplugin_pb2_grpc as rpc
from tf.runner import run_provider  # type: ignore[import-not-found]

SCHEMA = json.loads(Path(os.environ["STAND_IN_SCHEMA"]).read_text())
GOES_BACK = os.environ.get("STAND_IN_GOES_BACK") == "1"
FORCES_NEW = {"aws_ecs_task_definition": {"container_definitions"}}
"""Attributes that cannot be changed, as far as a test needs them. The schema that is at hand does not say."""

NESTING = {"single": 1, "list": 2, "set": 3}
UNKNOWN = msgpack.ExtType(0, b"\x00")


def block_message(block: dict[str, Any]) -> Any:
    """A block of the schema as the protocol has it."""
    return pb.Schema.Block(
        attributes=[
            pb.Schema.Attribute(
                name=name,
                type=json.dumps(attribute["type"]).encode(),
                required=attribute.get("required", False),
                optional=attribute.get("optional", False),
                computed=attribute.get("computed", False),
            )
            for name, attribute in sorted(block["attributes"].items())
        ],
        block_types=[
            pb.Schema.NestedBlock(
                type_name=name,
                block=block_message(nested["block"]),
                nesting=NESTING[nested["nesting_mode"]],
                min_items=nested.get("min_items", 0),
                max_items=nested.get("max_items", 0),
            )
            for name, nested in sorted(block["block_types"].items())
        ],
    )


def schema_message(block: dict[str, Any]) -> Any:
    """A schema, which never has had another version."""
    return pb.Schema(version=0, block=block_message(block))


def decode(value: Any) -> Any:
    """A value out of the protocol's own form; None where a resource is taken away."""
    return msgpack.unpackb(value.msgpack, strict_map_key=False)


def encode(value: Any) -> Any:
    """And back into it."""
    return pb.DynamicValue(msgpack=msgpack.packb(value))


def made_up(kind: Any, text: str) -> Any:
    """A value of this type."""
    if isinstance(kind, list):
        return {} if kind[0] == "map" else []
    return {"string": text, "number": 1, "bool": False}.get(kind)


def fill(block: dict[str, Any], values: dict[str, Any] | None, *, known_as: str | None) -> Any:
    """Give each computed attribute without a value one that starts with `known_as`, or an unknown one."""
    if values is None:
        return None
    for name, attribute in block["attributes"].items():
        if attribute.get("computed") and (values.get(name) is None or values[name] == UNKNOWN):
            values[name] = UNKNOWN if known_as is None else made_up(attribute["type"], f"{known_as}.{name}")
    return values


def read_only(block: dict[str, Any], values: dict[str, Any]) -> list[Any]:
    """Complaints about attributes that only the provider sets. Terraform's core leaves them to it."""
    return [
        pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary="Computed attribute cannot be set", detail=name)
        for name, attribute in block["attributes"].items()
        if not attribute.get("required") and not attribute.get("optional") and values.get(name) is not None
    ]


class StandIn(rpc.ProviderServicer):  # type: ignore[misc]
    """The calls that Terraform makes."""

    def __init__(self, *_: object) -> None: ...

    def GetMetadata(self, *_: Any) -> Any:
        return pb.GetMetadata.Response(
            resources=[pb.GetMetadata.ResourceMetadata(type_name=name) for name in SCHEMA["resources"]],
            data_sources=[pb.GetMetadata.DataSourceMetadata(type_name=name) for name in SCHEMA["data_sources"]],
        )

    def GetProviderSchema(self, *_: Any) -> Any:
        return pb.GetProviderSchema.Response(
            provider=schema_message(SCHEMA["provider"]),
            provider_meta=pb.Schema(block=pb.Schema.Block()),
            resource_schemas={name: schema_message(block) for name, block in SCHEMA["resources"].items()},
            data_source_schemas={name: schema_message(block) for name, block in SCHEMA["data_sources"].items()},
        )

    def ValidateProviderConfig(self, *_: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, _: Any) -> Any:
        found = read_only(SCHEMA["resources"][request.type_name], decode(request.config))
        return pb.ValidateResourceConfig.Response(diagnostics=found)

    def ValidateDataResourceConfig(self, request: Any, _: Any) -> Any:
        found = read_only(SCHEMA["data_sources"][request.type_name], decode(request.config))
        return pb.ValidateDataResourceConfig.Response(diagnostics=found)

    def ConfigureProvider(self, *_: Any) -> Any:
        return pb.ConfigureProvider.Response()

    def UpgradeResourceState(self, request: Any, _: Any) -> Any:
        return pb.UpgradeResourceState.Response(upgraded_state=pb.DynamicValue(json=request.raw_state.json))

    def ReadResource(self, request: Any, _: Any) -> Any:
        return pb.ReadResource.Response(new_state=request.current_state)

    def PlanResourceChange(self, request: Any, _: Any) -> Any:
        before, proposed = decode(request.prior_state), decode(request.proposed_new_state)
        replaced = [
            pb.AttributePath(steps=[pb.AttributePath.Step(attribute_name=name)])
            for name in FORCES_NEW.get(request.type_name, ())
            if before and proposed and before[name] != proposed[name]
        ]
        planned = fill(SCHEMA["resources"][request.type_name], proposed, known_as=None)
        return pb.PlanResourceChange.Response(planned_state=encode(planned), requires_replace=replaced)

    def ApplyResourceChange(self, request: Any, _: Any) -> Any:
        name = request.type_name
        state, before = decode(request.planned_state), decode(request.prior_state)
        state = fill(SCHEMA["resources"][name], state, known_as=f"{name}/{os.urandom(4).hex()}")
        if GOES_BACK and name == "aws_ecs_service" and state and before:
            state["task_definition"] = before["task_definition"]
        # The real one is built on the old SDK as well: Terraform lets it answer with something else than was planned.
        return pb.ApplyResourceChange.Response(new_state=encode(state), legacy_type_system=True)

    def ReadDataSource(self, request: Any, _: Any) -> Any:
        name = request.type_name
        state = fill(SCHEMA["data_sources"][name], decode(request.config), known_as=f"data.{name}")
        return pb.ReadDataSource.Response(state=encode(state))

    def GetFunctions(self, *_: Any) -> Any:
        return pb.GetFunctions.Response()

    def StopProvider(self, *_: Any) -> Any:
        return pb.StopProvider.Response()


if __name__ == "__main__":
    tf.provider.ProviderServicer = StandIn
    run_provider(None, sys.argv)
