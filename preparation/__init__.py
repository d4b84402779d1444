"""From corpora to feature stores: what `preprocess.py` does, a room for each stage.

Stages do not know each other. Where one needs another (the synthesizer's store holds the encoder's embeddings, the
vocoder's may hold the synthesizer's mels), it is brought together here.
"""
