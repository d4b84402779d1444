"""From corpora to the feature stores that the three stages train on.

    python preprocess.py encoder     CORPUS [CORPUS ...] --out stores/encoder
    python preprocess.py synthesizer CORPUS [CORPUS ...] --out stores/synthesizer --encoder encoder.safetensors
    python preprocess.py vocoder     CORPUS [CORPUS ...] --out stores/vocoder
    python preprocess.py noise       FOLDER [FOLDER ...] --out stores/noise

A run that was stopped, by whatever, goes on where it was when the same command is given again. More corpora can be
added to a finished store in the same way.
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
    """Fill a feature store, then say what is in it."""
    settings: Encoder | Synthesizer | Vocoder | Noise = tyro.cli(
        Encoder | Synthesizer | Vocoder | Noise,  # type: ignore[arg-type]
        args=arguments,
        description=__doc__,
        config=(tyro.conf.ConsolidateSubcommandArgs,),
    )
    # One thread a process: several processes with a pool of threads each slow each other down. Before numpy's import.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    run(settings)


if __name__ == "__main__":
    main()
