"""What is left out of the SDK's descriptions changes none of the calls made here."""

from typing import Any

import pytest
from aiobotocore.session import AioSession, get_session
from botocore.model import ServiceModel
from botocore.regions import EndpointResolver

from worker.aws.definitions import _ENDPOINTS_OF, load_lean

SERVICES = ("sqs", "stepfunctions", "dynamodb", "s3", "sts", "events")


@pytest.fixture(scope="module")
def full() -> AioSession:
    return get_session()


@pytest.fixture(scope="module")
def lean() -> AioSession:
    session = get_session()
    load_lean(session)
    return session


def _texts(part: Any) -> int:
    """How much documentation there is."""
    if isinstance(part, dict):
        own = part.get("documentation")
        return (len(own) if isinstance(own, str) else 0) + sum(map(_texts, part.values()))
    return sum(map(_texts, part)) if isinstance(part, list) else 0


def _stripped(part: Any) -> Any:
    if isinstance(part, dict):
        own = {name: _stripped(value) for name, value in part.items()}
        if isinstance(own.get("documentation"), str):
            own["documentation"] = ""
        return own
    return [_stripped(each) for each in part] if isinstance(part, list) else part


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_keeps_all_but_its_documentation(service: str, full: AioSession, lean: AioSession) -> None:
    complete = await full.get_service_data(service)
    assert _texts(complete) > 10_000
    assert await lean.get_service_data(service) == _stripped(complete)


@pytest.mark.parametrize("service", SERVICES)
async def test_botocore_reads_the_whole_model(service: str, full: AioSession, lean: AioSession) -> None:
    """Every property of a model, as some read documentation where others do not."""
    complete, bare = [ServiceModel(await session.get_service_data(service), service) for session in (full, lean)]
    assert len(bare.client_context_parameters) == len(complete.client_context_parameters)
    for model in (complete, bare):
        shapes = [model.shape_for(name) for name in model.shape_names]
        operations = [model.operation_model(name) for name in model.operation_names]
        for part in (model, *shapes, *operations):
            for name in vars(type(part)):
                getattr(part, name, None)


@pytest.mark.parametrize("prefix", sorted(_ENDPOINTS_OF))
def test_endpoints_are_the_same_in_every_region(prefix: str, full: AioSession, lean: AioSession) -> None:
    complete, few = (
        EndpointResolver(session.get_component("data_loader").load_data("endpoints")) for session in (full, lean)
    )
    partitions = complete.get_available_partitions()
    assert few.get_available_partitions() == partitions
    for partition in partitions:
        regions = complete.get_available_endpoints(prefix, partition, allow_non_regional=True)
        assert few.get_available_endpoints(prefix, partition, allow_non_regional=True) == regions
        for region in regions:
            assert few.construct_endpoint(prefix, region) == complete.construct_endpoint(prefix, region)


def test_no_endpoints_of_other_services_are_kept(lean: AioSession) -> None:
    for partition in lean.get_component("data_loader").load_data("endpoints")["partitions"]:
        assert set(partition["services"]) <= _ENDPOINTS_OF


async def test_a_description_of_ones_own_is_still_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    (tmp_path / "made-up" / "2026-01-01").mkdir(parents=True)
    (tmp_path / "made-up" / "2026-01-01" / "service-2.json").write_text('{"metadata": {}, "documentation": "long"}')
    session = get_session()
    load_lean(session)
    assert await session.get_service_data("made-up") == {"metadata": {}, "documentation": ""}
