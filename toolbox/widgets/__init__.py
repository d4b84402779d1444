"""Widgets that panels are made of, and their style. Imports any of Qt, and nothing else of the toolbox."""
