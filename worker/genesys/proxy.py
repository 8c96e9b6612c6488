"""The way to Genesys Cloud through a proxy, where HTTPS_PROXY names one and NO_PROXY does not except the host.

The AWS SDK reads the same variables by itself. aiohttp would too (`trust_env`), but then it also takes credentials for
any host from a netrc file.
"""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse
from yarl import URL

from worker.settings import Problem, SettingsError


@dataclass(frozen=True, slots=True)
class Proxy:
    """An address that may be shown, and headers that may not: they hold the credentials, if there are any."""

    url: URL
    headers: dict[str, str] = field(repr=False)


def proxy_for(url: URL) -> Proxy | None:
    """The proxy that requests to `url` take; None where they go directly.

    Only https:// goes through a proxy, and every host of Genesys Cloud is reached by it. Raises SettingsError for an
    HTTPS_PROXY that is not the address of a proxy; its text has nothing of the value, which may hold a password.
    """
    configured = getproxies().get("https")
    if url.scheme != "https" or not configured or proxy_bypass(str(url.host)):
        return None
    try:
        proxy = URL(configured if "://" in configured else f"http://{configured}")
        usable = proxy.scheme in {"http", "https"} and proxy.host is not None and proxy.port is not None
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(Problem("HTTPS_PROXY", "is not the address of a proxy", "expected http://HOST:PORT"))
    credentials = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    return Proxy(proxy.with_user(None), {"Proxy-Authorization": f"Basic {credentials}"} if proxy.user else {})


def proxy_middlewares(*base_urls: str) -> tuple[ClientMiddlewareType, ...]:
    """What leads a session's requests to these hosts through their proxies.

    A session's own proxy would be one for all hosts, and would show its credentials in the texts of errors. Raises
    SettingsError as proxy_for().
    """
    origins = {URL(base_url).origin() for base_url in base_urls}
    proxies = {origin: proxy for origin in origins if (proxy := proxy_for(origin)) is not None}

    async def use_proxy(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        if proxy := proxies.get(request.url.origin()):
            request.update_proxy(proxy.url, None, proxy.headers)
        return await handler(request)

    return (use_proxy,) if proxies else ()
