"""Widgets that panels are made of, and their style. They may import all of Qt, but no other package of the toolbox."""
