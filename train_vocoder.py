"""Train the vocoder: `python train_vocoder.py stores/vocoder --run runs/vocoder --max-minutes 60`."""

from speech.errors import exit_on_speech_error
from training.flags import TrainingFlags, read_flags
from training.script import train


@exit_on_speech_error
def main(flags: TrainingFlags | None = None) -> None:
    """Train with the given flags, by default those of the command line."""
    train("vocoder", flags or read_flags("vocoder"))


if __name__ == "__main__":
    main()
