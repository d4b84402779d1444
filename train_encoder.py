"""Train the speaker encoder: `python train_encoder.py stores/encoder --run runs/encoder --max-minutes 60`."""

from speech.errors import exit_on_speech_error
from training.flags import TrainingFlags, read_flags
from training.script import train


@exit_on_speech_error
def main(flags: TrainingFlags | None = None) -> None:
    """Train with the given flags, by default those of the command line."""
    train("encoder", flags or read_flags("encoder"))


if __name__ == "__main__":
    main()
