"""The synthesizer's input alphabet: characters, then ARPABET phonemes. Pure Python.

The first 66 symbols and their ids are those of public SV2TTS synthesizer checkpoints (*compat*); the upper-case letters
among them are never produced by the cleaner but keep the ids in place. Phonemes follow as ``@AA0``, ``@AA1``, ...:
every vowel with its lexical stress (0 none, 1 primary, 2 secondary), every consonant once.
"""

PAD = "_"
EOS = "~"
PHONEME_MARK = "@"

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PUNCTUATION = "!'\"(),-.:;?"
CHARACTERS: tuple[str, ...] = (PAD, EOS, *_LETTERS, *PUNCTUATION, " ")

VOWELS: tuple[str, ...] = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS: tuple[str, ...] = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N"),
    *("NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
STRESSES: tuple[str, ...] = ("0", "1", "2")

# Alphabetical, so that the list can be checked at a glance against CMUdict's own.
PHONEMES: tuple[str, ...] = tuple(sorted([v + s for v in VOWELS for s in STRESSES] + list(CONSONANTS)))

SYMBOLS: tuple[str, ...] = CHARACTERS + tuple(PHONEME_MARK + phoneme for phoneme in PHONEMES)
symbol_ids: dict[str, int] = {symbol: index for index, symbol in enumerate(SYMBOLS)}

PAD_ID = symbol_ids[PAD]
EOS_ID = symbol_ids[EOS]

# What `clean` may write outside of inline `{phonemes}`.
CLEAN_CHARACTERS: frozenset[str] = frozenset("abcdefghijklmnopqrstuvwxyz" + PUNCTUATION + " ")
