"""The parts of the window, one file each. They share the session. They may import all of Qt, but not `window`."""
