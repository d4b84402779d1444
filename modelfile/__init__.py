"""Model files: one safetensors file with weights and a header that describes them; int8 storage; atomic writing."""
