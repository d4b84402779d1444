"""Prepare feature stores from corpora: what the training scripts read.

    python preprocess.py encoder     CORPUS [CORPUS ...] --out stores/encoder
    python preprocess.py synthesizer CORPUS [CORPUS ...] --out stores/synthesizer --encoder encoder.safetensors
    python preprocess.py vocoder     CORPUS [CORPUS ...] --out stores/vocoder
    python preprocess.py noise       FOLDER [FOLDER ...] --out stores/noise

To continue a run that was stopped, give the same command again. Give it with more corpora to add them to a store.

Other mels than the default ones are set with --mel.*, for example at 24 kHz:
    --mel.sample-rate 24000 --mel.n-fft 1200 --mel.win-length 1200 --mel.hop-length 300 --mel.fmax 11000
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import tyro

from preparation.encoder import Encoder, Noise
from preparation.run import run
from preparation.synthesizer import Synthesizer
from preparation.vocoder import Vocoder
from speech.errors import exit_on_speech_error


@exit_on_speech_error
def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a feature store and print a summary of it."""
    settings: Encoder | Synthesizer | Vocoder | Noise = tyro.cli(
        Encoder | Synthesizer | Vocoder | Noise,  # type: ignore[arg-type]
        args=arguments,
        description=__doc__,
        config=(tyro.conf.ConsolidateSubcommandArgs,),
    )
    # One thread per process: thread pools of several processes slow each other down. Set before numpy is imported.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    run(settings)


if __name__ == "__main__":
    main()
