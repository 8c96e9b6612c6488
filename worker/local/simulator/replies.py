"""Error answers in the form that Genesys Cloud gives them."""

import uuid

from aiohttp import web


def api_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error of the API."""
    body = {
        "message": message,
        "code": code,
        "status": status,
        "contextId": str(uuid.uuid4()),
        "details": [],
        "errors": [],
    }
    return web.json_response(body, status=status, headers=headers)


def too_many_requests(seconds: int) -> web.Response:
    """429, with the wait both in the header and in the text, as the API does."""
    return api_error(
        429,
        "too.many.requests.retry.after",
        f"Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds",
        {"Retry-After": str(seconds)},
    )


def authentication_required() -> web.Response:
    """401 for a request without a bearer token."""
    return api_error(401, "authentication.required", "The request has no bearer token.")


def bad_credentials() -> web.Response:
    """401 for a token that is unknown, revoked or expired."""
    return api_error(401, "bad.credentials", "The bearer token is not, or no longer, good.")


def login_error(status: int, error: str, description: str) -> web.Response:
    """An error of the login, which has a form of its own."""
    return web.json_response(
        {"error": error, "description": description, "error_description": description}, status=status
    )
