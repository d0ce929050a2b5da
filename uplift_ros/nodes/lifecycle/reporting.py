"""Reporting of a node: guarded callbacks, ages and problems, in its log and in diagnostics."""

import traceback
from collections.abc import Callable, Iterable

from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode

from uplift_ros.nodes.lifecycle.health import Health
from uplift_ros.stages.problem import Problem

EXPECTED_ERRORS = (ValueError, OSError, ImportError, ParameterException)
"""Errors of bad input and bad configuration, logged by message only; any other error is logged with its traceback."""


class ReportingNode(LifecycleNode):
    """Node whose callbacks cannot end it: each problem is counted, logged now and then, and shown in diagnostics.

    Attributes:
        health: counters, rates and times that diagnostics show.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.health = Health()

    def report(self, kind: str, message: str, error: bool = False) -> None:
        """Count a problem, show it in diagnostics, and log it unless the same kind was logged in the last seconds."""
        if self.health.problem(kind, message, error):
            # Two calls, because rclpy allows only one severity per line of code.
            if error:
                self.get_logger().error(message)
            else:
                self.get_logger().warning(message)

    def report_each(self, problems: Iterable[Problem]) -> None:
        """Report the problems of a stage."""
        for problem in problems:
            self.report(problem.kind, problem.message)

    def note_age(self, stamp: int) -> None:
        """Note the age by ROS time of what is published; 0 while use_sim_time has no /clock, which is reported."""
        now = self.get_clock().now().nanoseconds
        if not now:
            self.report("no_clock", "use_sim_time is true, but nothing publishes /clock: ages are not known")
        self.health.age_ms = (now - stamp) / 1e6 if now else 0.0

    def guarded(self, callback: Callable) -> Callable:
        def guarded(*arguments) -> None:
            try:
                callback(*arguments)
            except Exception as error:
                expected = isinstance(error, EXPECTED_ERRORS)
                self.report("rejected" if expected else "errors", explain(error), error=not expected)

        return guarded


def explain(error: Exception) -> str:
    if isinstance(error, EXPECTED_ERRORS):
        return str(error)
    return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
