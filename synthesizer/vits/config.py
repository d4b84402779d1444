"""Settings of a VITS: architecture and inference, stored in every model file. Imports no PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.ranges import require_ranges, require_rates
from synthesizer.text.symbols import SYMBOLS
from waveform.refinements import MAX_REFINEMENTS, REFINEMENTS

KIND = "vits"
MOST_UNITS = 65_536  # of a unit encoder
MOST_WIDTH = 4096
MOST_LAYERS = 64


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network. The defaults are smaller than the paper's, so that a CPU can train them."""

    n_symbols: int = len(SYMBOLS)
    """Size of the symbol set."""
    blanks: bool = True
    """Put a blank between two symbols, so that durations of pauses need no symbol."""
    hidden_size: int = 128
    """Width of the text encoder, the posterior encoder and the flow; 192 in the paper."""
    latent_size: int = 96
    """Width of the latent variable; 192 in the paper."""
    encoder_layers: int = 4
    """Transformer layers of the text encoder; 6 in the paper."""
    encoder_heads: int = 2
    """Attention heads of a layer."""
    filter_size: int = 384
    """Width between the two convolutions of a layer; 768 in the paper."""
    encoder_kernel: int = 3
    """Kernel of these convolutions."""
    encoder_dropout: float = 0.1
    """Dropout rate of the text encoder."""
    posterior_layers: int = 8
    """Gated convolutions of the posterior encoder; 16 in the paper."""
    flow_couplings: int = 4
    """Coupling layers of the flow."""
    flow_layers: int = 4
    """Gated convolutions of a coupling layer."""
    flow_affine: bool = False
    """Let a coupling scale as well as shift. The flow of the paper preserves volume."""
    gated_kernel: int = 5
    """Kernel of all gated convolutions."""
    duration_size: int = 192
    """Width of the duration predictor."""
    duration_dropout: float = 0.3
    """Dropout rate of the duration predictor."""
    speaker_embedding_size: int = 256
    """Size of the speaker embedding."""
    speaker_size: int = 128
    """Width of the condition that is made of the speaker embedding."""
    decoder: Literal["hifigan", "spectral"] = "hifigan"
    """"hifigan" generates samples by upsampling. "spectral" predicts a mel, and a spectrum from it; it can start from a
    trained vocoder (`--vocoder`)."""
    decoder_size: int = 128
    """Channels at the input of the decoder, halved by each upsampling; 512 in the paper."""
    upsample_rates: tuple[int, ...] = (5, 5)
    """Upsampling of the decoder."""
    istft_hop: int = 8
    """Hop of the inverse short-time Fourier transform at its end, with a window of four hops (iSTFTNet); 1 for a
    convolution instead, as in the paper. The upsampling rates and this hop multiply to the hop of the mel settings."""
    block_kernels: tuple[int, ...] = (3, 7, 11)
    """Kernels of the residual blocks after each upsampling."""
    block_dilations: tuple[int, ...] = (1, 3, 5)
    """Dilations in a residual block."""
    mel_layers: int = 4
    """Gated convolutions of a spectral decoder from the latent variable to the mel."""
    spectral_size: int = 320
    """Width of its network from the mel to the spectrum. With `--vocoder`, these four are those of the vocoder."""
    spectral_hidden: int = 960
    """Hidden width of a block of this network."""
    spectral_blocks: int = 8
    """Number of its blocks."""
    spectral_kernel: int = 7
    """Kernel of its convolutions over frames."""
    units: int = 0
    """Number of speech units for conversion; 0 for a model that reads text only."""
    unit_rate: int = 50
    """Units per second."""
    unit_pitch: bool = False
    """Condition the prior from units on F0, so that conversion keeps the melody and can move it."""
    refiner_size: int = 0
    """Width of the refiner, which makes the mel of a spectral decoder sharp and gives it the voice of a reference; 0
    for none."""
    refiner_layers: int = 8
    """Blocks of the refiner."""
    refiner_discriminators: bool = False
    """Whether the model has the discriminators against which its refiner was trained, to train it further."""
    phone_classifier_size: int = 0
    """Width of the phone classifier, which finds the symbols of a recording for the refiner; 0 for none."""
    phone_classifier_layers: int = 6
    """Blocks of the phone classifier."""
    mel: MelConfig = field(default_factory=MelConfig)

    def __post_init__(self) -> None:
        for name in ("upsample_rates", "block_kernels", "block_dilations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.n_symbols != len(SYMBOLS):
            raise ConfigError(
                f"This VITS has {self.n_symbols} text symbols, but this version has {len(SYMBOLS)}: use the version "
                "of the toolkit that it was trained with, or train it again."
            )
        self._check_sizes()
        if self.decoder not in ("hifigan", "spectral"):
            raise ConfigError(f'The decoder must be "hifigan" or "spectral", not {self.decoder!r}.')
        if self.decoder == "spectral" and self.mel.n_fft < 2 * self.mel.hop_length:
            raise ConfigError("A spectral decoder needs an n_fft of at least two hops.")
        if self.refiner_size and self.decoder != "spectral":
            raise ConfigError("A refiner needs a decoder that predicts mels: give --vocoder in training.")
        require_rates(self, "encoder_dropout", "duration_dropout")
        if self.unit_pitch and not self.units:
            raise ConfigError("unit_pitch is the pitch input of the prior from units: set the number of units, too.")
        if self.decoder == "hifigan" and math.prod(self.upsample_rates) * self.istft_hop != self.mel.hop_length:
            product = " * ".join(map(str, self.upsample_rates))
            raise ConfigError(
                f"The upsampling rates {product} and the istft_hop {self.istft_hop} must multiply to the hop of "
                f"{self.mel.hop_length} samples: set --upsample-rates and --istft-hop."
            )

    def _check_sizes(self) -> None:
        widths = (
            "hidden_size", "latent_size", "filter_size", "duration_size", "speaker_embedding_size", "speaker_size",
            "decoder_size", "spectral_size", "spectral_hidden",
        )  # fmt: skip
        layers = (
            "encoder_layers", "encoder_heads", "posterior_layers", "flow_couplings", "flow_layers", "mel_layers",
            "spectral_blocks",
        )  # fmt: skip
        require_ranges(self, dict.fromkeys(widths, (1, MOST_WIDTH)) | dict.fromkeys(layers, (1, MOST_LAYERS)))
        require_ranges(self, {"unit_rate": (1, 1000), "units": (0, MOST_UNITS), "istft_hop": (1, 512)})
        for part in ("refiner", "phone_classifier"):
            require_ranges(self, {f"{part}_size": (0, MOST_WIDTH), f"{part}_layers": (1, MOST_LAYERS)})
        for name, least in (("upsample_rates", 2), ("block_kernels", 1), ("block_dilations", 1)):
            values = getattr(self, name)
            if not 1 <= len(values) <= 8 or not all(least <= value <= 64 for value in values):
                raise ConfigError(f"{name} must be one to eight numbers from {least} to 64.")
        kernels = (self.encoder_kernel, self.gated_kernel, self.spectral_kernel, *self.block_kernels)
        if any(not kernel % 2 or not 1 <= kernel <= 63 for kernel in kernels):
            raise ConfigError("Kernels must be odd, so that a convolution keeps the length, and at most 63.")
        if self.latent_size % 2:
            raise ConfigError("latent_size must be even: a coupling changes one half, given the other.")
        if self.refiner_size % 4:
            raise ConfigError("refiner_size must be a multiple of 4, the number of attention heads.")
        if self.hidden_size % (2 * self.encoder_heads):
            raise ConfigError("hidden_size must be a multiple of twice encoder_heads.")
        if self.decoder_size % 2 ** len(self.upsample_rates):
            raise ConfigError("decoder_size must be a multiple of 2 for each upsampling rate.")


@dataclass(frozen=True)
class InferenceSettings:
    """How a finished model is used. Can be changed without training."""

    noise_scale: float = 0.667
    """Standard deviation of the prior's noise, relative to training. 0 has no randomness."""
    length_scale: float = 1.0
    """Factor of all durations."""
    source_residual: float = 0.0
    """Fraction that a conversion keeps of what the units do not tell of the recording: its latent variable minus the
    prior's mean. 0 generates from the units alone; 1 keeps all, so that only speaker and pitch change."""
    speaker_guidance: float = 0.0
    """How much further a conversion moves away from the recording's speaker: its mel gets so many times its difference
    from the mel in the voice of the recording, as in classifier-free guidance (arXiv 2207.12598). Needs a spectral
    decoder."""
    refiner_steps: int = 6
    """Steps of the refiner; 0 to leave it out."""
    refiner_temperature: float = 1.0
    """Scale of the noise that the refiner starts from."""
    refiner_guidance: float = 1.0
    """Classifier-free guidance of the refiner towards the speaker (arXiv 2207.12598); 1 for none. Doubles its work."""
    conversion_refinement: float = 1.0
    """Fraction of the refiner's change that the mel of a conversion gets; 0 to refine texts alone. Less keeps the words
    better, more gives more of the voice."""
    waveform_refinements: int = REFINEMENTS
    """Projections that make the spectrum of a spectral decoder consistent with itself and with its mel, from phases of
    pulses in voiced frames; 0 keeps the network's output."""
    chunk_frames: int = 100
    """Mel frames that the decoder generates at once."""

    @property
    def reduction_factor(self) -> int:
        """Frames per step of an alignment."""
        return 1

    def __post_init__(self) -> None:
        require_ranges(
            self,
            {
                "noise_scale": (0, 2),
                "source_residual": (0, 1),
                "speaker_guidance": (0, 4),
                "refiner_steps": (0, 100),
                "refiner_temperature": (0, 2),
                "refiner_guidance": (1, 10),
                "conversion_refinement": (0, 1),
                "waveform_refinements": (0, MAX_REFINEMENTS),
                "length_scale": (0.25, 4),
                "chunk_frames": (1, 10_000),
            },
        )


@dataclass(frozen=True)
class VitsConfig:
    """All settings of a model, as stored in its file."""

    architecture: Architecture = field(default_factory=Architecture)
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    unit_file: str = ""
    """Digest of the unit file that the model was trained with, see `synthesizer.units.loading.file_digest`."""

    @property
    def refines_texts(self) -> bool:
        """Whether the mels of texts go through the refiner."""
        return bool(self.architecture.refiner_size and self.inference.refiner_steps)

    @property
    def refines_conversions(self) -> bool:
        """Whether those of conversions do."""
        return self.refines_texts and self.inference.conversion_refinement > 0

    @property
    def needs_source(self) -> bool:
        """Whether a conversion takes the recording besides its units."""
        finds_phones = self.refines_conversions and self.architecture.phone_classifier_size
        return bool(self.inference.source_residual or self.inference.speaker_guidance or finds_phones)

    def __post_init__(self) -> None:
        if self.inference.speaker_guidance and self.architecture.decoder != "spectral":
            raise ConfigError("speaker_guidance needs a decoder that predicts mels: give --vocoder in training.")
