"""What the worker runs: functions that take a `JobContext` first and know nothing of a window.

    worker.submit("Speaking", lambda context: jobs.speak(context, models, files, jobs.Order(text, voice)))

Progress always counts the whole job: `done` of `total`, while the stage says in words what is being done. The models
belong to the worker's thread. What each job does is in `loaded_models`, `listening`, `speaking` and `text_files`.
"""

from toolbox.jobs.listening import Enrolled, Heard, Source, embed, enrol, hear, read_source, similarity
from toolbox.jobs.loaded_models import Models, load_models
from toolbox.jobs.speaking import Order, Sound, export, read_lines, speak, synthesize, trim_silences, vocode
from toolbox.jobs.text_files import FileOrder, Spoken, speak_file

__all__ = [
    "Enrolled",
    "FileOrder",
    "Heard",
    "Models",
    "Order",
    "Sound",
    "Source",
    "Spoken",
    "embed",
    "enrol",
    "export",
    "hear",
    "load_models",
    "read_lines",
    "read_source",
    "similarity",
    "speak",
    "speak_file",
    "synthesize",
    "trim_silences",
    "vocode",
]
