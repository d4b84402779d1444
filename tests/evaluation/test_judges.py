import pytest

from evaluation.judges import load_judges
from evaluation.report import Notes
from evaluation.settings import JudgeSettings
from evaluation.speaker_model import SpeakerModel
from speech.errors import ConfigError
from tests.evaluation.fakes import FakeNaturalness, FakeRecogniser, FakeSpeakerJudge


@pytest.fixture
def fakes(monkeypatch):
    for name, fake in (
        ("PocketSphinx", FakeRecogniser),
        ("Whisper", FakeRecogniser),
        ("Resemblyzer", FakeSpeakerJudge),
        ("DistillMos", FakeNaturalness),
    ):
        monkeypatch.setattr(f"evaluation.judges.{name}", fake)

    def load(name, kind, threshold):
        return SpeakerModel(lambda features: features, lambda wav: wav, name, threshold)

    monkeypatch.setattr("evaluation.judges.load_speaker_model", load)


def test_the_speaker_model_comes_before_the_fallback(fakes):
    notes = Notes()
    judges = load_judges(JudgeSettings(speaker_judge="mine", speaker_threshold=0.4), notes)
    assert [(judge.name, judge.threshold) for judge in judges.speakers] == [("mine", 0.4), ("resemblyzer", None)]
    assert judges.naturalness is not None and judges.recogniser is not None
    assert "Voice: mine is an independent speaker model. It accepts a clip as the speaker from a cosine of 0.4." in (
        notes.all()
    )
    assert {"Words: fake.", "Quality: fake.", "Voice: fake."} <= set(notes.all())


def test_recognisers(fakes):
    whisper = load_judges(JudgeSettings(recogniser="faster-whisper:models/small"), Notes()).recogniser
    assert isinstance(whisper, FakeRecogniser) and whisper.recognised == "models/small"
    assert load_judges(JudgeSettings(recogniser="none"), Notes()).recogniser is None


def test_two_judges_of_one_name_are_refused(fakes):
    with pytest.raises(ConfigError, match="label=FILE"):
        load_judges(JudgeSettings(speaker_judge="resemblyzer"), Notes())


@pytest.mark.parametrize(
    "settings",
    [
        {"recogniser": "faster-whisper:"},
        {"recogniser": "whisper"},
        {"speaker_threshold": 0.5},
        {"speaker_input": "fbank"},
        {"speaker_judge": "a", "speaker_threshold": 57.7},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises(ConfigError, match="--"):
        JudgeSettings(**settings)
