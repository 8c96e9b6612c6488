"""One token for everybody, however many ask and whatever goes wrong."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.fakes import RecordingMetrics
from tests.support.virtual_fleet import DistantCache
from tests.support.virtual_time import VirtualClock, run_virtually
from worker.errors import RateLimited, Unauthorized, Unavailable
from worker.fleet.memory import MemoryCache
from worker.fleet.sealed import TokenDocument
from worker.fleet.token import LEASE_SECONDS, LoginAnswer, LoginFailed, Token, Tokens
from worker.fleet.token_record import LONGEST_BACKOFF_SECONDS, TokenRecord, backoff, refresh_at


class Fleet:
    """Workers that share a cache, and a login that mints tokens or answers with `failure`."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.cache = DistantCache(MemoryCache(self.clock), self.clock)
        self.recorder = RecordingMetrics()
        self.token_seconds = 1000.0
        self.failure: LoginFailed | None = None
        self.logins = 0
        self.login_takes = 0.1

    def worker(self, clock: VirtualClock | None = None) -> Tokens:
        """One more worker, by a clock of its own or by that of the test."""
        return Tokens(self.document(), self._log_in, self.recorder, clock or self.clock)

    def document(self) -> TokenDocument:
        """Where the workers share their token."""
        return TokenDocument(self.cache, client="client", client_id="id", secret="secret")

    async def write(self, record: TokenRecord) -> None:
        """Write what another worker might have written."""
        document = self.document()
        assert await document.replace(await document.read(), record, seconds=1e6)

    async def _log_in(self) -> LoginAnswer:
        self.logins += 1
        number = self.logins
        await self.clock.sleep(self.login_takes)
        now = self.clock.time()
        return self.failure or Token(f"token-{number}", now, now + self.token_seconds)


async def text_of(worker: Tokens) -> str:
    """The text of the token that the worker gets."""
    answer = await worker.get()
    assert isinstance(answer, Token)
    return answer.text


async def failure_of(worker: Tokens) -> LoginFailed:
    """Why the worker gets none."""
    answer = await worker.get()
    assert isinstance(answer, LoginFailed)
    return answer


def virtually(test: Callable[[Fleet], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run the test in virtual time with a fleet of its own."""

    def run() -> None:
        async def main() -> None:
            await test(Fleet())

        run_virtually(main())

    return run


@virtually
async def test_a_thousand_calls_at_once_are_one_login(fleet: Fleet) -> None:
    workers = [fleet.worker() for _ in range(4)]
    got = await asyncio.gather(*(text_of(workers[number % 4]) for number in range(1000)))
    assert set(got) == {"token-1"}
    assert fleet.logins == 1
    assert fleet.recorder.calls.count(("token_fetch", "login")) == 1
    assert fleet.recorder.calls.count(("token_fetch", "shared")) == 3


@virtually
async def test_a_refused_token_is_replaced_once_for_all(fleet: Fleet) -> None:
    workers = [fleet.worker() for _ in range(4)]
    for worker in workers:
        worker.confirm(await text_of(worker))
    for worker in workers:
        worker.discard("token-1")
    assert set(await asyncio.gather(*map(text_of, workers))) == {"token-2"}
    assert fleet.logins == 2


@virtually
async def test_a_late_refusal_of_an_old_token_leaves_the_new_one(fleet: Fleet) -> None:
    one, other = fleet.worker(), fleet.worker()
    for worker in (one, other):
        worker.confirm(await text_of(worker))
    one.discard("token-1")
    assert await text_of(one) == "token-2"
    one.discard("token-1")
    assert await text_of(one) == "token-2"
    other.discard("token-1")
    assert await text_of(other) == "token-2"
    assert fleet.logins == 2


@virtually
async def test_the_next_token_is_fetched_before_the_end_and_nobody_waits_for_it(fleet: Fleet) -> None:
    worker = fleet.worker()
    await text_of(worker)
    expires_at = fleet.clock.time() + fleet.token_seconds
    fleet.login_takes = 10.0
    while await text_of(worker) == "token-1":
        asked_at = fleet.clock.time()
        assert asked_at < expires_at
        await worker.get()
        assert fleet.clock.time() == asked_at
        await fleet.clock.sleep(1)
    assert fleet.logins == 2
    await worker.close()


@virtually
async def test_a_failed_refresh_does_not_hurt_while_the_token_is_good(fleet: Fleet) -> None:
    worker = fleet.worker()
    assert await text_of(worker) == "token-1"
    fleet.failure = LoginFailed(Unavailable("login answered 503"))
    with capture_logs() as logs:
        for _ in range(999):
            assert await text_of(worker) == "token-1"
            await fleet.clock.sleep(1)
    assert 3 <= fleet.logins < 10
    assert {line["event"] for line in logs} == {"token_refresh_failed"}
    assert {(line["error"], line["detail"]) for line in logs} == {("Genesys.Unavailable", "login answered 503")}
    await fleet.clock.sleep(2)
    assert str((await failure_of(worker)).error) == "login answered 503"
    await worker.close()


@virtually
async def test_a_failed_login_is_shared_and_backs_off(fleet: Fleet) -> None:
    fleet.failure = LoginFailed(Unauthorized("login answered 401"))
    for worker in [fleet.worker() for _ in range(4)] * 3:
        failed = await failure_of(worker)
        assert isinstance(failed.error, Unauthorized)
        assert str(failed.error) == "login answered 401"
        assert failed.pause_seconds is None
    assert fleet.logins == 1
    await fleet.clock.sleep(2)
    await failure_of(fleet.worker())
    assert fleet.logins == 2


@virtually
async def test_a_login_that_is_rate_limited_says_for_how_long(fleet: Fleet) -> None:
    fleet.failure = LoginFailed(RateLimited("login answered 429"), 42.0)
    for worker in (fleet.worker(), fleet.worker()):
        failed = await failure_of(worker)
        assert isinstance(failed.error, RateLimited)
        assert failed.pause_seconds is not None
        assert 41.0 < failed.pause_seconds <= 42.0
    assert fleet.logins == 1
    fleet.failure = None
    await fleet.clock.sleep(42)
    assert await text_of(fleet.worker()) == "token-2"


@virtually
async def test_tokens_that_never_work_slow_the_logins_down(fleet: Fleet) -> None:
    worker = fleet.worker()
    worker.discard(await text_of(worker))
    worker.discard(await text_of(worker))
    for _ in range(2):
        failed = await failure_of(worker)
        assert isinstance(failed.error, Unauthorized)
        assert "refuses every fresh token" in str(failed.error)
    assert fleet.logins == 2


@virtually
async def test_a_login_whose_worker_died_is_taken_over_when_its_lease_is_over(fleet: Fleet) -> None:
    fleet.login_takes = 5.0
    dying = fleet.worker()
    waiting = asyncio.create_task(dying.get())
    while not fleet.logins:
        await fleet.clock.sleep(0.01)
    leased_at = fleet.clock.time()
    await dying.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    fleet.login_takes = 0.1
    assert await text_of(fleet.worker()) == "token-2"
    assert LEASE_SECONDS - 1 < fleet.clock.time() - leased_at < LEASE_SECONDS + 1


@virtually
async def test_a_caller_that_gives_up_does_not_stop_the_login_for_the_others(fleet: Fleet) -> None:
    fleet.login_takes = 5.0
    worker = fleet.worker()
    leaving, staying = asyncio.create_task(worker.get()), asyncio.create_task(text_of(worker))
    while not fleet.logins:
        await fleet.clock.sleep(0.01)
    leaving.cancel()
    assert await staying == "token-1"


@virtually
async def test_without_the_shared_cache_a_worker_logs_in_for_itself_and_backs_off_too(fleet: Fleet) -> None:
    fleet.cache.reachable = False
    worker = fleet.worker()
    assert await text_of(worker) == "token-1"
    worker.confirm("token-1")
    worker.discard("token-1")
    fleet.failure = LoginFailed(Unavailable("login answered 503"))
    for _ in range(5):
        assert isinstance((await failure_of(worker)).error, Unavailable)
    assert fleet.logins == 2


@virtually
async def test_without_the_shared_cache_for_a_moment_workers_keep_the_token_that_is_still_valid(fleet: Fleet) -> None:
    workers = [fleet.worker() for _ in range(4)]
    for worker in workers:
        await text_of(worker)
    await fleet.clock.sleep(fleet.token_seconds - 47)  # all of them look for the next one by now
    fleet.cache.reachable = False
    for _ in range(20):
        await asyncio.gather(*map(text_of, workers))
        await fleet.clock.sleep(0.1)
    assert fleet.logins == 1
    fleet.cache.reachable = True
    await fleet.clock.sleep(10)
    for _ in range(4):
        await asyncio.gather(*map(text_of, workers))
        await fleet.clock.sleep(1)
    assert fleet.logins == 2


@virtually
async def test_without_the_shared_cache_a_worker_logs_in_before_its_token_expires(fleet: Fleet) -> None:
    worker = fleet.worker()
    await text_of(worker)
    expires_at = fleet.clock.time() + fleet.token_seconds
    fleet.cache.reachable = False
    while await text_of(worker) == "token-1":
        await fleet.clock.sleep(1)
    assert expires_at - 35 < fleet.clock.time() < expires_at - 25
    assert fleet.logins == 2


@virtually
async def test_a_lease_of_a_clock_that_is_hours_ahead_holds_for_no_longer_than_any_lease(fleet: Fleet) -> None:
    await fleet.write(TokenRecord(lease_until=fleet.clock.time() + 7200))
    began = fleet.clock.time()
    assert await text_of(fleet.worker()) == "token-1"
    assert fleet.clock.time() - began < LEASE_SECONDS + 1


@virtually
async def test_a_backoff_of_a_clock_that_is_hours_ahead_holds_for_a_minute_at_most(fleet: Fleet) -> None:
    failed = TokenRecord().failed(LoginFailed(Unavailable("login answered 503")), fleet.clock.time() + 7200, jitter=0)
    await fleet.write(failed)
    worker = fleet.worker()
    began = fleet.clock.time()
    while isinstance(await worker.get(), LoginFailed):
        await fleet.clock.sleep(1)
    assert fleet.clock.time() - began < LONGEST_BACKOFF_SECONDS + 2


@virtually
async def test_a_429_at_the_login_by_a_clock_that_is_hours_ahead_holds_for_an_hour_at_most(fleet: Fleet) -> None:
    failed = TokenRecord().failed(LoginFailed(RateLimited("429"), 30.0), fleet.clock.time() + 7200, jitter=0)
    await fleet.write(failed)
    worker = fleet.worker()
    failure = await failure_of(worker)
    assert failure.pause_seconds == pytest.approx(3600, abs=1)
    await fleet.clock.sleep(3600)
    assert await text_of(worker) == "token-1"


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_token_minted_by_a_clock_that_is_wrong_by_hours_is_used_for_its_life_at_most(hours: float) -> None:
    async def main() -> None:
        fleet = Fleet()
        await text_of(fleet.worker(VirtualClock(skew=hours * 3600)))
        record = (await fleet.document().read()).value
        assert record.token is not None
        minted_at, expires_at = record.token.minted_at + hours * 3600, record.token.expires_at + hours * 3600
        await fleet.write(replace(record, token=Token(record.token.text, minted_at, expires_at)))
        worker = fleet.worker()
        began, first = fleet.clock.monotonic(), await text_of(worker)
        while await text_of(worker) == first:
            await fleet.clock.sleep(1)
        assert fleet.clock.monotonic() - began <= fleet.token_seconds
        await worker.close()

    run_virtually(main())


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_step_of_the_clock_changes_nothing_for_a_token_in_use(hours: float) -> None:
    async def main() -> None:
        fleet = Fleet()
        worker = fleet.worker()
        await text_of(worker)
        await fleet.clock.sleep(fleet.token_seconds / 2)
        fleet.clock.skew = hours * 3600
        assert await text_of(worker) == "token-1"
        await fleet.clock.sleep(fleet.token_seconds / 2)
        assert await text_of(worker) != "token-1"
        await worker.close()

    run_virtually(main())


@virtually
async def test_a_defect_in_the_login_is_logged_by_its_name_alone(fleet: Fleet) -> None:
    async def broken() -> LoginAnswer:
        raise LookupError("with a secret")

    worker = Tokens(fleet.document(), broken, fleet.recorder, fleet.clock)
    with capture_logs() as logs, pytest.raises(LookupError):
        await worker.get()
    assert logs == [{"event": "token_refresh_failed", "log_level": "error", "error": "LookupError"}]


@pytest.mark.parametrize(("life", "margin"), [(10, 3), (100, 30), (200, 60), (86_400, 60)])
def test_the_margin_is_the_smaller_of_a_minute_and_thirty_percent(life: float, margin: float) -> None:
    token = Token("text", 1000.0, 1000.0 + life)
    assert refresh_at(token, jitter=0) == 1000.0 + life - margin
    assert 1000.0 + life - margin < refresh_at(token, jitter=1) < 1000.0 + life


def test_backoff_grows_to_a_minute() -> None:
    for failures, longest in ((1, 1.0), (2, 2.0), (6, 32.0), (7, 60.0), (1000, 60.0)):
        assert backoff(failures, jitter=0) == longest
        assert backoff(failures, jitter=1) == 0.75 * longest
