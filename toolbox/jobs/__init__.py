"""Work for the worker threads: functions with a `JobContext` as first argument. Imports no Qt.

    worker.submit("Speaking", lambda context: jobs.speak(context, models, files, jobs.SpeechRequest(text, voice)))

Progress counts the whole job (`done` of `total`); the stage says what is being done. The models belong to one worker
thread. The jobs are in `loaded_models`, `enrolment`, `adaptation`, `conversion` (of model files), `speaking`,
`speech_conversion` and `text_files`.
"""

from toolbox.jobs.adaptation import adapt
from toolbox.jobs.conversion import convert_checkpoints
from toolbox.jobs.enrolment import AnalysedClip, Enrolment, Source, analyse_clip, embed, enrol
from toolbox.jobs.interrupted import interrupted_result
from toolbox.jobs.loaded_models import Models, load_models
from toolbox.jobs.speaking import (
    AudioChunk,
    SpeechRequest,
    export,
    load_lexicon,
    speak,
    synthesize,
    trim_silences,
    vocode,
)
from toolbox.jobs.speech_conversion import ConversionRequest, Converted, convert_speech, read_speech, save_conversion
from toolbox.jobs.text_files import FileRequest, WrittenFile, speak_file

__all__ = [
    "AnalysedClip",
    "AudioChunk",
    "ConversionRequest",
    "Converted",
    "Enrolment",
    "FileRequest",
    "Models",
    "Source",
    "SpeechRequest",
    "WrittenFile",
    "adapt",
    "analyse_clip",
    "convert_checkpoints",
    "convert_speech",
    "embed",
    "enrol",
    "export",
    "interrupted_result",
    "load_lexicon",
    "load_models",
    "read_speech",
    "save_conversion",
    "speak",
    "speak_file",
    "synthesize",
    "trim_silences",
    "vocode",
]
