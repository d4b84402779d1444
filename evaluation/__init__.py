"""Measuring the models: what `evaluate.py` measures and how it reports it.

The judges need packages that nothing else needs, and all are optional: faster-whisper, distillmos, onnxruntime,
resemblyzer and pesq (docs/evaluation.md).
"""
