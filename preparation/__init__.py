"""From corpora to feature stores: one module for each subcommand of `preprocess.py`.

Stages do not import each other. Where one needs another (the synthesizer's store holds the encoder's embeddings, the
vocoder's may hold the synthesizer's mels), they are combined here.
"""
