"""What the toolbox keeps on disk: settings, voices with their references, results; datasets it reads. No Qt."""
