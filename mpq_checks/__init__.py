"""A quality gate for machine perceptual quality."""
