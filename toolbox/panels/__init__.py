"""The parts of the window, one file each. They share the session. Import any of Qt, and nothing of `window`."""
