"""What the window shows and changes: session, chosen voice, requests, and the worker thread. Uses QtCore only."""
