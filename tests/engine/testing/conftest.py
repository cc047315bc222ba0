"""Catalogue files that a test writes."""

from __future__ import annotations

from tests.catalogue.conftest import files

__all__ = ["files"]
