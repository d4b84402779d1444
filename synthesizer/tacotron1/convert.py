"""Public SV2TTS synthesizers as model files of this family: RTVC's, and MockingBird's without style tokens."""

from __future__ import annotations

from modelfile.header import ModelHeader
from modelfile.public import PUBLIC_SPACE, Converted, PublicCheckpoint
from speech.errors import ConfigError, ModelFileError
from synthesizer.base import STAGE
from synthesizer.tacotron1.config import KIND, Architecture, InferenceSettings, Tacotron1Config

# Parts of public names -> names of this project; others are the same in both.
_NAMES = {
    "encoder.embedding": "embedding",
    "encoder.pre_net": "prenet",
    "encoder.cbhg": "encoder",
    "encoder_proj": "to_keys",
    "post_proj": "to_mel",
    "decoder.attn_net.L": "decoder.attention.from_location",
    "decoder.attn_net.W": "decoder.attention.query",
    "decoder.attn_net.v": "decoder.attention.energy",
    "decoder.attn_net.conv": "decoder.attention.convolution",
    "decoder.attn_rnn": "decoder.attention_gru",
    "decoder.rnn_input": "decoder.to_lstm",
    "decoder.res_rnn": "decoder.lstm",
    "decoder.mel_proj": "decoder.to_frames",
    "decoder.stop_proj": "decoder.to_stop",
}
_INNER = {
    ".fc1.": ".first.",
    ".fc2.": ".second.",
    ".conv1d_bank.": ".bank.",
    ".conv_project1.": ".project_in.",
    ".conv_project2.": ".project_out.",
    ".conv.": ".convolution.",
    ".bnorm.": ".normalisation.",
    ".pre_highway.": ".to_highways.",
    ".W1.": ".transform.",
    ".W2.": ".gate.",
    ".rnn.": ".gru.",
}
_SETTINGS = ("decoder.r", "stop_threshold")


def convert_public(checkpoint: PublicCheckpoint) -> Converted | None:
    """Header and weights, or None if it is not a synthesizer. Sizes and reduction factor are those of its tensors.

    Raises:
        ModelFileError: tensors are missing, or the alphabet is a different one.
    """
    if not {"encoder_proj.weight", "decoder.attn_net.W.weight"} <= set(checkpoint.tensors):
        return None
    if any(name.startswith("gst.") for name in checkpoint.tensors):
        raise ModelFileError(
            f"{checkpoint.name} is a synthesizer with style tokens (as MockingBird trains by default), which this "
            "toolkit does not have: give one that was trained without them."
        )
    try:
        config = _config_of(checkpoint)
    except (KeyError, IndexError, ValueError, ConfigError) as error:
        raise ModelFileError(
            f"{checkpoint.name} is not a public synthesizer that can be converted: {str(error).rstrip('.')}."
        ) from error
    weights = {_renamed(name): value for name, value in checkpoint.tensors.items() if name not in _SETTINGS}
    header = ModelHeader(STAGE, KIND, config, checkpoint.step, embedding_space=PUBLIC_SPACE)
    return header, weights


def _config_of(checkpoint: PublicCheckpoint) -> Tacotron1Config:
    shape, tensors = checkpoint.shape, checkpoint.tensors
    n_symbols, symbol_size = shape("encoder.embedding.weight")
    encoder_size = shape("encoder.pre_net.fc2.weight")[0]
    decoder_size, memory_size = shape("encoder_proj.weight")
    first, second = shape("decoder.prenet.fc1.weight"), shape("decoder.prenet.fc2.weight")
    filters, _, kernel = shape("decoder.attn_net.conv.weight")
    outputs, lstm_size = shape("decoder.mel_proj.weight")
    bands = Architecture().mel.n_mels
    if first[1] != bands or shape("post_proj.weight")[0] != bands or outputs % bands:
        raise ConfigError(f"it was not trained on mels of {bands} bands")
    if memory_size <= encoder_size:
        raise ConfigError("it takes no speaker embedding")
    architecture = Architecture(
        n_symbols=n_symbols,
        symbol_size=symbol_size,
        encoder_size=encoder_size,
        encoder_kernels=_count(tensors, "encoder.cbhg.conv1d_bank."),
        highways=_count(tensors, "encoder.cbhg.highways."),
        speaker_embedding_size=memory_size - encoder_size,
        decoder_size=decoder_size,
        prenet_sizes=(first[0], second[0]),
        attention_filters=filters,
        attention_kernel=kernel,
        lstm_size=lstm_size,
        max_reduction_factor=outputs // bands,
        postnet_size=shape("post_proj.weight")[1],
        postnet_kernels=_count(tensors, "postnet.conv1d_bank."),
    )
    default = InferenceSettings()
    factor = int(tensors["decoder.r"]) if "decoder.r" in tensors else default.reduction_factor
    threshold = float(tensors["stop_threshold"]) if "stop_threshold" in tensors else default.silence_threshold
    return Tacotron1Config(architecture, InferenceSettings(factor, round(threshold, 4)))


def _count(tensors: object, prefix: str) -> int:
    """How many modules a list of modules has."""
    assert isinstance(tensors, dict)
    return len({name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix)})


def _renamed(name: str) -> str:
    for public, own in _NAMES.items():
        if name.startswith(public):
            name = own + name.removeprefix(public)
            break
    for public, own in _INNER.items():
        name = name.replace(public, own)
    return name
