"""Tacotron 2 (arXiv 1712.05884), conditioned on an utterance embedding (SV2TTS, arXiv 1806.04558)."""
