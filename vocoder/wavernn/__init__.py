"""WaveRNN: a recurrent network that generates one sample at a time (Kalchbrenner et al. 2018)."""
