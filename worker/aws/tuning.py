"""What an AWS call costs here and brings nothing: botocore's handlers for cases that ours are not.

Every call passes a chain of event handlers in the SDK's own Python. A client is told to leave out some of them by its
public event system (`client.meta.events`); `make bench` shows what that is worth.
"""

from typing import Any

from botocore import handlers

_IDLE_HANDLERS = (
    # Fills in idempotency tokens, which none of the calls made here has.
    ("before-parameter-build", "generate_idempotent_uuid"),
    # Passes on the trace of a Lambda function.
    ("before-call", "add_recursion_detection_header"),
    # Serves calls that discover their endpoint.
    ("before-call", "inject_api_version_header_if_needed"),
    # Chooses the signature of calls that differ from the rest of their service; all calls made here are alike.
    ("choose-signer", "set_operation_specific_signer"),
    # Two headers that tell AWS how often the SDK tried; they are built and signed for every call.
    ("request-created", "add_retry_headers"),
)


def drop_idle_handlers(client: Any) -> None:
    """Take out of `client` what its calls never need.

    A handler that a later botocore no longer has is passed over. S3 is left as it is: it uses more of them.
    """
    for event, name in _IDLE_HANDLERS:
        if (handler := getattr(handlers, name, None)) is not None:
            client.meta.events.unregister(event, handler)
    if client.meta.config.retries.get("total_max_attempts") == 1:
        # The retry policy is asked after every call, also where it may only say no.
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
