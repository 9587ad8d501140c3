"""A quality gate for machine perceptual quality.

What lossy compression does to models that see and hear, as pytest cases with stored baselines.
Parts: `codecs`, `datasets`, `models`, `metrics`, `tasks` and `profiles`; the pytest plugin is
`mpq_checks.plugin`, the command line `mpq_checks.cli`.
"""
