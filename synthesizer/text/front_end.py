"""Text front end: written text to transcripts that the synthesizer can encode."""

import logging

from speech.errors import TextError
from synthesizer.text.cleaners import normalize
from synthesizer.text.lexicon import Lexicon
from synthesizer.text.pronunciation import transcribe
from synthesizer.text.sentences import MAX_CHARACTERS, split_sentences
from synthesizer.text.transcript import Transcript

logger = logging.getLogger(__name__)


def text_to_transcript(text: str, lexicon: Lexicon | None = None) -> Transcript:
    """Normalize a text and look up the pronunciation of its words.

    Args:
        text: any Unicode text; ``{HH AH0 L OW1}`` is read as phonemes.
        lexicon: pronunciations that take precedence, see `synthesizer.text.lexicon.read_lexicon`.

    Raises:
        TextError: nothing in the text can be spoken, or an inline phoneme is unknown.
    """
    if lexicon is None:
        return transcribe(normalize(text))
    return transcribe(lexicon.apply(normalize(lexicon.apply(text)), written=text))


def text_to_transcripts(
    text: str, lexicon: Lexicon | None = None, max_characters: int = MAX_CHARACTERS
) -> list[tuple[str, Transcript]]:
    """Split a text into sentences and transcribe each one.

    Args:
        text: any Unicode text of any length.
        lexicon: as for `text_to_transcript`.
        max_characters: as for `synthesizer.text.sentences.split_sentences`.

    Returns:
        (sentence as written, transcript) pairs, at least one. Sentences with nothing to speak are left out with a
        warning.

    Raises:
        TextError: nothing in the whole text can be spoken, or an inline phoneme is unknown.
    """
    prepared: list[tuple[str, Transcript]] = []
    unspeakable: TextError | None = None
    for sentence in split_sentences(text, max_characters):
        try:
            prepared.append((sentence, text_to_transcript(sentence, lexicon)))
        except TextError as error:
            if "{" in sentence:
                raise
            unspeakable = error
            logger.warning("Sentence left out: %s", error)
    if not prepared:
        raise unspeakable or TextError("The text is empty; write at least one word or number.")
    return prepared
