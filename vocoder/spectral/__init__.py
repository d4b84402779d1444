"""A vocoder that thinks in frames: magnitude and phase of a short-time spectrum, in one pass for a whole mel."""
