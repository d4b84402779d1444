"""The encoder of SV2TTS: three LSTM layers, trained with GE2E (Wan et al., arXiv 1710.10467)."""
