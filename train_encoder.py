"""Train the speaker encoder: `python train_encoder.py stores/encoder --run runs/encoder --max-minutes 60`."""

import logging

from speech.errors import exit_on_speech_error
from training.flags import TrainingFlags, make_plan, open_store, read_flags


@exit_on_speech_error
def main(flags: TrainingFlags | None = None) -> None:
    """Train with the given flags, by default those of the command line."""
    flags = flags or read_flags("encoder")
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    import torch

    from training.loop import fit

    torch.manual_seed(flags.seed)
    store = open_store(flags.store)
    plan = make_plan("encoder", flags, store)
    fit(plan.task, plan.batches, plan.fit, flags.run, flags.resume, plan.settings, flags.command_lines)


if __name__ == "__main__":
    main()
