"""Distillation of an LSTM encoder, which has an embedding after each frame of a window."""

from torch import Tensor

from encoder.base import SpeakerEncoder
from encoder.data import Batch
from encoder.lstm.inference import LSTMEncoder
from encoder.lstm.model import SpeakerEncoderModel, trajectory_frames
from encoder.task import EncoderTask


class LSTMTask(EncoderTask):
    """Compares student and teacher after every `distill_every` frames if both are LSTM encoders.

    Otherwise as `EncoderTask`.
    """

    model: SpeakerEncoderModel

    def embeddings(self, batch: Batch) -> Tensor:
        return self.model.trajectory(batch["mels"].flatten(0, 1), self._every(batch))

    def targets(self, batch: Batch, teacher: SpeakerEncoder) -> Tensor:
        if not isinstance(teacher, LSTMEncoder):
            return super().targets(batch, teacher)
        points = trajectory_frames(batch["mels"].shape[2], self._every(batch))
        # A pause in its window delays the student, so embeddings of the same clean frames are compared.
        frames = batch["clean_frames"].flatten(0, 1)[:, points]
        return teacher.model.at_frames(batch["clean"].flatten(0, 1), frames)

    def _every(self, batch: Batch) -> int:
        """Frames between two embeddings; the whole window without a teacher that has several."""
        frames = batch["mels"].shape[2]
        return min(self.loss.distill_every, frames) if isinstance(self.teacher, LSTMEncoder) else frames
