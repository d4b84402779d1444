"""Spectral vocoder: predicts magnitudes and phases of a short-time spectrum, frame by frame (Vocos, Siuzdak 2023)."""
