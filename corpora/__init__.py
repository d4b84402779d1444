"""Corpora of recordings on disk, and feature stores: the arrays that training reads, prepared from a corpus."""
