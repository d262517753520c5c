"""A flow that needs a browser takes the same demo and the same Chromium as the browser tests."""

from tests.browser.conftest import browser, own_demo

__all__ = ["browser", "own_demo"]
