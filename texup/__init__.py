"""texup upscales game texture packs with ESRGAN-family networks."""

__version__ = "0.3.0"
