"""One token for everybody, however many ask and whatever goes wrong."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.genesys_fleet import Recorder
from worker.clock import SystemClock
from worker.errors import AttemptError, RateLimited, SharedCacheError, Unauthorized, Unavailable
from worker.fleet import token, token_record
from worker.fleet.memory import MemoryCache
from worker.fleet.token import LoginAnswer, LoginFailed, Token, Tokens
from worker.fleet.token_record import TokenRecord, refresh_at
from worker.ports import CacheEntry, SharedCache


class Login:
    """Mints tokens that live for `seconds`, or fails with `error`; holds every login up until `gate` is open."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds
        self.error: AttemptError | None = None
        self.pause_seconds: float | None = None
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> LoginAnswer:
        self.count += 1
        number = self.count
        await self.gate.wait()
        if self.error is not None:
            return LoginFailed(self.error, self.pause_seconds)
        return Token(f"token-{number}", time.time(), time.time() + self.seconds)


class AwayCache:
    """A shared cache that never answers."""

    async def get(self, key: str) -> CacheEntry | None:
        raise SharedCacheError(f"no answer for {key}")

    async def put(self, key: str, content: str, *, expected: str | None, seconds: float) -> CacheEntry | None:
        raise SharedCacheError(f"no answer for {key}: {len(content)} {expected} {seconds}")


Task = Callable[[], Tokens]


async def text_of(tokens: Tokens) -> str:
    token = await tokens.get()
    if isinstance(token, LoginFailed):
        raise token.error
    return token.text


@pytest.fixture
def login() -> Login:
    return Login()


@pytest.fixture
def cache() -> SharedCache:
    return MemoryCache()


@pytest.fixture
def task(cache: SharedCache, login: Login) -> Task:
    """Makes one more task of the fleet."""
    return lambda: Tokens(cache, "token", login, Recorder(), SystemClock())


async def test_a_thousand_calls_at_once_are_one_login(task: Task, login: Login) -> None:
    fleet = [task() for _ in range(4)]
    got = await asyncio.gather(*(text_of(fleet[number % 4]) for number in range(1000)))
    assert set(got) == {"token-1"}
    assert login.count == 1


async def test_a_refused_token_is_replaced_once_for_all(task: Task, login: Login) -> None:
    fleet = [task() for _ in range(4)]
    for one in fleet:
        one.confirm(await text_of(one))
    for one in fleet:
        one.discard("token-1")
    assert set(await asyncio.gather(*(text_of(one) for one in fleet))) == {"token-2"}
    assert login.count == 2


async def test_a_late_refusal_of_an_old_token_leaves_the_new_one(task: Task, login: Login) -> None:
    one, other = task(), task()
    for tokens_of_one in (one, other):
        tokens_of_one.confirm(await text_of(tokens_of_one))
    one.discard("token-1")
    assert await text_of(one) == "token-2"
    one.discard("token-1")
    assert await text_of(one) == "token-2"
    other.discard("token-1")
    assert await text_of(other) == "token-2"
    assert login.count == 2


async def test_the_next_token_is_fetched_before_the_end_and_nobody_waits_for_it(task: Task, login: Login) -> None:
    login.seconds = 1.0
    one = task()
    assert await text_of(one) == "token-1"
    login.gate.clear()
    async with asyncio.timeout(10):
        while login.count < 2:
            assert await text_of(one) == "token-1"
            await asyncio.sleep(0.01)
    login.gate.set()
    async with asyncio.timeout(10):
        while await text_of(one) == "token-1":
            await asyncio.sleep(0.01)
    assert login.count == 2


async def test_a_failed_refresh_does_not_hurt_while_the_token_is_good(task: Task, login: Login) -> None:
    login.seconds = 3.0
    one = task()
    await text_of(one)
    login.error = Unavailable("login answered 503")
    async with asyncio.timeout(10):
        while login.count < 2:
            assert await text_of(one) == "token-1"
            await asyncio.sleep(0.01)
    assert await text_of(one) == "token-1"


async def test_a_failed_login_is_shared_and_backs_off(task: Task, login: Login) -> None:
    login.error = Unauthorized("login answered 401")
    for one in [task() for _ in range(4)] * 5:
        with pytest.raises(Unauthorized, match="login answered 401"):
            await text_of(one)
    assert login.count == 1


async def test_a_login_that_is_rate_limited_says_for_how_long(task: Task, login: Login) -> None:
    login.error, login.pause_seconds = RateLimited("login answered 429"), 42.0
    one, other = task(), task()
    for refused in (one, other):
        failed = await refused.get()
        assert isinstance(failed, LoginFailed)
        assert failed.pause_seconds is not None
        assert 41.0 < failed.pause_seconds <= 42.0
    assert login.count == 1


async def test_tokens_that_never_work_slow_the_logins_down(task: Task, login: Login) -> None:
    one = task()
    one.discard(await text_of(one))
    one.discard(await text_of(one))
    with pytest.raises(Unauthorized, match="refuses every fresh token"):
        await text_of(one)
    with pytest.raises(Unauthorized, match="refuses every fresh token"):
        await text_of(one)
    assert login.count == 2


async def test_a_login_whose_task_died_is_taken_over(task: Task, login: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token, "LEASE_SECONDS", 0.3)
    login.gate.clear()
    dying = task()
    waiting = asyncio.create_task(text_of(dying))
    async with asyncio.timeout(10):
        while not login.count:
            await asyncio.sleep(0)
    await dying.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    login.gate.set()
    assert await text_of(task()) == "token-2"


async def test_a_caller_that_gives_up_does_not_stop_the_login_for_the_others(task: Task, login: Login) -> None:
    login.gate.clear()
    one = task()
    leaving, staying = asyncio.create_task(text_of(one)), asyncio.create_task(text_of(one))
    async with asyncio.timeout(10):
        while not login.count:
            await asyncio.sleep(0)
    leaving.cancel()
    login.gate.set()
    assert await staying == "token-1"


async def test_without_the_shared_cache_a_task_logs_in_for_itself_and_backs_off_too(login: Login) -> None:
    one = Tokens(AwayCache(), "token", login, Recorder(), SystemClock())
    assert await text_of(one) == "token-1"
    one.confirm("token-1")
    one.discard("token-1")
    login.error = Unavailable("login answered 503")
    for _ in range(5):
        with pytest.raises(Unavailable):
            await text_of(one)
    assert login.count == 2


async def test_what_is_no_record_in_the_cache_counts_as_none(cache: SharedCache, task: Task) -> None:
    await cache.put("token", '{"token": 5}', expected=None, seconds=60)
    assert await text_of(task()) == "token-1"


@pytest.mark.parametrize(("life", "margin"), [(10, 3), (100, 30), (200, 60), (86_400, 60)])
def test_the_margin_is_the_smaller_of_a_minute_and_thirty_percent(life: float, margin: float) -> None:
    token = Token("text", 1000.0, 1000.0 + life)
    assert refresh_at(token, jitter=0) == 1000.0 + life - margin
    assert 1000.0 + life - margin < refresh_at(token, jitter=1) < 1000.0 + life


def test_the_token_is_in_no_text_but_the_cache_entry() -> None:
    record = TokenRecord(Token("secret-text", 1.0, 2.0))
    assert "secret-text" not in repr(record)
    assert TokenRecord.parse(record.dump()) == record


def test_backoff_grows_to_a_minute() -> None:
    for failures, longest in ((1, 1.0), (2, 2.0), (6, 32.0), (7, 60.0), (1000, 60.0)):
        assert 0.75 * longest <= token_record.backoff(failures) <= longest
