"""Training infrastructure of all stages: one training loop, resumable run directories, schedules, shared flags.

Nothing is imported here. Import from the modules:

    from training.config import FitConfig, Task
    from training.loop import fit
"""
