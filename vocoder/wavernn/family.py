"""WaveRNN as a model family: its files and its training."""

from typing import TYPE_CHECKING, Any

from modelfile.families import Family
from vocoder.wavernn.config import WaveRNNConfig

if TYPE_CHECKING:
    from torch import Tensor

    from modelfile.header import ModelHeader
    from vocoder.wavernn.inference import WaveRNNVocoder


def load(header: "ModelHeader", weights: "dict[str, Tensor]", device: Any = "cpu", **options: Any) -> "WaveRNNVocoder":
    """Build the model that a file describes, its matrices dense or in sparse blocks.

    Args:
        options: `engine` and `threads` of `WaveRNNVocoder`.

    Raises:
        ModelFileError: its config is refused or the weights do not fit it.
    """
    from modelfile.checkpoint import load_into
    from modelfile.header import config_from_header
    from vocoder.wavernn.inference import WaveRNNVocoder
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.pruning import unpack_sparse

    config = config_from_header(WaveRNNConfig, header)
    model = build_wavernn(config)
    load_into(model, unpack_sparse(weights, config))
    about: dict[str, Any] = {"licence": header.licence, "trained_on": header.trained_on, "step": header.step}
    return WaveRNNVocoder(model, device, **about, **options)


FAMILY = Family(kind="wavernn", config=WaveRNNConfig, load=load, order=10)
