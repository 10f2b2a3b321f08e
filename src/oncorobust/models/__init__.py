"""Build, read, save and check classifiers that give logits."""
