"""Input symbols of the synthesizer: characters, then ARPABET phonemes.

The first 66 symbols and their ids are those of public SV2TTS synthesizer checkpoints. `clean` never produces their
upper-case letters, which only keep the ids compatible. Phonemes follow as ``@AA0``, ``@AA1``, ...: each vowel with its
lexical stress (0 none, 1 primary, 2 secondary), each consonant once.
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

# In alphabetical order, as in CMUdict's own list
PHONEMES: tuple[str, ...] = tuple(sorted([v + s for v in VOWELS for s in STRESSES] + list(CONSONANTS)))

SYMBOLS: tuple[str, ...] = CHARACTERS + tuple(PHONEME_MARK + phoneme for phoneme in PHONEMES)
symbol_ids: dict[str, int] = {symbol: index for index, symbol in enumerate(SYMBOLS)}

PAD_ID = symbol_ids[PAD]
EOS_ID = symbol_ids[EOS]

# Characters that `clean` produces outside inline phonemes
CLEAN_CHARACTERS: frozenset[str] = frozenset("abcdefghijklmnopqrstuvwxyz" + PUNCTUATION + " ")
