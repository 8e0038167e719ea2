"""Did you mean: what a user most likely wanted to type."""

from __future__ import annotations

from cloche.model.suggestions import closest

__all__ = ["closest"]
