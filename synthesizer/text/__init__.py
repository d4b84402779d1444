"""Text front end: normalization, sentence splitting, pronunciation and symbol ids."""
