"""Which hosts are this machine."""

import pytest

from worker.loopback import is_loopback


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LOCALHOST", "localhost.", "queues.localhost"]
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "aws",
        "0.0.0.0",  # noqa: S104 -- a host to refuse
        "10.0.0.1",
        "::",
        "fe80::1",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "notlocalhost",
    ],
)
def test_another_machine(host: str) -> None:
    assert not is_loopback(host)
