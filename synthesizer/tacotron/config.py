"""Configuration of a Tacotron 2 in three parts: architecture, training settings, inference settings.

All three are stored in every model file. Imports no PyTorch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.ranges import require_range, require_rates
from synthesizer.text.symbols import SYMBOLS

if TYPE_CHECKING:
    from modelfile.header import ModelHeader

KIND = "tacotron"

MOST_UNITS, MOST_LAYERS, MOST_TAPS = 8192, 64, 1023  # of a file's config, which is not trusted

AttentionKind = Literal["dynamic-convolution", "location-sensitive"]
ATTENTION_KINDS: tuple[AttentionKind, ...] = ("dynamic-convolution", "location-sensitive")


@dataclass(frozen=True)
class Architecture:
    """Sizes of the Tacotron 2 (arXiv 1712.05884) with an utterance embedding (SV2TTS, arXiv 1806.04558).

    Defines the tensors and what the network computes from them. The defaults train within hours on two CPU cores.
    `paper_sizes()` gives the published ones.
    """

    n_symbols: int = len(SYMBOLS)
    """Size of the symbol set: letters, phonemes, punctuation."""
    symbol_size: int = 256
    """Width of a symbol embedding."""
    encoder_size: int = 256
    """Width of the text encoder's output."""
    encoder_kernel: int = 5
    """Kernel of the text encoder's convolutions."""
    encoder_layers: int = 3
    """Convolutions of the text encoder."""

    speaker_embedding_size: int = 256
    """Size of the speaker embedding."""
    speaker_size: int = 128
    """Width to which the speaker embedding is projected before it joins the encoder output."""

    pitch_predictor_size: int = 0
    """Width of the network that predicts the F0 of each token; 0 for none."""

    attention: AttentionKind = "dynamic-convolution"
    """Kind of attention."""
    attention_size: int = 128
    """Width of the attention's hidden layer."""
    attention_filters: int = 8
    """Static and dynamic filters of the attention."""
    attention_kernel: int = 21
    """Kernel of these filters."""
    prior_length: int = 11
    """Taps of the attention's beta-binomial prior (arXiv 1910.10288)."""
    prior_alpha: float = 0.1
    """Alpha of this prior."""
    prior_beta: float = 0.9
    """Beta of this prior."""

    prenet_sizes: tuple[int, int] = (256, 128)
    """Widths of the prenet's two layers."""
    prenet_dropout: float = 0.5
    """Dropout rate of the prenet, which is also on at inference."""
    prenet_blur: float = 0.0
    """Standard deviation in mel bands of a blur of the prenet's input, which hides its harmonics and so its F0."""
    decoder_size: int = 512
    """Width of the two decoder LSTMs."""
    zoneout: float = 0.1
    """Zoneout rate of the decoder LSTMs; at inference they interpolate by it (arXiv 1606.01305)."""
    max_reduction_factor: int = 4
    """Most mel frames that a decoder step can output."""

    postnet_size: int = 192
    """Channels of the postnet."""
    postnet_kernel: int = 5
    """Kernel of the postnet's convolutions."""
    postnet_layers: int = 5
    """Convolutions of the postnet."""

    postfilter_size: int = 0
    """Channels of the postfilter, which restores harmonics; 0 for none."""
    postfilter_layers: int = 5
    """Blocks of the postfilter."""
    postfilter_kernel: int = 9
    """Kernel of the postfilter's convolutions over time."""

    refiner_size: int = 0
    """Width of the refiner, which makes the mel sharp by flow matching; 0 for none."""
    refiner_layers: int = 8
    """Blocks of the refiner."""
    refiner_discriminators: bool = False
    """Whether the model has the discriminators against which its refiner was trained; `adapt` needs them."""

    phone_classifier_size: int = 0
    """Width of the network that judges how clearly a sentence is pronounced; 0 for none."""
    phone_classifier_layers: int = 6
    """Blocks of this network."""

    mel: MelConfig = field(default_factory=MelConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prenet_sizes", tuple(self.prenet_sizes))
        if self.attention not in ATTENTION_KINDS:
            raise ConfigError(f"attention must be one of {', '.join(ATTENTION_KINDS)}, not {self.attention!r}")
        for name in ("encoder_kernel", "attention_kernel", "postnet_kernel", "postfilter_kernel"):
            require_range(self, name, 1, MOST_TAPS)
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"{name} must be odd, so that a convolution keeps the length")
        require_range(self, "prior_length", 1, MOST_TAPS)
        for name in ("encoder_layers", "postnet_layers", "max_reduction_factor"):
            require_range(self, name, 1, MOST_LAYERS)
        for name in (
            "symbol_size", "encoder_size", "speaker_embedding_size", "speaker_size", "attention_size",
            "attention_filters", "decoder_size", "postnet_size",
        ):  # fmt: skip
            require_range(self, name, 1, MOST_UNITS)
        if len(self.prenet_sizes) != 2 or not all(1 <= size <= MOST_UNITS for size in self.prenet_sizes):
            raise ConfigError(f"prenet_sizes must be two widths from 1 to {MOST_UNITS}")
        if self.encoder_size % 2:
            raise ConfigError("encoder_size must be even: half of it for each direction of the LSTM")
        require_rates(self, "prenet_dropout", "zoneout")
        require_range(self, "prenet_blur", 0, 20)
        require_range(self, "postfilter_size", 0, 4096)
        require_range(self, "postfilter_layers", 1, 64)
        require_range(self, "refiner_size", 0, 4096)
        require_range(self, "refiner_layers", 1, 64)
        require_range(self, "phone_classifier_size", 0, 4096)
        require_range(self, "phone_classifier_layers", 1, 64)
        if self.refiner_size % 4:
            raise ConfigError("refiner_size must be a multiple of 4, the number of attention heads")
        require_range(self, "pitch_predictor_size", 0, MOST_UNITS)
        if self.mel.max_abs_value != MelConfig.max_abs_value:
            raise ConfigError(
                f"A Tacotron needs mels in [-{MelConfig.max_abs_value:g}, {MelConfig.max_abs_value:g}]: "
                "prepare the store without --mel.max-abs-value"
            )

    @property
    def memory_size(self) -> int:
        """Width of the attention context with the speaker vector appended."""
        return self.encoder_size + self.speaker_size

    @classmethod
    def paper_sizes(cls) -> Architecture:
        """The sizes of the Tacotron 2 paper; the paper's dropout rate is 0.5 (see `TrainingSettings`)."""
        return cls(
            symbol_size=512,
            encoder_size=512,
            speaker_size=256,
            prenet_sizes=(256, 256),
            decoder_size=1024,
            postnet_size=512,
            max_reduction_factor=2,
        )


@dataclass(frozen=True)
class TrainingSettings:
    """What only training uses. Stored so that a finished model is trained further in the same way."""

    encoder_dropout: float = 0.2
    """Dropout rate of the text encoder's convolutions."""
    postnet_dropout: float = 0.1
    """Dropout rate of the postnet."""
    tail_steps: int = 2
    """Decoder steps of silence after each utterance, on which the stop token is trained."""

    def __post_init__(self) -> None:
        require_rates(self, "encoder_dropout", "postnet_dropout")
        require_range(self, "tail_steps", 0, 1000)


@dataclass(frozen=True)
class InferenceSettings:
    """How a finished model is used. Can be changed without training."""

    reduction_factor: int = 4
    """Mel frames per decoder step, as last trained."""
    voice_emphasis: float = 2.0
    """Factor by which an embedding is moved away from the mean embedding of the training speakers; 1 leaves it."""
    pitch_predictor_emphasis: float = 1.0
    """Factor on the predicted F0 contour of the tokens."""
    pitch_gain: float = 1.0
    """Factor on the postfilter's F0 contour: its range in recordings over its predicted range, measured in training."""
    variance_gains: tuple[float, ...] = ()
    """Per mel band: standard deviation in recordings over that in generated mels, measured in training."""
    variance_emphasis: float = 1.0
    """How much of the lost variance is restored; 0 for nothing."""
    refiner_steps: int = 6
    """Steps of the refiner; 0 to leave it out."""
    refiner_temperature: float = 1.0
    """Scale of the noise that the refiner starts from."""
    refiner_guidance: float = 1.0
    """Classifier-free guidance of the refiner towards the speaker (arXiv 2207.12598); 1 for none. Doubles its work."""

    candidates: int = 1
    """Decodings of each sentence, of which the phone classifier chooses the one that is pronounced best."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance_gains", tuple(self.variance_gains))
        if self.reduction_factor < 1:
            raise ConfigError("reduction_factor must be at least 1")
        if not self.voice_emphasis > 0:
            raise ConfigError("voice_emphasis must lie above 0 and up to 10")
        require_range(self, "voice_emphasis", 0, 10)
        for name in ("pitch_predictor_emphasis", "pitch_gain", "variance_emphasis"):
            require_range(self, name, 0, 5)
        require_range(self, "refiner_steps", 0, 100)
        require_range(self, "refiner_temperature", 0, 2)
        require_range(self, "refiner_guidance", 1, 10)
        require_range(self, "candidates", 1, 16)
        if not all(0 < gain <= 10 for gain in self.variance_gains):
            raise ConfigError("variance_gains must lie above 0 and up to 10")


@dataclass(frozen=True)
class TacotronConfig:
    """All settings of a model, as stored in its file."""

    architecture: Architecture = field(default_factory=Architecture)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    inference: InferenceSettings = field(default_factory=InferenceSettings)

    def __post_init__(self) -> None:
        bands, gains = self.architecture.mel.n_mels, self.inference.variance_gains
        if self.inference.reduction_factor > self.architecture.max_reduction_factor:
            raise ConfigError("reduction_factor must lie between 1 and max_reduction_factor")
        if gains and len(gains) != bands:
            raise ConfigError(f"variance_gains must be {bands} numbers, one for each mel band, or none")


PARTS = {"architecture": Architecture, "training": TrainingSettings, "inference": InferenceSettings}
FORMER_NAMES = {"melody_size": "pitch_predictor_size", "melody_emphasis": "pitch_predictor_emphasis"}


def read_config(header: ModelHeader) -> TacotronConfig:
    """The configuration of a model file; older files hold the settings of all three parts in one table.

    Raises:
        ModelFileError: a setting is unknown, of the wrong type or out of range.
    """
    from modelfile.header import config_from_header

    if not set(header.config) <= set(PARTS):
        header = dataclasses.replace(header, config=_in_parts(header.config))
    return config_from_header(TacotronConfig, header)


def _in_parts(flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {name: {} for name in PARTS}
    owners = {setting.name: part for part, cls in PARTS.items() for setting in dataclasses.fields(cls)}
    for name, value in flat.items():
        name = FORMER_NAMES.get(name, name)
        parts[owners.get(name, "architecture")][name] = value  # an unknown one is refused with the architecture
    return parts
