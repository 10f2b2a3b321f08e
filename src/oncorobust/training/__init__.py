"""Fine-tuning and adversarial training: recipes, one compiled step, one loop, and the state that survives a kill."""
