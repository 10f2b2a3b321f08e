"""The attack engine: one compiled l_inf loop, attacks made of it, and the smallest epsilon that flips each image."""
