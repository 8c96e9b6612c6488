"""Unregisters three of botocore's handlers that our calls never need; together they are 4 % of an interaction's CPU.

A client is told so by its public event system (`client.meta.events`). ADR 0031 has what each of them is worth.
"""

from typing import Any

from botocore import handlers

_IDLE_HANDLERS = (
    # Passes on the trace of a Lambda function.
    ("before-call", "add_recursion_detection_header"),
    # Two headers that tell AWS how often the SDK tried; they are built and signed for every call.
    ("request-created", "add_retry_headers"),
)


def drop_idle_handlers(client: Any) -> None:
    """Unregister from `client` what its calls never need; a handler that a later botocore lacks is passed over."""
    for event, name in _IDLE_HANDLERS:
        if (handler := getattr(handlers, name, None)) is not None:
            client.meta.events.unregister(event, handler)
    if client.meta.config.retries.get("total_max_attempts") == 1:
        # The retry policy is asked after every call, also where it may only say no.
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
