"""The CAM++ encoder in use."""

from encoder.base import SpeakerEncoder
from encoder.campplus.config import CAMPPlusConfig
from encoder.campplus.model import CAMPPlusModel
from encoder.partials import Floats
from speech.mel import encoder_mel


class CAMPPlusEncoder(SpeakerEncoder):
    """Embeds log mels of partials, normalised by the model."""

    kind = "campplus"
    config: CAMPPlusConfig
    model: CAMPPlusModel

    def features(self, speech: Floats, frames: int) -> Floats:
        """Power mels, float32 [frames, n_mels]. The logarithm and its normalisation are part of the model."""
        return encoder_mel(speech, frames=frames, n_mels=self.config.n_mels)
