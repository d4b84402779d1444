"""Sound devices, playback and recording. No Qt."""
