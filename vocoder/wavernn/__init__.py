"""WaveRNN: a recurrent network that speaks one sample at a time (Kalchbrenner et al. 2018)."""
