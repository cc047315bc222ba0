"""The suite: a mirror of the packages, and whole trips in `stories/`."""
