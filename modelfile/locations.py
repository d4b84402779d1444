"""Folders of the default models and the sample recordings, beside the packages in a checkout and when installed."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MODELS = ROOT / "models" / "default"
SAMPLES = ROOT / "samples"
