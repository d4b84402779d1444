"""What the window shows and changes: session, chosen voice, requests, and worker threads. Imports QtCore only."""
