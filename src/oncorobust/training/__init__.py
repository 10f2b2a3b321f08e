"""Fine-tuning and adversarial training: recipes, one compiled step, one loop, and resuming after a kill."""
