"""The synthesizer's configuration: what its weights mean. Stored whole in every model file."""

from __future__ import annotations

from dataclasses import dataclass, field

from speech.errors import ConfigError
from speech.mel import MelConfig
from synthesizer.text.symbols import SYMBOLS

ATTENTION_KINDS = ("dynamic-convolution", "location-sensitive")


@dataclass(frozen=True)
class SynthesizerConfig:
    """Sizes of the Tacotron 2 (arXiv 1712.05884) with an utterance embedding (SV2TTS, arXiv 1806.04558).

    The defaults learn to speak within hours on two CPU cores; `paper_sizes()` gives the published ones.
    """

    n_symbols: int = len(SYMBOLS)
    symbol_size: int = 256
    encoder_size: int = 256
    encoder_kernel: int = 5
    encoder_layers: int = 3
    encoder_dropout: float = 0.2

    speaker_embedding_size: int = 256
    voice_emphasis: float = 2.0  # at inference: how far a voice is moved away from the mean voice; 1 leaves it
    speaker_size: int = 128  # the embedding is projected to this before it joins every encoder frame

    melody_size: int = 0  # width of the network that tells the decoder how high each token is spoken; 0 is none
    melody_emphasis: float = 1.0  # at inference: how far the voice goes up and down, in units of the prediction

    attention: str = "dynamic-convolution"
    attention_size: int = 128
    attention_filters: int = 8
    attention_kernel: int = 21
    prior_length: int = 11  # taps of the beta-binomial prior of arXiv 1910.10288
    prior_alpha: float = 0.1
    prior_beta: float = 0.9

    prenet_sizes: tuple[int, int] = (256, 128)
    prenet_dropout: float = 0.5
    prenet_blur: float = 0.0  # bands, standard deviation; frames fed so show no harmonics: the melody must be told
    decoder_size: int = 512
    zoneout: float = 0.1

    postnet_size: int = 192
    postnet_kernel: int = 5
    postnet_layers: int = 5
    postnet_dropout: float = 0.1

    postfilter_size: int = 0  # width of the network that draws the harmonics of a voice; 0 is none
    postfilter_layers: int = 5
    postfilter_kernel: int = 9
    pitch_gain: float = 1.0  # how much further voices go up and down than the postfilter foretells; noted in training

    variance_gains: tuple[float, ...] = ()  # what training found the mels to lack in each band; see variance.py
    variance_emphasis: float = 1.0  # at inference: how much of that is given back; 0 gives nothing back

    max_reduction_factor: int = 4
    reduction_factor: int = 4  # frames a decoder step, as last trained; the schedule may lower it
    tail_steps: int = 2  # decoder steps of silence after each utterance, on which the stop token is learnt

    mel: MelConfig = field(default_factory=MelConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prenet_sizes", tuple(self.prenet_sizes))
        object.__setattr__(self, "variance_gains", tuple(self.variance_gains))
        if isinstance(self.mel, dict):
            object.__setattr__(self, "mel", MelConfig(**self.mel))
        if self.attention not in ATTENTION_KINDS:
            raise ConfigError(f"attention must be one of {', '.join(ATTENTION_KINDS)}, not {self.attention!r}")
        if not 1 <= self.reduction_factor <= self.max_reduction_factor:
            raise ConfigError("reduction_factor must lie between 1 and max_reduction_factor")
        for name in ("encoder_kernel", "attention_kernel", "postnet_kernel", "postfilter_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"{name} must be odd, so that a convolution keeps the length")
        if self.encoder_size % 2:
            raise ConfigError("encoder_size must be even: half of it for each direction of the LSTM")
        for name in ("encoder_dropout", "prenet_dropout", "zoneout", "postnet_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must lie in [0, 1)")
        if not 0 <= self.prenet_blur <= 20:
            raise ConfigError("prenet_blur must lie in [0, 20]")
        if not 0 < self.voice_emphasis <= 10:
            raise ConfigError("voice_emphasis must lie above 0 and up to 10")
        if self.variance_gains and len(self.variance_gains) != self.mel.n_mels:
            raise ConfigError(f"variance_gains must be {self.mel.n_mels} numbers, one for each mel band, or none")
        if not all(0 < gain <= 10 for gain in self.variance_gains):
            raise ConfigError("variance_gains must lie above 0 and up to 10")
        if not 0 <= self.variance_emphasis <= 5:
            raise ConfigError("variance_emphasis must lie in [0, 5]")
        if self.melody_size < 0 or not 0 <= self.melody_emphasis <= 5:
            raise ConfigError("melody_size must not be negative, and melody_emphasis must lie in [0, 5]")
        if not 0 <= self.postfilter_size <= 4096 or not 1 <= self.postfilter_layers <= 64:
            raise ConfigError("postfilter_size must lie in [0, 4096] and postfilter_layers in [1, 64]")
        if not 0 <= self.pitch_gain <= 5:
            raise ConfigError("pitch_gain must lie in [0, 5]")
        sizes = (self.symbol_size, self.encoder_size, self.speaker_size, self.attention_size, self.decoder_size)
        if min(sizes) < 1 or self.postnet_layers < 1 or self.encoder_layers < 1:
            raise ConfigError("all sizes and numbers of layers must be positive")

    @property
    def memory_size(self) -> int:
        """Width of an encoder frame with the speaker joined to it."""
        return self.encoder_size + self.speaker_size

    @classmethod
    def paper_sizes(cls) -> SynthesizerConfig:
        """The sizes of the Tacotron 2 paper."""
        return cls(
            symbol_size=512,
            encoder_size=512,
            encoder_dropout=0.5,
            speaker_size=256,
            prenet_sizes=(256, 256),
            decoder_size=1024,
            postnet_size=512,
            postnet_dropout=0.5,
            max_reduction_factor=2,
            reduction_factor=2,
        )
