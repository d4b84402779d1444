"""The parts of the window, one file each. They know the session, and not each other."""
