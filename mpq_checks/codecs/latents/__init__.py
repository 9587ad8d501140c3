"""Entropy coding of the latents of learned image codecs, shared by MBT2018 and HiFiC.

| module | what it does |
|---|---|
| `exact` | networks whose results are the same on every machine, for batches of any size |
| `tables` | the range coder's tables, from compressai's entropy models |
| `range_coder` | compressai's range coder, kept within its limits |
| `wavefront` | in which order latents are coded, so that many can be coded at once |
| `coder` | hyper-latents and latents to one stream and back |
| `images` | images to streams and back, given a network's transforms |

Importing these modules imports torch, so codecs import them when they first code.
"""
