"""How good the models are: what `evaluate.py` measures and how it reports it.

Nothing here trains or ships: `pocketsphinx` (the recogniser), `resemblyzer` (the weights of the independent judge of
voices), `pesq` and `matplotlib` are needed for evaluation alone, and a missing one is named in one sentence.
"""
