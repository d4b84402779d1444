"""Pronunciation of the endings -s and -ed."""

_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})


def plural_phonemes(base: tuple[str, ...]) -> tuple[str, ...]:
    """Phonemes of the suffix -s after a word, as in "cats", "dogs" or "horses"."""
    if base[-1] in _SIBILANTS:
        return ("IH0", "Z")
    return ("S",) if base[-1] in _VOICELESS else ("Z",)


def past_phonemes(base: tuple[str, ...]) -> tuple[str, ...]:
    """Phonemes of the suffix -ed after a word, as in "walked", "played" or "wanted"."""
    if base[-1] in ("T", "D"):
        return ("IH0", "D")
    return ("T",) if base[-1] in _VOICELESS | {"S", "SH", "CH"} else ("D",)
