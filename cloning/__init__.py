"""The chain of the three stages: enrol a voice from clips, speak a text with it, save the voice.

    from cloning import SpeechOptions, VoiceCloner

    cloner = VoiceCloner.load()
    voice = cloner.enroll("me.wav", name="me")
    cloner.speak("Any sentence you like.", voice, SpeechOptions(seed=1)).save("result.wav", overwrite=True)
    cloner.convert("sentence.wav", voice).save("converted.wav")  # with a model for speech to speech

All names load on first use, so that voices can be listed and read without PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloning.cloner import VoiceCloner
    from cloning.conversion import ConversionStream
    from cloning.models import DEFAULT_MODELS, ModelFiles, resolve_device
    from cloning.monitor import Monitor
    from cloning.options import SpeechOptions
    from cloning.provenance import Provenance, read_provenance
    from cloning.result import Conversion, Speech
    from cloning.speech_model import EndToEnd, SpeechModel, TwoStage
    from cloning.streaming import SpeechStream
    from cloning.voices import Voice, VoiceLibrary, check_voice_name, default_library

__all__ = [
    "DEFAULT_MODELS",
    "Conversion",
    "ConversionStream",
    "EndToEnd",
    "ModelFiles",
    "Monitor",
    "Provenance",
    "Speech",
    "SpeechModel",
    "SpeechOptions",
    "SpeechStream",
    "TwoStage",
    "Voice",
    "VoiceCloner",
    "VoiceLibrary",
    "check_voice_name",
    "default_library",
    "read_provenance",
    "resolve_device",
]

_HOMES = {
    "cloning.cloner": ("VoiceCloner",),
    "cloning.models": ("DEFAULT_MODELS", "ModelFiles", "resolve_device"),
    "cloning.options": ("SpeechOptions",),
    "cloning.provenance": ("Provenance", "read_provenance"),
    "cloning.conversion": ("ConversionStream",),
    "cloning.result": ("Conversion", "Speech"),
    "cloning.monitor": ("Monitor",),
    "cloning.speech_model": ("EndToEnd", "SpeechModel", "TwoStage"),
    "cloning.streaming": ("SpeechStream",),
    "cloning.voices": ("Voice", "VoiceLibrary", "check_voice_name", "default_library"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'cloning' has no attribute {name!r}")
