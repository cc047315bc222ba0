"""A Slack workspace in a box: an HTTP server that speaks Slack, for demos and tests. Imports nothing else of `bot`.

To read it: `server.py` has the addresses, `api/__init__.py` every Web API method, `control.py` what people do and see.
What can happen to channels, messages and views is in `content/`; how the app hears of it in `delivery/` and
`interactivity/`; what Slack refuses in `content/blocks.py`, `workspace/limits.py` and the methods themselves.
"""

from bot.simulator.server import Simulator, run_simulator
from bot.simulator.workspace.clock import SimClock, WallClock

__all__ = ["SimClock", "Simulator", "WallClock", "run_simulator"]
