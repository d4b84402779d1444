"""Refiner: turns the mean-like mel of a Tacotron 2 into a sharp one in a given voice, by conditional flow matching."""
