"""The displays: what draws the results of inspection and model selection."""
