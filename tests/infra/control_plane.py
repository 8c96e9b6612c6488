"""moto's server on a free port, which it prints, for what the other emulator lacks.

Two changes make its Application Auto Scaling fit: it answers the provider's question for tags, and it does not look
for the ECS service, which is in the other emulator.

Run by the Python of tools/infra-tools, not by the tests' own.
"""

import json
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import moto.applicationautoscaling.models as scaling  # type: ignore[import-not-found]
from moto.applicationautoscaling.responses import (  # type: ignore[import-not-found]
    ApplicationAutoScalingResponse,
)
from moto.server import DomainDispatcherApplication, create_backend_app  # type: ignore[import-not-found]


def _no_tags(_: object) -> str:
    return json.dumps({"Tags": {}})


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...


def main() -> None:
    """Serve until standard input ends, which it does with the process that started this one."""
    ApplicationAutoScalingResponse.list_tags_for_resource = _no_tags
    scaling.ApplicationAutoscalingBackend._ecs_service_exists_for_target = lambda *_: True
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201 -- read by the test
    sys.stdin.read()


if __name__ == "__main__":
    main()
