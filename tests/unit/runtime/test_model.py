"""The model in every order of answers, crashes, redeliveries and drains that chance finds."""

from hypothesis import HealthCheck, settings

from tests.unit.runtime.model import Model

TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
