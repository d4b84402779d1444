"""Files: preferences, voices with their references, results, model headers and datasets. Imports no Qt."""
