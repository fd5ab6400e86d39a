"""The ROS 2 node and its executable: clouds, images and poses in, labelled clouds out.

It holds the life cycle; the work is done by the modules of `node/`.
"""

from __future__ import annotations

# First, because the imports below take seconds, in which a signal may come, and may miss something.
from clip2scene_ros.node import interruption, requirements  # noqa: F401

# isort: split
from clip2scene_ros.node import idle_threads  # noqa: F401

# isort: split
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import rclpy
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.timer import Timer
from rclpy.utilities import try_shutdown
from std_msgs.msg import String

from clip2scene_core.allocator import keep_freed_memory
from clip2scene_core.prompts.prompt_set import EncodedPrompts, PromptSet
from clip2scene_ros.messages.quoting import one_line, quoted
from clip2scene_ros.node.background import Background
from clip2scene_ros.node.health.checks import NodeHealth
from clip2scene_ros.node.health.diagnostics import ERROR, DiagnosticsReporter, Item
from clip2scene_ros.node.health.statistics import SweepRecord
from clip2scene_ros.node.inputs import SensorInputs
from clip2scene_ros.node.logging import RosLogHandler
from clip2scene_ros.node.parameters.live import LiveParameters
from clip2scene_ros.node.parameters.options import asked_prompt_set, make_segmenter
from clip2scene_ros.node.parameters.row import ParameterError
from clip2scene_ros.node.parameters.table import ROWS, NodeParameters
from clip2scene_ros.node.services import offer_services
from clip2scene_ros.node.session import SegmenterFactory, Session, check_save_path, open_session
from clip2scene_ros.node.worker import SegmentWorker

_MAINTENANCE_PERIOD_S = 0.1
_DIAGNOSTICS_PERIOD_S = 1.0
_SPIN_S = 0.1
_LIBRARIES = ("clip2scene_core", "clip2scene_ros")


@dataclass(frozen=True)
class _Active:
    """What the node holds from activate to deactivate."""

    worker: SegmentWorker
    inputs: SensorInputs
    record: SweepRecord
    timers: tuple[Timer, ...]


class SegmentNode(LifecycleNode):
    """Labels the clouds on `points` with the texts in the parameter `prompts`.

    A configured node has loaded its weights; an active node subscribes and labels. The node
    configures and activates itself unless the parameter `autostart` is false. Callbacks hand
    messages to the synchronizer and return at once; one worker thread labels the newest sweep.

    Args:
        make_segmenter: Makes the segmenter from the parameters.
        context: ROS context; by default the global one.
        parameter_overrides: Parameters in place of a parameter file.

    Raises:
        ParameterError: If a parameter is unknown or cannot be used.
        ValueError: With `autostart`, if the weights, the CLIP, the prompts or the extrinsics file
            cannot be used.
        OSError: With `autostart`, if a file is missing.
    """

    def __init__(
        self,
        make_segmenter: SegmenterFactory,
        context: Context | None = None,
        parameter_overrides: list[Parameter] | None = None,
    ) -> None:
        super().__init__(
            "clip2scene",
            context=context,
            parameter_overrides=parameter_overrides,
            start_parameter_services=False,
        )
        self._make_segmenter = make_segmenter
        self._session: Session | None = None
        self._active: _Active | None = None
        self._is_enabled = True
        self._failure: Exception | None = None
        self._background = Background(self)
        self.parameters = LiveParameters(self, self._prepare, self._take, self._background)
        self._reporter = DiagnosticsReporter(self)
        self._log_handler = RosLogHandler(self.get_logger(), _LIBRARIES)
        offer_services(
            self,
            {"get_legend": lambda: self._configured().legend()},
            {"set_enabled": self._set_enabled},
            {
                "reset": lambda: self._configured().reset(),
                "save_map": lambda: self._configured().save_map(self.values),
            },
            self._background,
        )
        on_query: Any = self._on_query  # awaited by rclpy, unknown to its types
        self.create_subscription(
            String, "~/query", on_query, 5, callback_group=MutuallyExclusiveCallbackGroup()
        )
        if self.values.autostart:
            self._start()

    def destroy_node(self) -> None:
        """Stop the worker, then destroy the node."""
        self._background.close()
        self._release()
        self._log_handler.close()
        super().destroy_node()

    @property
    def values(self) -> NodeParameters:
        """The present parameters."""
        return self.parameters.values

    @property
    def inputs(self) -> SensorInputs | None:
        """The subscriptions; None unless the node is active."""
        return self._active.inputs if self._active else None

    @property
    def is_finalized(self) -> bool:
        """Whether the node was shut down and can only be destroyed."""
        return bool(self._state_machine.current_state[1] == "finalized")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the weights and create the publishers."""
        return self._attempt("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and label."""
        return self._attempt("activate", self._activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop labelling; the weights stay loaded."""
        return self._attempt("deactivate", self._deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release weights and publishers."""
        return self._attempt("clean up", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release weights, publishers and subscriptions, in any state."""
        return self._attempt("shut down", self._release)

    def _attempt(self, what: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        """Make a transition; if it fails, the state stays, and log and diagnostics say why."""
        self._failure = None
        try:
            step()
        except Exception as error:  # noqa: BLE001  rclpy would drop it silently
            self._failure = error
            reason = f"cannot {what}: {_one_line(error)}"
            self.get_logger().error(reason)
            self._reporter.publish([Item("lifecycle", ERROR, reason)])
            self.get_logger().debug(one_line(f"{error!r}"))
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _start(self) -> None:
        for transition in (self.trigger_configure, self.trigger_activate):
            transition()
            if self._failure is not None:
                raise self._failure

    def _configure(self) -> None:
        self._session = open_session(self, self.values, self._make_segmenter)

    def _activate(self) -> None:
        session = self._configured()
        synchronizer, segmenter = session.synchronizer, session.segmenter
        record = SweepRecord()
        record.is_paused = not self._is_enabled
        worker = SegmentWorker(
            synchronizer,
            segmenter,
            session.outputs,
            record,
            self._now_ns,
            lambda: self.values,
            self.values.sweeps_at_once,
        )
        inputs = SensorInputs(
            self,
            self.values,
            synchronizer,
            worker.wake,
            lambda rejection: record.add_rejections([rejection]),
        )
        health = NodeHealth(
            lambda: self.values, inputs.subscriptions, record, segmenter, self.resolve_topic_name
        )
        # A steady clock, so that a paused bag neither hides a silent sensor nor stops diagnostics.
        create_timer = partial(
            self.create_timer,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
            # Their own group, so that they do not wait while a service waits for the background.
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        timers = (
            create_timer(_MAINTENANCE_PERIOD_S, lambda: self._maintain(inputs, health, record)),
            create_timer(_DIAGNOSTICS_PERIOD_S, lambda: self._reporter.report(health.items())),
        )
        self._reporter.begin()
        self._active = _Active(worker, inputs, record, timers)
        worker.start()
        self._log_start()

    def _maintain(self, inputs: SensorInputs, health: NodeHealth, record: SweepRecord) -> None:
        inputs.maintain()
        if record.has_given_up:
            self._reporter.report(health.items())
            self.get_logger().error("deactivating; `ros2 lifecycle set` can activate it again")
            self.trigger_deactivate()

    def _deactivate(self) -> None:
        if self._active is None:
            return
        for timer in self._active.timers:
            self.destroy_timer(timer)
        self._active.inputs.close()
        self._active.worker.stop()
        self._active = None
        # Messages from before a pause are too old after it.
        self._configured().synchronizer.clear()

    def _release(self) -> None:
        self._deactivate()
        if self._session is not None:
            self._session.outputs.close()
            self._session = None

    def _prepare(self, old: NodeParameters, new: NodeParameters) -> EncodedPrompts | None:
        check_save_path(new)
        if self._session is not None:
            return self._session.prepare(old, new)
        if new.prompts:  # without a CLIP only their form can be checked
            asked_prompt_set(new, PromptSet(new.prompts))
        return None

    def _take(self, values: NodeParameters, encoded: EncodedPrompts | None) -> None:
        if self._session is not None and encoded is not None:
            self._session.take(values, encoded)

    async def _on_query(self, message: String) -> None:
        """Set the parameter `query` to the text of a message."""
        try:
            await self.parameters.set_in_background(query=message.data)
        except ParameterError as error:
            text = quoted(message.data, is_name=False)
            self.get_logger().warning(f"~/query: refused {text}: {one_line(str(error))}")

    def _configured(self) -> Session:
        if self._session is None:
            raise ValueError(f"{self.get_name()} is not configured; configure it first")
        return self._session

    def _set_enabled(self, is_enabled: bool) -> str:
        self._is_enabled = is_enabled
        if self._active is not None:
            self._active.record.is_paused = not is_enabled
        return "sweeps are labelled" if is_enabled else "paused: sweeps are not labelled"

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _log_start(self) -> None:
        assert self._active is not None
        inputs = self._active.inputs.subscriptions.values()
        line = (
            f"mode {self.values.mode}: {self.resolve_topic_name('~/points')} will be labelled by "
            f"{len(self._configured().segmenter.vocabulary)} prompts from "
            f"{', '.join(subscription.topic for subscription in inputs)}"
        )
        self.get_logger().info(line)
        for row in ROWS:
            value = getattr(self.values, row.field)
            if value != row.default:
                self.get_logger().debug(one_line(f"{row.name}: {row.to_ros(value)!r}"))
        if not self.get_logger().is_enabled_for(LoggingSeverity.INFO):
            print(line, flush=True)  # noqa: T201  the launch file waits for it


def main(args: list[str] | None = None) -> int:
    """Run the node until it is interrupted or shut down.

    Returns:
        Exit status: 0 after SIGINT, SIGTERM or the transition `shutdown`; 1 if the node cannot
        start, and one line on stderr says why.
    """
    keep_freed_memory()
    signals = interruption.EARLY or interruption.Interruption()
    try:
        status = _run(signals, args)
    except Exception:
        if not signals.has_come:
            raise
        status = 0  # an interrupted shutdown may fail in many ways, none of which matters
    return signals.leave(status)


def _run(signals: interruption.Interruption, args: list[str] | None) -> int:
    node = None
    try:
        try:
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            node = SegmentNode(make_segmenter)
        except (ValueError, OSError, RuntimeError) as error:
            print(f"segment_node: error: {_one_line(error)}", file=sys.stderr)  # noqa: T201
            return 1
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        signals.let_node_end()
        while not (node.is_finalized or signals.has_come):
            executor.spin_once(timeout_sec=_SPIN_S)
        return 0
    finally:
        if node is not None:
            node.destroy_node()
        try_shutdown()


def _one_line(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
