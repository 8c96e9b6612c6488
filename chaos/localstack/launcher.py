# mypy: disable-error-code="import-not-found"
"""LocalStack with four gaps of its activities closed; LocalStack's own interpreter runs this, nothing else imports it.

Each gap makes it lose or repeat a task where Step Functions would not, and would be taken for a fault of the worker:

1. An execution is listed before it can be asked for its tasks, and GetActivityTask, SendTask* walk over all executions:
   they fail with 500, and the task just taken is lost.
2. A task can be polled before the execution knows it, and is lost then.
3. A success that arrives before the heartbeat's clock was set up is not noticed until the heartbeat is missed.
4. A report about an attempt that is over is accepted, where Step Functions answers TaskTimedOut; here it becomes
   TaskDoesNotExist, which means the same to the worker.
"""

import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

from localstack.runtime import main
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task import state_task_activitiy
from localstack.services.stepfunctions.asl.eval.callback import callback
from localstack.services.stepfunctions.backend.activity import ActivityTask
from localstack.services.stepfunctions.backend.execution import Execution
from localstack.services.stepfunctions.backend.execution_worker import ExecutionWorker

_KNOWS_NO_TASK = SimpleNamespace(
    get=lambda **_: None,
    notify=lambda **_: False,
    heartbeat=lambda **_: False,
)
_NO_ENVIRONMENT = SimpleNamespace(callback_pool_manager=_KNOWS_NO_TASK)


def close_gap_1() -> None:
    execution_init, worker_init = Execution.__init__, ExecutionWorker.__init__

    def init_execution(self: Any, *args: Any, **kwargs: Any) -> None:
        execution_init(self, *args, **kwargs)
        self.exec_worker = SimpleNamespace(env=_NO_ENVIRONMENT)

    def start_execution(self: Any) -> None:
        worker = self._get_start_execution_worker()
        self.exec_status = "RUNNING"
        self.exec_worker = worker
        self.publish_execution_status_change_event()
        worker.start()

    def init_worker(self: Any, *args: Any, **kwargs: Any) -> None:
        worker_init(self, *args, **kwargs)
        self.env = self.env or _NO_ENVIRONMENT

    Execution.__init__, Execution.start = init_execution, start_execution
    ExecutionWorker.__init__ = init_worker


def close_gap_2() -> None:
    def add_activity_task(self: Any, callback_id: str, activity_arn: str, activity_input: str) -> Any:
        activity = self._activity_store.get(activity_arn)
        if activity is None:
            raise callback.ActivityDoesNotExist
        endpoint = callback.ActivityCallbackEndpoint(callback_id=callback_id, activity_input=activity_input)
        self._pool[callback_id] = endpoint
        activity.add_task(ActivityTask(task_token=callback_id, task_input=activity_input))
        return endpoint

    callback.CallbackPoolManager.add_activity_task = add_activity_task


def close_gap_3() -> None:
    setup = callback.CallbackEndpoint.setup_heartbeat_endpoint

    def setup_heartbeat_endpoint(self: Any, heartbeat_seconds: int) -> Any:
        endpoint = setup(self, heartbeat_seconds=heartbeat_seconds)
        if self.get_outcome() is not None:
            endpoint.notify()
        return endpoint

    callback.CallbackEndpoint.setup_heartbeat_endpoint = setup_heartbeat_endpoint


def close_gap_4() -> None:
    evaluate = state_task_activitiy.StateTaskActivity._eval_execution

    def evaluate_and_close(self: Any, env: Any) -> None:
        try:
            evaluate(self, env)
        finally:
            for endpoint in env.callback_pool_manager._pool.values():
                endpoint.report(callback.CallbackConsumerTimeout())

    state_task_activitiy.StateTaskActivity._eval_execution = evaluate_and_close


def die_with_parent() -> None:
    """The parent holds the other end of our standard input, which closes however the parent ends."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=die_with_parent, daemon=True).start()
    close_gap_1()
    close_gap_2()
    close_gap_3()
    close_gap_4()
    main.main()
