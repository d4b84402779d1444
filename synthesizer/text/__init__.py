"""From what a person writes to the ids that the synthesizer reads: clean, split, pronounce, encode."""
