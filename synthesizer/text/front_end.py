"""The whole way from written text to transcripts that the synthesizer can encode."""

import logging

from speech.errors import TextError
from synthesizer.text.cleaners import clean
from synthesizer.text.lexicon import Lexicon
from synthesizer.text.pronunciation import transcribe
from synthesizer.text.sentences import MAX_CHARACTERS, split_sentences
from synthesizer.text.transcript import Transcript

logger = logging.getLogger(__name__)


def text_to_transcript(text: str, lexicon: Lexicon | None = None) -> Transcript:
    """Cleans a text and looks its words up.

    Args:
        text: any Unicode text; ``{HH AH0 L OW1}`` is read as phonemes.
        lexicon: pronunciations that come before all others, see `synthesizer.text.lexicon.read_lexicon`.

    Raises:
        TextError: the text has nothing that can be spoken, or inline phonemes that do not exist.
    """
    if lexicon is None:
        return transcribe(clean(text))
    return transcribe(lexicon.apply(clean(lexicon.apply(text)), written=text))


def text_to_transcripts(
    text: str, lexicon: Lexicon | None = None, max_characters: int = MAX_CHARACTERS
) -> list[tuple[str, Transcript]]:
    """Splits a text into sentences and prepares each one.

    Args:
        text: any Unicode text of any length.
        lexicon: as for `text_to_transcript`.
        max_characters: as for `synthesizer.text.sentences.split_sentences`.

    Returns:
        Sentences as they were written, with their transcripts; at least one. Pieces that hold nothing to speak (a row
        of signs that no rule knows) are left out with a warning.

    Raises:
        TextError: nothing at all can be spoken, or inline phonemes do not exist.
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
            logger.warning("Left out: %s", error)
    if not prepared:
        raise unspeakable or TextError("The text is empty; write at least one word or number.")
    return prepared
