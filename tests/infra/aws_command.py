"""As much of the AWS CLI as docs/smoke-test.md uses, on botocore's description of AWS.

Run as a program it makes the call, so that the page's commands work at an emulator; `read` alone says whether AWS would
know the call and take its parameters.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.loaders import create_loader
from botocore.model import ServiceModel, Shape
from botocore.session import get_session
from botocore.validate import ParamValidator

_OWN = {"query", "output"}
"""Options of the CLI itself."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command."""

    service: str
    method: str
    parameters: dict[str, Any]
    query: str | None = None
    output: str = "json"


def read(words: list[str]) -> Call:
    """The command of these words, `aws` left out. Raises ValueError when AWS does not know it so."""
    service, operation, *rest = words
    if operation == "wait":
        return _wait(service, *rest)
    model = ServiceModel(create_loader().load_service_model(service, "service-2"), service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in names:
        raise ValueError(f"{service} has no {operation}")
    shape: Any = model.operation_model(names[operation]).input_shape
    members = {xform_name(name, "-"): name for name in shape.members}
    given = _options(rest)
    own = {name: given.pop(name)[0] for name in _OWN & set(given)}
    if unknown := set(given) - set(members):
        raise ValueError(f"{service} {operation} has no {', '.join(sorted(unknown))}")
    parameters = {members[name]: _value(values, shape.members[members[name]]) for name, values in given.items()}
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        raise ValueError(report.generate_report())
    return Call(service, operation.replace("-", "_"), parameters, **own)


def _wait(service: str, waiter: str, *rest: str) -> Call:
    """The call that a waiter repeats."""
    waiters = create_loader().load_service_model(service, "waiters-2")["waiters"]
    names = {xform_name(name, "-"): name for name in waiters}
    if waiter not in names:
        raise ValueError(f"{service} has no waiter {waiter}")
    return read([service, xform_name(waiters[names[waiter]]["operation"], "-"), *rest])


def _options(words: list[str]) -> dict[str, list[str]]:
    """Values by option."""
    found: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            values = found.setdefault(word.removeprefix("--"), [])
        else:
            values.append(word)
    return found


def _value(words: list[str], shape: Shape) -> Any:
    if not words and shape.type_name == "boolean":
        return True
    text = words[0]
    if text.startswith("file://"):
        text = Path(text.removeprefix("file://")).read_text(encoding="utf-8")
    match shape.type_name:
        case "structure" | "map":
            return json.loads(text)
        case "list":
            return json.loads(text) if text.startswith("[") else words
        case "integer" | "long":
            return int(text)
    return text


def main() -> None:
    """Make the call, and print what it answers as the CLI does."""
    call = read(sys.argv[1:])
    session = get_session()
    session.set_config_variable("region", os.environ["AWS_REGION"])
    answer = getattr(session.create_client(call.service), call.method)(**call.parameters)
    answer.pop("ResponseMetadata", None)
    found = jmespath.search(call.query, answer) if call.query else answer
    print(found if call.output == "text" else json.dumps(found, indent=4, default=str))  # noqa: T201


if __name__ == "__main__":
    main()
