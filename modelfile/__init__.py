"""Model files: one safetensors file with weights and a header that says what they are; int8 storage; atomic writing."""
