"""The ECS task and service definitions, filled in, against the API's own model and what the model does not know."""

import json
from collections.abc import Iterator
from string import Template
from typing import Any

import botocore.loaders
import botocore.model
import botocore.validate
import pytest

from tests.support.tools import ROOT
from worker.settings import HAND_BACK_SECONDS, Settings

ECS = ROOT / "deploy" / "ecs"

FARGATE_MEMORY = {
    256: {512, 1024, 2048},
    512: set(range(1024, 4097, 1024)),
    1024: set(range(2048, 8193, 1024)),
}
"""MiB of memory that Fargate pairs with CPU units, for the sizes of use to one process."""

Document = dict[str, Any]


def _example() -> dict[str, str]:
    lines = (ECS / "example.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _filled(name: str) -> Document:
    filled = Template((ECS / name).read_text()).substitute(_example())
    document: Document = json.loads(filled)
    return document


@pytest.fixture(scope="module")
def task() -> Document:
    return _filled("task-definition.json")


@pytest.fixture(scope="module")
def service() -> Document:
    return _filled("service-definition.json")


@pytest.fixture(scope="module")
def ecs() -> botocore.model.ServiceModel:
    description = botocore.loaders.create_loader().load_service_model("ecs", "service-2")
    return botocore.model.ServiceModel(description, "ecs")


def _wrong_enums(shape: botocore.model.Shape, value: Any, path: str) -> Iterator[str]:
    """Values outside an enumeration; botocore leaves these to the service."""
    if isinstance(shape, botocore.model.StructureShape):
        for name, part in value.items():
            yield from _wrong_enums(shape.members[name], part, f"{path}.{name}")
    elif isinstance(shape, botocore.model.ListShape):
        for number, part in enumerate(value):
            yield from _wrong_enums(shape.member, part, f"{path}[{number}]")
    elif isinstance(shape, botocore.model.StringShape) and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {shape.enum}"


def _faults(ecs: botocore.model.ServiceModel, operation: str, document: Document) -> list[str]:
    shape = ecs.operation_model(operation).input_shape
    assert shape is not None
    unknown = botocore.validate.ParamValidator().validate(document, shape)
    if unknown.has_errors():
        return [unknown.generate_report()]
    return list(_wrong_enums(shape, document, operation))


def test_ecs_knows_every_field_and_value_of_the_task(ecs: botocore.model.ServiceModel, task: Document) -> None:
    assert _faults(ecs, "RegisterTaskDefinition", task) == []


def test_ecs_knows_every_field_and_value_of_the_service(ecs: botocore.model.ServiceModel, service: Document) -> None:
    assert _faults(ecs, "CreateService", service) == []


def test_the_check_would_see_a_wrong_name_and_a_wrong_value(ecs: botocore.model.ServiceModel, task: Document) -> None:
    assert "stopTimeOut" in _faults(ecs, "RegisterTaskDefinition", {**task, "stopTimeOut": 1})[0]
    wrong = {**task, "runtimePlatform": {"cpuArchitecture": "ARM"}}
    assert _faults(ecs, "RegisterTaskDefinition", wrong) == [
        "RegisterTaskDefinition.runtimePlatform.cpuArchitecture: 'ARM' is none of ['X86_64', 'ARM64']"
    ]


def test_fargate_has_this_size(task: Document) -> None:
    assert int(task["memory"]) in FARGATE_MEMORY[int(task["cpu"])]


def test_the_worker_hands_back_before_fargate_kills_it(task: Document) -> None:
    container = task["containerDefinitions"][0]
    environment = {pair["name"]: pair["value"] for pair in container["environment"]}
    assert container["stopTimeout"] == int(environment["STOP_TIMEOUT_SECONDS"]) <= 120
    assert float(environment["DRAIN_SECONDS"]) + HAND_BACK_SECONDS <= container["stopTimeout"]


def test_the_container_may_do_nothing_that_it_need_not(task: Document) -> None:
    container = task["containerDefinitions"][0]
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "65532:65532"
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}


def test_secrets_are_never_in_the_open(task: Document) -> None:
    container = task["containerDefinitions"][0]
    assert {pair["name"] for pair in container["secrets"]} == {"GENESYS_CLIENT_ID", "GENESYS_CLIENT_SECRET"}
    assert not [pair["name"] for pair in container["environment"] if "SECRET" in pair["name"]]


def test_the_worker_accepts_the_environment(task: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    container = task["containerDefinitions"][0]
    for pair in container["environment"]:
        monkeypatch.setenv(pair["name"], pair["value"])
        assert pair["name"] == "AWS_REGION" or pair["name"].lower() in Settings.model_fields, pair["name"]
    for pair in container["secrets"]:
        monkeypatch.setenv(pair["name"], "from-secrets-manager")
    settings = Settings()
    assert settings.conflicts() == []


def test_a_failed_rollout_goes_back(service: Document) -> None:
    deployment = service["deploymentConfiguration"]
    assert deployment["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert deployment["minimumHealthyPercent"] == 100
