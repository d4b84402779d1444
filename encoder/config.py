"""Settings that encoder families share. Imports neither torch nor numpy, so that `--help` is quick."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

from speech.errors import ConfigError, CorpusError

MOST_FRAMES = 10_000  # of a partial
MOST_UNITS = 8192  # of any size without a limit of its own
MOST = {"num_layers": 16, "n_mels": 512, "sample_rate": 768_000, "hop_length": 2**15, "segment_frames": 10_000}


@dataclass(frozen=True)
class PartialsConfig:
    """How an utterance is cut into partials. The defaults are those of the public SV2TTS encoder, with 10 ms frames."""

    partial_frames: int = 160
    """Frames in a partial: 1.6 s."""
    partial_step: int = 77
    """Frames between the starts of two partials: 1.3 partials per second, so that neighbours overlap by half."""
    min_coverage: float = 0.75
    """Smallest fraction of the last partial that must be audio; below it the partial is dropped."""

    def __post_init__(self) -> None:
        if self.partial_frames > MOST_FRAMES:
            raise ConfigError(
                f"The encoder's partial_frames is {self.partial_frames}: it must be at most {MOST_FRAMES}."
            )
        if not 1 <= self.partial_step <= self.partial_frames:
            raise ConfigError(
                f"The encoder's partial_step is {self.partial_step}: it must lie between 1 and partial_frames "
                f"({self.partial_frames}), so that partials leave no gaps."
            )
        if not 0 < self.min_coverage <= 1:
            raise ConfigError(f"The encoder's min_coverage is {self.min_coverage}: it must be above 0 and at most 1.")


def check_sizes(settings: object, names: Iterable[str]) -> None:
    """Raises: ConfigError if one of these settings of an encoder is not from 1 to its maximum (`MOST`)."""
    for name in names:
        value, most = getattr(settings, name), MOST.get(name, MOST_UNITS)
        if not 1 <= value <= most:
            raise ConfigError(f"The encoder's {name} is {value}: it must lie between 1 and {most}.")


class EncoderSettings(Protocol):
    """What the config of every encoder family has, besides its own settings."""

    @property
    def sample_rate(self) -> int:
        """Hz."""
        ...

    @property
    def n_mels(self) -> int:
        """Features per frame."""
        ...

    @property
    def hop_length(self) -> int:
        """Samples between two frames of the front end."""
        ...

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        ...

    @property
    def partials(self) -> PartialsConfig:
        """How an utterance is cut into partials."""
        ...


@dataclass(frozen=True)
class AugmentationConfig:
    """Probabilities and strengths of the augmentations. Ranges are uniform, from lowest to highest."""

    gain_db: float = 6.0
    """Largest change of level, up or down."""
    noise_probability: float = 0.6
    """Probability of added noise."""
    noise_snr_db: tuple[float, float] = (-3.0, 25.0)
    """Signal-to-noise ratio over the window."""
    room_probability: float = 0.3
    """Probability of reverberation."""
    room_decay_seconds: tuple[float, float] = (0.15, 0.9)
    """Reverberation time: decay by 60 dB."""
    room_ratio_db: tuple[float, float] = (-3.0, 12.0)
    """Direct-to-reverberant ratio."""
    band_probability: float = 0.3
    """Probability of a band limit, as of a microphone or a telephone line."""
    band_low_hz: tuple[float, float] = (50.0, 400.0)
    """Lower edge of the pass band."""
    band_high_hz: tuple[float, float] = (3000.0, 7500.0)
    """Upper edge of the pass band."""
    codec_probability: float = 0.2
    """Probability of a lossy codec."""
    codec_step_db: tuple[float, float] = (1.5, 6.0)
    """Quantisation step of the band levels."""
    pause_probability: float = 0.3
    """Probability of a pause within the window, filled with noise only."""
    pause_fraction: tuple[float, float] = (0.1, 0.5)
    """Length of the pause as a fraction of the window."""
    speed_probability: float = 0.8
    """Probability that a speaker's windows are played at a different speed, which makes a new voice."""
    speed_range: float = 0.25
    """Largest change of speed; 0.25 is 0.75 to 1.25."""
    second_speaker_probability: float = 0.25
    """Probability that a second speaker is mixed in, which makes a new voice. It needs a teacher."""
    second_speaker_ratio_db: tuple[float, float] = (2.0, 15.0)
    """Attenuation of the second speaker."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_probability") and not 0 <= value <= 1:
                raise ConfigError(f"The {field.name} is {value}: a probability lies between 0 and 1.")
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ConfigError(f"The {field.name} must be given as lowest and highest value.")
        if not 0 <= self.speed_range < 0.5:
            raise ConfigError(f"The speed_range is {self.speed_range}: it must be at least 0 and below 0.5.")
        if self.gain_db < 0:
            raise ConfigError(f"The gain_db is {self.gain_db}: it must not be negative.")
        if not 0 <= self.pause_fraction[0] <= self.pause_fraction[1] < 1:
            raise ConfigError(f"The pause_fraction is {self.pause_fraction}: both ends must lie in [0, 1).")
        if self.room_decay_seconds[0] <= 0:
            raise ConfigError("The room_decay_seconds must be above 0.")


def no_augmentation() -> AugmentationConfig:
    """A config that leaves windows as they were recorded."""
    never: dict[str, Any] = {
        field.name: 0.0 for field in fields(AugmentationConfig) if field.name.endswith("_probability")
    }
    return AugmentationConfig(gain_db=0.0, **never)


@dataclass(frozen=True)
class MarginConfig:
    """Settings of AAM-softmax, which classifies the training speakers with a margin."""

    margin: float = 0.2
    """Angle in radians that is added between an embedding and its speaker. It rises from 0, because early in training
    it would hide the differences between speakers."""
    rise: tuple[float, float] = (0.2, 0.6)
    """Where the margin starts and ends to rise, as fractions of all steps."""
    scale: float = 32.0
    """Factor of the cosines before the softmax."""
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Speeds of the training windows. Each makes new speakers, because the pitch changes too."""

    def __post_init__(self) -> None:
        if not 0 <= self.margin < 1.5:
            raise ConfigError(f"The margin is {self.margin}: it must be at least 0 and below 1.5 radians.")
        if not 0 <= self.rise[0] <= self.rise[1] <= 1:
            raise ConfigError(f"The rise of the margin is {self.rise}: give two fractions of the steps, in order.")
        if not self.scale > 0:
            raise ConfigError(f"The scale of the cosines is {self.scale}: it must be above 0.")


Balance = Literal["centre", "sinkhorn"]


@dataclass(frozen=True)
class DinoConfig:
    """Settings of DINO, which trains without speaker labels. Pairs are the values at the start and at the end."""

    utterances: int = 32
    """Utterances in a batch."""
    long_crops: int = 2
    """Long crops of each utterance, for student and teacher."""
    long_frames: int = 300
    """Frames of 10 ms in a long crop."""
    short_crops: int = 4
    """Short crops of each utterance, for the student."""
    short_frames: int = 150
    """Frames of 10 ms in a short crop."""
    prototypes: int = 4096
    """Outputs of the projection head."""
    head_size: int = 1024
    """Units in a hidden layer of the projection head."""
    bottleneck_size: int = 256
    """Units before the prototypes."""
    student_temperature: float = 0.1
    """Temperature of the student's output."""
    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    """Temperature of the teacher's output, which rises in the first tenth of the steps."""
    balance: Balance = "centre"
    """How the teacher's output is kept from being the same for all utterances: "centre" subtracts a moving average of
    its scores; "sinkhorn" makes the utterances of a batch use all prototypes equally often, so that the output says
    more about the utterance in short trainings with small batches."""
    centre_momentum: float = 0.9
    """Momentum of the moving average."""
    momentum: tuple[float, float] = (0.996, 1.0)
    """Momentum of the teacher's weights. Short trainings need less, such as 0.98."""
    weight_decay: tuple[float, float] = (0.0001, 0.001)
    """Weight decay of matrices."""
    frozen_steps: float = 0.02
    """Fraction of the steps in which the prototypes are not trained."""
    koleo_weight: float = 0.0
    """Weight of the KoLeo regulariser, which keeps embeddings of different utterances apart; 0 switches it off."""

    def __post_init__(self) -> None:
        for name in ("long_frames", "short_frames", "prototypes", "head_size", "bottleneck_size", "long_crops"):
            if getattr(self, name) < 1:
                raise ConfigError(f"The setting {name} of DINO is {getattr(self, name)}: it must be at least 1.")
        if self.utterances < 2 or self.short_crops < 0 or self.long_crops + self.short_crops < 2:
            raise ConfigError("DINO needs at least 2 utterances in a batch and 2 crops of each, one of them long.")
        if min(self.student_temperature, *self.teacher_temperature) <= 0:
            raise ConfigError("The temperatures of DINO must be above 0.")
        if any(not 0 <= value <= 1 for value in (*self.momentum, self.centre_momentum, self.frozen_steps)):
            raise ConfigError("The momenta and frozen_steps of DINO must lie between 0 and 1.")
        if min(*self.weight_decay, self.koleo_weight) < 0:
            raise ConfigError("The weight decay and the koleo_weight of DINO must not be negative.")


@dataclass(frozen=True)
class ClusterConfig:
    """Settings of the k-means clustering of all training utterances."""

    count: int = 0
    """Clusters; 0 is one for ten training utterances, at most 8000. More than there are speakers is better than fewer:
    a cluster of two speakers teaches an error, two clusters of one speaker only miss a pair."""
    every: float = 2.0
    """Epochs between two clusterings of cluster-aware DINO."""
    start: float = 0.3
    """Fraction of the steps of plain DINO before the first clustering of cluster-aware DINO; none with --from."""
    windows: int = 3
    """Windows of an utterance, evenly spaced, whose mean embedding is clustered."""

    def __post_init__(self) -> None:
        if self.count < 0 or self.count == 1:
            raise ConfigError(f"The number of clusters is {self.count}: give at least 2, or 0 for the default.")
        if not self.every > 0 or not 0 <= self.start <= 1:
            raise ConfigError("The epochs between two clusterings must be above 0, and cluster.start from 0 to 1.")
        if self.windows < 1:
            raise ConfigError(f"The windows of an utterance to cluster are {self.windows}: give at least 1.")

    def clusters_of(self, utterances: int) -> int:
        """Number of clusters of so many utterances."""
        return self.count or max(2, min(utterances // 10, 8000))

    def check(self, utterances: int) -> None:
        """Raises: CorpusError if there are more clusters than utterances."""
        if self.clusters_of(utterances) > utterances:
            raise CorpusError(
                f"The store has {utterances} training utterances for {self.count} clusters: add recordings, or give a "
                "smaller --cluster.count."
            )


@dataclass(frozen=True)
class PseudoLabelConfig:
    """Settings of the training on pseudo labels: dynamic loss gate and label correction (arXiv 2208.01928)."""

    utterances: int = 32
    """Utterances in a batch, one window of each."""
    iterations: int = 3
    """Trainings on pseudo labels of --objective iterations, each with labels of the encoder before."""
    steps: int = 0
    """Steps of each of these; 0 is --steps."""
    fresh: bool = False
    """Start from random weights. Otherwise training continues from the encoder that gives the labels."""
    gate: bool = True
    """Train on the label only where the loss is below the gate."""
    correct: bool = True
    """Above the gate, train on the prediction for the clean window where it is confident."""
    confidence: float = 0.5
    """Smallest largest probability of a confident prediction."""
    sharpening: float = 0.1
    """Temperature that sharpens the prediction; 1 leaves it as it is."""
    warmup_epochs: int = 2
    """Epochs before the first gate, in which all labels count."""

    def __post_init__(self) -> None:
        if self.utterances < 2 or self.iterations < 1 or self.warmup_epochs < 1 or self.steps < 0:
            raise ConfigError(
                "Pseudo labels need at least 2 utterances in a batch, 1 iteration and 1 warm-up epoch, and no negative "
                "number of steps."
            )
        if not 0 <= self.confidence < 1 or not 0 < self.sharpening <= 1:
            raise ConfigError("The confidence must be at least 0 and below 1, the sharpening above 0 and at most 1.")
