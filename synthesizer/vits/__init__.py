"""VITS: text and a speaker embedding to audio in one network (Kim et al. 2021, arXiv 2106.06103)."""
