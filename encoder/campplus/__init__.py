"""CAM++: a densely connected TDNN with context-aware masking (Wang et al., arXiv 2303.00332)."""
