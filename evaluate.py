"""Measure models.

    python evaluate.py encoder data/one data/two --public --mfcc --noise data/noise
    python evaluate.py vocoder data/test --vocoder griffin-lim spectral wavernn mine=runs/vocoder/best.safetensors
    python evaluate.py cloning --references data/test --natural data/test --sentences samples/sentences.txt
        --recogniser faster-whisper:base.en --speaker-judge campplus.onnx --speaker-threshold 0.577 --out report
    python evaluate.py conversion data/test --models runs/vits-units --speaker-judge campplus.onnx --out report

How to read the figures: docs/evaluation.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from evaluation.settings import CloningSettings, ConversionSettings, EncoderSettings, VocoderSettings
from speech.errors import exit_on_speech_error


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the figures and write the report."""
    commands: dict[str, Callable[..., Any]] = {
        "encoder": EncoderSettings,
        "vocoder": VocoderSettings,
        "cloning": CloningSettings,
        "conversion": ConversionSettings,
    }
    settings = tyro.extras.subcommand_cli_from_dict(
        commands, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,)
    )
    from evaluation.run import run

    run(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
