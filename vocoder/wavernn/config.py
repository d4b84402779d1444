"""Architecture of a WaveRNN vocoder. Imports no torch."""

import math
from dataclasses import dataclass, field
from typing import Literal

from speech.errors import ConfigError
from speech.mel_config import MelConfig

MIXTURES = 10
MAX_ORDER = 16  # coefficients of the linear prediction, which fill a vector register


@dataclass(frozen=True)
class WaveRNNConfig:
    """Architecture of a WaveRNN (Kalchbrenner et al. 2018)."""

    shape: Literal["compact", "classic", "excitation"] = "compact"
    """"compact" has one GRU and looks up the last sample in a table. "classic" is the two-GRU network of public SV2TTS
    checkpoints, which have a hidden size and fc size of 512. "excitation" is compact with linear prediction from the
    mel: the network predicts only the excitation (Valin & Skoglund 2019, "LPCNet")."""
    mode: Literal["raw", "mol"] = "raw"
    """"raw" predicts one of 2**bits mu-law labels; "mol" predicts a mixture of logistic distributions over a continuous
    sample (Salimans et al. 2017; not for excitation)."""
    bits: int = 9
    """Bit depth of the mu-law labels."""
    hidden_size: int = 384
    """Units of each GRU."""
    fc_size: int = 256
    """Width of the fully connected layers after the GRU."""
    pad: int = 2
    """Mel frames of context on either side of a frame."""
    condition_size: int = 128
    """Channels of the conditioning network and of its output."""
    subframes: int = 4
    """Conditioning vectors of each mel frame, and sets of prediction coefficients (compact and excitation)."""
    sample_embedding_size: int = 64
    """Size of the embedding of the last sample (compact) or excitation, and of that of the prediction (excitation)."""
    prediction_order: int = 16
    """Coefficients of the linear prediction, at most 16 (excitation)."""
    upsample_factors: tuple[int, ...] = (5, 5, 8)
    """Upsampling steps from frames to samples; their product is the hop (classic)."""
    residual_size: int = 128
    """Channels of the residual blocks in the conditioning network (classic)."""
    residual_blocks: int = 10
    """Number of residual blocks (classic)."""
    sparsity: float = 0.0
    """Fraction of the blocks in the matrices of the sample loop that are pruned; 0 is a dense model."""
    block: tuple[int, int] = (16, 1)
    """Rows and columns of a block that is pruned or kept as a whole; 16 rows fill a vector register."""
    mel: MelConfig = field(default_factory=MelConfig)
    """Mel settings of the input. A new model takes them from the feature store unless they are given."""

    def __post_init__(self) -> None:
        if self.shape not in ("compact", "classic", "excitation") or self.mode not in ("raw", "mol"):
            raise ConfigError(
                f"There is no WaveRNN of shape '{self.shape}' and mode '{self.mode}': "
                "choose compact, classic or excitation, and raw or mol."
            )
        if self.predicts and self.mode == "mol":
            raise ConfigError("A WaveRNN of shape excitation predicts labels: choose the mode raw.")
        if not 1 <= self.prediction_order <= MAX_ORDER:
            raise ConfigError(f"A linear prediction of order {self.prediction_order}: choose 1 to {MAX_ORDER}.")
        if not 4 <= self.bits <= 12:
            raise ConfigError(f"A WaveRNN of {self.bits} bits is out of range: choose 4 to 12.")
        for name in ("hidden_size", "fc_size", "condition_size", "subframes", "sample_embedding_size", "residual_size"):
            if not 1 <= getattr(self, name) <= 4096:
                raise ConfigError(f"The WaveRNN setting {name} is {getattr(self, name)}: it must be 1 to 4096.")
        if not 1 <= self.pad <= 16 or not 0 <= self.residual_blocks <= 64:
            raise ConfigError("The WaveRNN settings pad (1 to 16) and residual_blocks (0 to 64) are out of range.")
        if not 0 <= self.sparsity < 1:
            raise ConfigError(
                f"A sparsity of {self.sparsity} is out of range: choose 0 (dense) or more and less than 1."
            )
        if len(self.block) != 2 or not all(1 <= side <= 64 for side in self.block):
            raise ConfigError(
                f"Blocks of {self.block} are out of range: give rows and columns of 1 to 64, such as 16 1."
            )
        if self.shape != "classic" and self.hop_length % self.subframes:
            raise ConfigError(f"{self.subframes} subframes do not divide a hop of {self.hop_length} samples.")
        if len(self.upsample_factors) > 16 or not all(1 <= factor <= 1024 for factor in self.upsample_factors):
            raise ConfigError("The WaveRNN needs at most 16 upsampling factors, from 1 to 1024.")
        if self.shape == "classic" and math.prod(self.upsample_factors) != self.hop_length:
            raise ConfigError(
                f"The upsampling factors {self.upsample_factors} do not multiply to the hop of {self.hop_length}."
            )
        if self.shape == "classic" and self.condition_size % 4:
            raise ConfigError(
                "The classic shape splits its conditioning in four parts: condition_size must be divisible by 4."
            )

    @property
    def hop_length(self) -> int:
        return self.mel.hop_length

    @property
    def predicts(self) -> bool:
        """Whether the network predicts the excitation of a linear prediction instead of the sample."""
        return self.shape == "excitation"

    @property
    def samples_are_labels(self) -> bool:
        """Whether a generated sample is a mu-law label. A sample of the excitation shape is a float: the sum of the
        prediction and the excitation, whose label was drawn."""
        return self.mode == "raw" and not self.predicts

    @property
    def labels(self) -> int:
        return 2**self.bits

    @property
    def silence(self) -> int:
        """The label of a sample of 0."""
        return self.labels // 2

    @property
    def outputs(self) -> int:
        """Network outputs per sample: label logits, or weight, mean and log scale of each logistic distribution."""
        return self.labels if self.mode == "raw" else 3 * MIXTURES

    @property
    def uniforms(self) -> int:
        """Random numbers needed to draw one sample."""
        return 1 if self.mode == "raw" else 2

    @property
    def mel_edge(self) -> float:
        """Value beyond the ends of the mel, which is scaled to [-1, 1]; public checkpoints were trained with 0."""
        return 0.0 if self.shape == "classic" else -1.0


def classic_config(mode: Literal["raw", "mol"] = "raw") -> WaveRNNConfig:
    """The sizes of the public SV2TTS vocoder: two GRUs of 512, two fully connected layers of 512."""
    return WaveRNNConfig(shape="classic", mode=mode, hidden_size=512, fc_size=512)
