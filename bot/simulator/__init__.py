"""A Slack workspace in a box: an HTTP server that speaks Slack, for demos and tests. Imports nothing else of `bot`."""

from bot.simulator.clock import SimClock, WallClock
from bot.simulator.server import Simulator, run_simulator

__all__ = ["SimClock", "Simulator", "WallClock", "run_simulator"]
