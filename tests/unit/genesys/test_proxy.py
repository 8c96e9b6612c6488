"""Which proxy a host is reached through."""

from base64 import b64encode

import pytest
from yarl import URL

from worker.genesys.proxy import Proxy, proxy_for
from worker.settings import SettingsError

API = URL("https://api.mypurecloud.de")


@pytest.fixture(autouse=True)
def _no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_variable_there_is_no_proxy() -> None:
    assert proxy_for(API) is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["http://proxy.example.com:3128", "proxy.example.com:3128"])
def test_https_goes_through_the_proxy_that_the_variable_names(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert proxy_for(API) == Proxy(URL("http://proxy.example.com:3128"), {})


def test_credentials_are_taken_out_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://us%40er:p%3Ass@proxy.example.com:3128")
    proxy = proxy_for(API)
    assert proxy == Proxy(
        URL("http://proxy.example.com:3128"), {"Proxy-Authorization": f"Basic {b64encode(b'us@er:p:ss').decode()}"}
    )
    assert repr(proxy) == "Proxy(url=URL('http://proxy.example.com:3128'))"


@pytest.mark.parametrize(
    "excepted", ["api.mypurecloud.de", ".mypurecloud.de", "mypurecloud.de", "other,mypurecloud.de", "*"]
)
def test_a_host_of_no_proxy_is_reached_directly(monkeypatch: pytest.MonkeyPatch, excepted: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert proxy_for(API) is None
    monkeypatch.setenv("NO_PROXY", "amazonaws.com")
    assert proxy_for(API) is not None


def test_a_simulator_without_tls_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    assert proxy_for(URL("http://127.0.0.1:8080")) is None


@pytest.mark.parametrize(
    "value",
    [
        "http://user:hunter2@proxy.example.com:many",
        "socks5://user:hunter2@proxy.example.com:1080",
        "http://user:hunter2@",
    ],
)
def test_what_is_no_address_of_a_proxy_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(SettingsError) as refused:
        proxy_for(API)
    assert str(refused.value) == "HTTPS_PROXY: is not the address of a proxy; expected http://HOST:PORT"
