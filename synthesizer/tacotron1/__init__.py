"""Tacotron (arXiv 1703.10135) with location-sensitive attention: the synthesizer of public SV2TTS checkpoints."""
