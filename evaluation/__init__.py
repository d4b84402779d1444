"""Measuring the models: what `evaluate.py` measures and how it reports it.

Four packages are needed for evaluation alone: `pocketsphinx` (speech recogniser), `resemblyzer` (weights of the
independent speaker encoder), `pesq` and `matplotlib`.
"""
