"""No error text shows a password that somebody put into a URL, however the URL is malformed."""

import itertools

import pytest
from structlog.testing import capture_logs

from tests.support.settings import RIGHT
from worker.aws.clients import new_session
from worker.clock import SystemClock
from worker.fleet.shared_cache import open_shared_cache
from worker.settings import Settings, SettingsError, load_settings
from worker.wiring import open_cache

SECRET = ("hunter", "2Xyzzy")
MARKS = ["", "/", "#", "?", "@", ":", "%", "[", "]", "\\", " ", "\u2100", "\n", "//", "/?#"]
URLS = ["{scheme}://user:{password}@host.example.com", "{scheme}://:{password}@host.example.com:6379/0"]
URLS += ["{scheme}://user:{password}@host.example.com:port", "{scheme}://user:{password}@", "{scheme}:/u:{password}@h"]
CACHES = list(itertools.product(["SHARED_CACHE_URL"], ["redis", "rediss", "dynamodb", "http"]))
HTTP = list(itertools.product(["GENESYS_LOGIN_URL", "GENESYS_API_URL", "EVENT_QUEUE_URL"], ["http", "https"]))


@pytest.fixture(autouse=True)
def _right(
    clean_environment: None,  # noqa: ARG001 -- asked for its effect
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)


def assert_hidden(text: str) -> None:
    """See that no part of the password is in the text."""
    assert not any(part in text for part in SECRET), text


@pytest.mark.parametrize(("name", "scheme"), CACHES + HTTP)
async def test_a_password_in_a_url_is_shown_nowhere(name: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, mark in itertools.product(URLS, MARKS):
        monkeypatch.setenv(name, url.format(scheme=scheme, password=mark.join(SECRET)))
        shown = await told(opens=scheme.startswith("redis"))
        assert_hidden(shown)
        assert "\n" not in shown
        assert name == "SHARED_CACHE_URL" or shown.startswith(f"{name}: "), url  # the others may have no password


async def told(*, opens: bool) -> str:
    """What is said of the settings, or their text where they are accepted."""
    try:
        settings = load_settings()
        if opens:
            async with open_cache(settings, None):
                pass
    except SettingsError as error:
        return str(error)
    return repr(settings)


@pytest.mark.parametrize("table", ["user:hunter2Xyzzy@table", "table?key=hunter2Xyzzy", "table#hunter2Xyzzy"])
def test_a_table_of_the_cache_has_no_password(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_CACHE_URL", f"dynamodb://{table}")
    with pytest.raises(SettingsError, match=r"is not a table; expected dynamodb://TABLE\Z"):
        load_settings()


@pytest.mark.parametrize("table", ["table", "table/", "arn:aws:dynamodb:us-east-1:000000000000:table/my_table-1.2"])
def test_a_table_of_the_cache_is_a_name_or_an_arn(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_CACHE_URL", f"dynamodb://{table}")
    assert load_settings().shared_cache_url == f"dynamodb://{table}"


@pytest.mark.parametrize("password", ["p%2Fq", "p%40q%23", "abc123"])
@pytest.mark.parametrize("rest", ["host", "host:6379", "host:6379/0", "[::1]:6379/0?protocol=3"])
def test_a_redis_url_that_is_right_is_taken(password: str, rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_CACHE_URL", f"rediss://user:{password}@{rest}")
    assert load_settings().shared_cache_url.endswith(rest)


@pytest.mark.parametrize(
    "query",
    [
        "ssl_cert_reqs=none",
        "ssl_cert_reqs=optional",
        "ssl_cert_reqs=",
        "protocol=3&ssl_cert_reqs=none",
        "ssl_check_hostname=false",
    ],
)
def test_tls_without_a_checked_certificate_is_refused(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARED_CACHE_URL", f"rediss://host?{query}")
    with pytest.raises(SettingsError, match="may not switch off the check"):
        load_settings()


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("redis://cache.example.com:6379", True),
        ("redis://user:hunter2Xyzzy@10.0.0.1", True),
        ("rediss://cache.example.com:6379", False),
        ("redis://127.0.0.1:6379", False),
        ("redis://[::1]:6379", False),
        ("redis://localhost", False),
    ],
)
async def test_redis_without_encryption_warns_outside_this_machine(url: str, warned: bool) -> None:
    with capture_logs() as logs:
        async with open_shared_cache(url, None, SystemClock()):
            pass
    assert [line["event"] for line in logs] == ["shared_cache_not_encrypted"] * warned
    assert_hidden(str(logs))


@pytest.mark.parametrize("name", ["GENESYS_LOGIN_URL", "GENESYS_API_URL"])
@pytest.mark.parametrize("with_conflicts", [True, False])
def test_plain_http_to_another_machine_has_to_be_allowed(
    name: str, with_conflicts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://genesys:8090")
    with pytest.raises(SettingsError, match=f"{name}: is plain http to another machine"):
        load_settings(Settings, with_conflicts=with_conflicts)
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "true")
    load_settings()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:8", "http://localhost:1", "http://a.localhost"]
)
def test_plain_http_to_this_machine_is_right(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_LOGIN_URL", url)
    load_settings()


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.com", "http://localhost.example.com", "http://0.0.0.0"])
def test_what_only_looks_like_this_machine_is_another(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENESYS_LOGIN_URL", url)
    with pytest.raises(SettingsError, match="plain http"):
        load_settings()


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"])
def test_an_aws_endpoint_with_a_password_is_refused_and_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv(name, "https://user:hunter2Xyzzy@127.0.0.1")
    with pytest.raises(SettingsError, match=f"{name}: may hold no user and password") as caught:
        new_session()
    assert_hidden(str(caught.value))
