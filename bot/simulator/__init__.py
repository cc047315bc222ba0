"""A Slack workspace in a box: an HTTP server that speaks Slack, for demos and tests. Imports nothing else of `bot`.

To read it: `server.py` has the addresses, `api/__init__.py` every Web API method, `control.py` what people do and see.
What can happen to things is in `channels.py`, `messages.py` and `views.py`; how the app hears of it in `events.py`,
`interactions.py` and `deliver.py`; what Slack refuses in `blocks.py`, `limits.py` and the methods themselves.
"""

from bot.simulator.server import Simulator, run_simulator
from bot.simulator.workspace.clock import SimClock, WallClock

__all__ = ["SimClock", "Simulator", "WallClock", "run_simulator"]
