"""Stories on the model that chance seldom tells."""

from tests.unit.runtime.model import Model


def start_one(state: Model) -> None:
    """Until the intake has started an execution; nobody takes its task."""
    for _ in range(20):
        if state.world.executions:
            return
        for waiting in list(state.world.pending):
            if waiting.name != "poll":
                state.world.answer(waiting, "done")
                state._step()
    raise AssertionError("nothing was started")


def test_an_event_that_follows_a_failed_execution_gets_one_of_its_own() -> None:
    state = Model()
    try:
        state.a_worker_starts()
        state.an_event_is_sent("a", "acd.end", 19.8)
        start_one(state)
        state.a_worker_is_killed(0)
        state.an_event_is_sent("a", "acd.end", 19.3)
        (execution,) = state.world.running()
        state.world.fail(execution)
    finally:
        state.teardown()
    first, second = state.world.executions.values()
    assert (first.event.event_id, second.event.event_id) == ("event-0", "event-1")
    assert first.name != first.event.execution_name, "its name was shared"
    assert second.name == second.event.execution_name


def test_a_worker_whose_clock_is_ahead_shares_no_name_too_early() -> None:
    """Its execution would ask before 9 s after the second event, as the world complains."""
    state = Model()
    try:
        state.time_passes(0.5)
        state.a_worker_starts()
        state.an_event_is_sent("a", "acd.end", 9.4)
        start_one(state)
        state.a_worker_is_killed(0)
        state.an_event_is_sent("a", "acd.end", 8.6)
        state.time_passes(5)
    finally:
        state.teardown()
    assert "event-0" in {execution.event.event_id for execution in state.world.executions.values()}
