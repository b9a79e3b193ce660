"""texup.cli.usage: wrong use is one line in the style of all errors, with the nearest right word."""

from __future__ import annotations

import pytest

WRONG = {
    "upscal": "no command upscal; did you mean 'upscale'? (texup --help)",
    "models lst": "no command lst; did you mean 'list'? (texup models --help)",
    "models zzz": "no command zzz; use one of add, bench, convert, list, show (texup models --help)",
    "upscale x --scal 2": "no option --scal; did you mean --scale? (texup upscale --help)",
    "upscale x --colour-fix": "no option --colour-fix; did you mean --color-fix? (texup upscale --help)",
    "upscale x --zzzzzz": "no option --zzzzzz (texup upscale --help)",
    "upscale x --alpha binar": "--alpha: 'binar' is unknown; did you mean 'binary'? (texup upscale --help)",
    "upscale x --dds png": "--dds: 'png' is unknown; use one of auto, bc1, bc3, bc7 (texup upscale --help)",
    "upscale x --scale big": "--scale: 'big' is not a valid integer (texup upscale --help)",
    "upscale x --scale": "option '--scale' requires an argument",
    "upscale x --jobs 0": "--jobs: 0 is not in the range 1<=x<=64 (texup upscale --help)",
    "upscale": "INPUT is missing (texup upscale --help)",
    "evaluate texup-x4-psnr": "--on is missing (texup evaluate --help)",
    "verify a b": "got unexpected extra argument (b) (texup verify --help)",
    "train x --data .": "say how long: either --seconds or --iterations (texup train --help)",
    "--zz": "no option --zz (texup --help)",
}


@pytest.mark.parametrize(("words", "told"), WRONG.items())
def test_wrong_use_is_one_line_with_the_nearest_right_word(texup, words, told):
    result = texup(*words.split())
    assert (result.code, result.out, result.err) == (2, "", f"texup: error: {told}\n")


def test_without_words_texup_shows_its_help(texup):
    result = texup()
    assert result.code == 2
    assert result.err.startswith("Usage: ")
    assert "\n  upscale " in result.err
