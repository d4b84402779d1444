"""Train the speaker encoder: `python train_encoder.py stores/encoder --run runs/encoder --max-minutes 60`."""

import functools
import logging

from encoder.flags import EncoderFlags
from encoder.iterations import train_iterations
from speech.errors import exit_on_speech_error
from training.flags import TrainingFlags, read_flags
from training.script import train


@exit_on_speech_error
def main(flags: TrainingFlags | None = None) -> None:
    """Train with the given flags, by default those of the command line."""
    flags = flags or read_flags("encoder")
    if isinstance(flags, EncoderFlags) and flags.objective == "iterations":
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        train_iterations(flags, functools.partial(train, "encoder"))
    else:
        train("encoder", flags)


if __name__ == "__main__":
    main()
