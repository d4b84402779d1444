"""Train the synthesizer: `python train_synth.py stores/synthesizer --run runs/synthesizer --max-minutes 120`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from speech.errors import exit_on_speech_error
from synthesizer.training_flags import JointEncoderRequest, SynthesizerFlags, TrainingRun
from training.flags import read_flags
from training.script import train

if TYPE_CHECKING:
    import numpy as np

    from encoder import SpeakerEncoder
    from encoder.joint import JointEncoder
    from speech.mel_config import MelConfig


@exit_on_speech_error
def main(flags: SynthesizerFlags | None = None) -> None:
    """Train with the given flags, by default those of the command line."""
    flags = (flags or read_flags("synthesizer")).resolved()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if flags.adapt is not None:
        prepare_adaptation(flags)
    train("synthesizer", flags, TrainingRun(flags.run, load_encoder, vocode, joint_encoder))
    if flags.adapt is not None:
        print(f"Use the model: python demo_cli.py CLIP.wav --synthesizer {flags.run / 'best.safetensors'} --text ...")


def prepare_adaptation(flags: SynthesizerFlags) -> None:
    """Make the store of `--adapt` from a folder of clips.

    Raises:
        CorpusError, ModelFileError: the clips or the encoder cannot be used.
    """
    from modelfile.header import read_header
    from preparation.adaptation import prepare_clips
    from speech.mel_config import MelConfig

    assert flags.adapt is not None and flags.warm_start is not None
    mel = MelConfig.of_model(read_header(flags.warm_start).config)
    seconds = prepare_clips(flags.adapt, flags.store_path, flags.encoder, mel)
    print(f"adapting to {seconds / 60:.1f} minutes of speech")


def load_encoder(path: Path) -> "SpeakerEncoder":
    """The speaker encoder of a model file, in full precision."""
    from encoder import SpeakerEncoder

    return SpeakerEncoder.load(path, precision="fp32")


def joint_encoder(request: JointEncoderRequest) -> "JointEncoder":
    """A speaker encoder that is trained together with the synthesizer."""
    from encoder.campplus.config import CAMPPlusConfig
    from encoder.config import DinoConfig
    from encoder.joint import JointEncoder

    dino = DinoConfig(prototypes=request.prototypes, momentum=request.momentum)
    return JointEncoder(CAMPPlusConfig(), dino, request.steps, request.start, request.licence, request.trained_on)


def vocode(mel: "np.ndarray", config: "MelConfig") -> "np.ndarray":
    """Audio of a validation, by the vocoder that needs no model file."""
    from vocoder.families import load_vocoder

    return load_vocoder(None, config).vocode(mel, seed=0)


if __name__ == "__main__":
    main()
