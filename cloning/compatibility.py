"""Which models fit together. Takes header entries as well as those of loaded models."""

from __future__ import annotations

from speech.errors import ConfigError
from speech.mel_config import MelConfig, require_same_mel


def require_same_space(
    given_space: str,
    synthesizer_space: str,
    given: str = "the encoder",
    synthesizer: str = "the synthesizer",
    advice: str = "use an encoder and a synthesizer that were trained together",
) -> None:
    """Check that a synthesizer can use the embeddings of an encoder or of a voice.

    Args:
        given_space, synthesizer_space: names of the embedding spaces.
        given, synthesizer: what the error calls the two.
        advice: end of the error's sentence.

    Raises:
        ConfigError: it cannot.
    """
    if given_space != synthesizer_space:
        raise ConfigError(
            f"{synthesizer[:1].upper()}{synthesizer[1:]} needs voices of the embedding space {synthesizer_space!r}, "
            f"but that of {given} is {given_space!r}: {advice}."
        )


def require_fitting_vocoder(
    synthesizer_mel: MelConfig,
    vocoder_mel: MelConfig,
    synthesizer: str = "the synthesizer",
    vocoder: str = "the vocoder",
) -> None:
    """Check that a vocoder takes a synthesizer's mels.

    Args:
        synthesizer, vocoder: what the error calls the two.

    Raises:
        ConfigError: it does not.
    """
    advice = "choose two that were trained on the same settings, or a vocoder without a model file"
    require_same_mel(synthesizer_mel, vocoder_mel, synthesizer, vocoder, advice)
