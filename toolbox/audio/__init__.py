"""Audio devices, playback and recording. Imports no Qt."""
