"""Griffin-Lim: a waveform from a mel without a trained model (Griffin and Lim 1984; fast variant Perraudin 2013)."""
