"""Architecture and front end of the LSTM encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from encoder.config import PartialsConfig, check_sizes
from speech.errors import ConfigError

if TYPE_CHECKING:
    from modelfile.header import ModelHeader

Compression = Literal["none", "log"]


@dataclass(frozen=True)
class LSTMConfig:
    """Architecture of the encoder, stored whole in its model file.

    The sizes are those of the public SV2TTS encoder. A different `n_mels`, `sample_rate` or `hop_length` needs a
    different front end.
    """

    n_mels: int = 40
    """Mel bands."""
    hidden_size: int = 256
    """Units in an LSTM layer."""
    num_layers: int = 3
    """LSTM layers."""
    embedding_size: int = 256
    """Length of an embedding."""
    compression: Compression = "none"
    """Compression of the power mels, which span ten orders of magnitude. "none" is that of the public weights; with
    "log", training needs fewer steps."""
    sample_rate: int = 16_000
    """Samples per second."""
    hop_length: int = 160
    """Samples between two frames."""
    partials: PartialsConfig = field(default_factory=PartialsConfig)

    def __post_init__(self) -> None:
        check_sizes(self, ("n_mels", "hidden_size", "num_layers", "embedding_size", "sample_rate", "hop_length"))
        if self.compression not in get_args(Compression):
            raise ConfigError(f"The encoder's compression is {self.compression!r}: choose 'none' or 'log'.")


def read_config(header: "ModelHeader") -> LSTMConfig:
    """The config in a model file. In older files the settings of the partials are in the same table.

    Raises:
        ModelFileError: unknown settings, or invalid values.
    """
    from modelfile.header import config_from_header

    values = header.config
    if isinstance(values, Mapping) and "partials" not in values:
        names = {setting.name for setting in fields(PartialsConfig)} & set(values)
        moved: dict[str, Any] = {name: value for name, value in values.items() if name not in names}
        header = replace(header, config=moved | {"partials": {name: values[name] for name in names}})
    return config_from_header(LSTMConfig, header)
