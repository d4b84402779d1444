"""The training floor: one `fit()` for every stage, model files, resumable run directories, schedules.

Nothing is imported here, so that reading a model file does not load what only training needs:

    from modelfile.checkpoint import load_model_file, save_model
    from training.loop import FitConfig, fit
    from training.schedule import warmup_cosine
"""
