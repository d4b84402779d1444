"""From mels and spectra to waveforms: transforms in parts, the search for phases, and refinement.

Vocoders and synthesizers that generate audio share it. It has no weights.
"""
