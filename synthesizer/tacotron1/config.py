"""Settings of a Tacotron 1: architecture and inference, stored in every model file. Imports no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, field

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.ranges import require_range, require_ranges, require_rates
from synthesizer.text.symbols import CHARACTERS

KIND = "tacotron1"
SYMBOL_SETS = (len(CHARACTERS), 70, 75)  # sizes of the alphabets in `alphabets`


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network; the defaults are those of the public SV2TTS synthesizer."""

    n_symbols: int = len(CHARACTERS)
    """Size of the symbol set: 66 for English letters, 70 or 75 for pinyin, see `alphabets`."""
    symbol_size: int = 512
    """Width of a symbol embedding."""
    encoder_size: int = 256
    """Width of the text encoder."""
    encoder_kernels: int = 5
    """Convolutions in the filter bank of the text encoder, with kernels from 1 up."""
    highways: int = 4
    """Highway layers of the text encoder and of the postnet."""
    speaker_embedding_size: int = 256
    """Size of the speaker embedding."""
    decoder_size: int = 128
    """Width of the attention and of its GRU."""
    prenet_sizes: tuple[int, int] = (256, 256)
    """Widths of the two layers of the decoder's prenet."""
    prenet_dropout: float = 0.5
    """Dropout rate of both prenets, which is also on at inference."""
    attention_filters: int = 32
    """Filters of the location-sensitive attention."""
    attention_kernel: int = 31
    """Kernel of these filters."""
    lstm_size: int = 1024
    """Width of the two LSTMs with residual connections."""
    zoneout: float = 0.1
    """Zoneout rate of these LSTMs in training."""
    max_reduction_factor: int = 20
    """Most mel frames that a decoder step can output."""
    postnet_size: int = 512
    """Width of the postnet."""
    postnet_kernels: int = 5
    """Convolutions in the filter bank of the postnet."""
    mel: MelConfig = field(default_factory=MelConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prenet_sizes", tuple(self.prenet_sizes))
        if self.n_symbols not in SYMBOL_SETS:
            raise ConfigError(
                f"This Tacotron has {self.n_symbols} text symbols, but those of known alphabets have 66 (English), 70 "
                "or 75 (pinyin): models of other alphabets cannot be used."
            )
        widths = ("symbol_size", "encoder_size", "speaker_embedding_size", "decoder_size", "lstm_size", "postnet_size")
        counts = ("attention_filters", "encoder_kernels", "postnet_kernels", "max_reduction_factor")
        require_ranges(self, {**dict.fromkeys(widths + counts, (1, 8192)), "highways": (0, 64)})
        require_rates(self, "prenet_dropout", "zoneout")
        if len(self.prenet_sizes) != 2 or not all(1 <= size <= 8192 for size in self.prenet_sizes):
            raise ConfigError("prenet_sizes must be two widths from 1 to 8192.")
        if self.encoder_size % 2 or self.postnet_size % 2:
            raise ConfigError("encoder_size and postnet_size must be even: half of each for a direction of the GRU.")
        if not self.attention_kernel % 2 or not 1 <= self.attention_kernel <= 1023:
            raise ConfigError("attention_kernel must be odd, so that a convolution keeps the length, and at most 1023.")
        if self.mel.max_abs_value != MelConfig.max_abs_value:
            raise ConfigError("A Tacotron needs mels in [-4, 4]: prepare the store without --mel.max-abs-value.")

    @property
    def memory_size(self) -> int:
        """Width of the encoder's output with the speaker embedding appended."""
        return self.encoder_size + self.speaker_embedding_size


@dataclass(frozen=True)
class InferenceSettings:
    """How a finished model is used. Can be changed without training."""

    reduction_factor: int = 2
    """Mel frames per decoder step, as last trained."""
    silence_threshold: float = -3.4
    """Frames at the end without a value above this are cut off."""

    def __post_init__(self) -> None:
        if self.reduction_factor < 1:
            raise ConfigError("reduction_factor must be at least 1.")
        require_range(self, "silence_threshold", -4, 4)


@dataclass(frozen=True)
class Tacotron1Config:
    """All settings of a model, as stored in its file."""

    architecture: Architecture = field(default_factory=Architecture)
    inference: InferenceSettings = field(default_factory=InferenceSettings)

    def __post_init__(self) -> None:
        if self.inference.reduction_factor > self.architecture.max_reduction_factor:
            raise ConfigError("reduction_factor must lie between 1 and max_reduction_factor.")
