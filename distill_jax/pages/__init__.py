"""What all pages have in common: their colours, letters and margins. Each page's own style comes after it."""

import importlib.resources


def style(own: str) -> str:
    """Return a page's whole style sheet.

    Args:
        own: what it has beside the common one, which it may override.
    """
    common = importlib.resources.files(__name__).joinpath("common.css").read_text(encoding="utf-8")
    return f"{common}\n{own}"
