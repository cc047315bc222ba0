from __future__ import annotations

import re

from anyascii import anyascii

LIMIT = 80
SLUG_LIMIT = 48


def channel_name(number: int, title: str, attempt: int = 0) -> str:
    """`inc-42-checkout-is-down`; a title in another script keeps its sound, an emoji its name.

    `attempt` > 0 is for a name that was taken: `inc-42-checkout-is-down-2`.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", anyascii(title).lower())[: SLUG_LIMIT + 1]
    if len(slug) > SLUG_LIMIT:
        slug = slug[:SLUG_LIMIT].rpartition("-")[0] or slug[:SLUG_LIMIT]
    words = [f"inc-{number}", slug.strip("-"), str(attempt + 1) if attempt else ""]
    return "-".join(word for word in words if word)[:LIMIT]
