"""Evaluation: which pictures, reduced how, enlarged by what, and what the means say."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from texup.calls.routes import Routes
from texup.degradations import GAME
from texup.engines.devices.device import Device
from texup.engines.engine import drive
from texup.engines.inline import answer_requests
from texup.errors import TextureError, UnsupportedTexture, UsageError, WeightsError
from texup.evaluation import Case, Row, Scores, Skipped, evaluate, methods, summarise
from texup.evaluation.pictures import PicturePair, find_pairs, samples
from texup.evaluation.scores import score
from texup.metrics import psnr_y
from texup.models.chain import choose_chain
from texup.models.loading import build_model
from texup.models.weights import save_weights
from texup.pictures.sheets import encode_png
from texup.policy.classify import Policy
from texup.textures.texture import Container, Texture
from texup.upscaling.pixels import upscale_texture
from texup.upscaling.run import Settings

CPU = torch.device("cpu")
ENDS = ("clamp", "clamp")


@pytest.fixture
def write(tmp_path):
    """Writes pixels as a PNG below the test's folder."""

    def put(path, pixels):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_png(np.ascontiguousarray(pixels)))
        return target

    return put


@pytest.fixture
def photo():
    """Draws a picture (H, W, 3) that does not tile."""

    def draw(height=48, width=64, *, seed=0):
        rng = np.random.default_rng(seed)
        coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, height // 8 + 2, width // 8 + 2)))
        smooth = F.interpolate(coarse, (height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
        ramp = np.linspace(0, 90, height)[:, None, None] + np.linspace(0, 90, width)[None, :, None]
        return np.clip(smooth / 2 + ramp, 0, 255).astype(np.uint8)

    return draw


def matlab_like(hr, scale=4):
    x = torch.from_numpy(hr).permute(2, 0, 1)[None].float() / 255
    y = F.interpolate(x, (hr.shape[0] // scale, hr.shape[1] // scale), mode="bicubic", antialias=True)
    return np.rint(y.clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)


def names(pairs):
    return [(pair.name, pair.hr.name, pair.lr and pair.lr.name) for pair in pairs]


def test_pairs_of_a_benchmark_belong_together_by_name(write, photo, tmp_path):
    for name in ("b.png", "a.png", "deep/c.png"):
        write(f"Set/HR/{name}", photo())
        write(f"Set/LR_x4/{name.replace('b.', 'bx4.')}", photo(12, 16))
    (tmp_path / "Set/HR/readme.txt").write_text("no picture")
    found = find_pairs([tmp_path / "Set"], "files", 4)
    triples = [("a.png", "a.png", "a.png"), ("b.png", "b.png", "bx4.png"), ("deep/c.png", "c.png", "c.png")]
    assert names(found) == triples
    assert found == find_pairs([tmp_path / "Set/HR", tmp_path / "Set/LR_x4"], "files", 4)
    assert names(find_pairs([tmp_path / "Set"], "bicubic", 4)) == [(n, hr, None) for n, hr, _ in triples]
    assert names(find_pairs([tmp_path / "Set"] * 2, "game", 4))[0] == ("Set/a.png", "a.png", None)


def test_a_benchmark_that_lacks_something_is_refused(write, photo, tmp_path):
    hr = write("Set/HR/a.png", photo())
    with pytest.raises(UsageError, match="needs the folders HR and LR_x4"):
        find_pairs([tmp_path / "Set"], "files", 4)
    write("Set/LR_x4/other.png", photo(12, 16))
    with pytest.raises(UsageError, match=r"a\.png: no picture of this name in"):
        find_pairs([tmp_path / "Set"], "files", 4)
    (tmp_path / "Set/HR/link.png").symlink_to(hr)
    with pytest.raises(UsageError, match=r"link\.png: a link"):
        find_pairs([tmp_path / "Set"], "bicubic", 4)
    for folder, reason in ((tmp_path / "gone", "no such folder"), (tmp_path / "empty", "no picture in it")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=reason):
            find_pairs([folder], "bicubic", 4)


def test_the_protocol_bicubic_is_the_antialiased_kernel_rounded(write, photo):
    picture = photo(50, 67)
    (sample,) = samples(PicturePair("p", write("p.png", picture), None), "bicubic", 4, None)
    assert np.array_equal(sample.hr, picture[:48, :64])
    assert np.array_equal(sample.lr, matlab_like(picture[:48, :64]))
    assert sample.clean is sample.lr
    assert (sample.degradation, sample.kernel, sample.edges) == ("bicubic", "bicubic", ENDS)


def test_a_picture_that_tiles_is_reduced_as_a_torus(write, wall):
    picture = wall(48, 64)
    (sample,) = samples(PicturePair("p", write("p.png", picture), None), "bicubic", 4, None)
    assert sample.edges == ("wrap", "wrap")
    around = matlab_like(np.tile(picture, (3, 3, 1)))[12:24, 16:32]
    assert np.array_equal(sample.lr, around)
    assert not np.array_equal(sample.lr, matlab_like(picture))
    (cut,) = samples(PicturePair("p", write("cut.png", wall(48, 80)), None), "bicubic", 4, 64)
    assert cut.edges == ("wrap", "clamp")  # only the columns were cropped


def test_the_protocol_game_reduces_by_means_and_stores_as_games_did(write, photo):
    picture = photo()
    found = list(samples(PicturePair("p", write("p.png", picture), None), "game", 4, None))
    clean = np.floor(picture.reshape(12, 4, 16, 4, 3).mean(axis=(1, 3)) + 0.5)
    assert [sample.degradation for sample in found] == list(GAME)
    for sample in found:
        assert np.abs(sample.clean - clean).max() <= 1  # halves may round either way
        x = torch.from_numpy(sample.clean).permute(2, 0, 1)[None].float() / 255
        degraded = GAME[sample.degradation](x)[0].permute(1, 2, 0).numpy() * 255
        assert sample.lr == pytest.approx(degraded, abs=0.01)
        assert sample.kernel == "box"
    assert len({sample.lr.tobytes() for sample in found}) == len(GAME)
    assert {len(np.unique(s.lr.reshape(-1, 3), axis=0)) for s in found if s.degradation == "ci4"} <= set(range(1, 17))


def test_grey_stays_grey_unless_games_coloured_it(write, photo):
    grey = photo()[..., :1]
    path = write("p.png", grey)
    (sample,) = samples(PicturePair("p", path, None), "bicubic", 4, None)
    assert sample.hr.shape == (48, 64, 1)
    assert {s.hr.shape for s in samples(PicturePair("p", path, None), "game", 4, None)} == {(48, 64, 3)}
    low = write("low.png", photo(12, 16))
    (sample,) = samples(PicturePair("p", path, low), "files", 4, None)
    assert (sample.hr.shape, sample.lr.shape) == ((48, 64, 3), (12, 16, 3))


def test_deep_pictures_are_taken_as_8_bits(write, photo):
    deep = np.clip(photo().astype(int) * 257 + 100, 0, 65535).astype(np.uint16)  # 128 would be the next level
    (sample,) = samples(PicturePair("p", write("p.png", deep), None), "bicubic", 4, None)
    assert np.array_equal(sample.hr, photo())


def test_hidden_colour_does_not_count(write, photo, disc):
    colour, alpha = photo(64, 64), np.round(disc(64, 64, radius=20) * 255).astype(np.uint8)[..., None]
    spoilt = np.where(alpha == 0, np.random.default_rng(0).integers(0, 256, colour.shape), colour).astype(np.uint8)
    found = [
        next(
            samples(PicturePair("p", write(f"{k}.png", np.concatenate((rgb, alpha), axis=2)), None), "bicubic", 4, None)
        )
        for k, rgb in enumerate((colour, spoilt))
    ]
    assert np.array_equal(found[0].hr, found[1].hr)
    visible = alpha[..., 0] > 0
    assert np.array_equal(found[0].hr[visible], colour[visible])


def test_a_crop_takes_the_same_place_in_both_files(write, photo):
    picture = photo(96, 120)
    pair = PicturePair("p", write("hr.png", picture), write("lr.png", picture[::4, ::4]))
    (sample,) = samples(pair, "files", 4, 50)
    assert sample.hr.shape == (48, 48, 3)
    assert np.array_equal(sample.hr[::4, ::4], sample.lr)
    assert np.array_equal(sample.hr, picture[24:72, 36:84])


def test_files_that_do_not_fit_are_refused(write, photo):
    hr, lr = write("hr.png", photo(48, 64)), write("lr.png", photo(12, 15))
    with pytest.raises(UsageError, match=r"lr\.png: 15x12 pixels, but the scale of 4 from .*hr\.png needs 16x12"):
        next(samples(PicturePair("p", hr, lr), "files", 4, None))
    with pytest.raises(UnsupportedTexture, match="both sides need 32 pixels"):
        next(samples(PicturePair("p", write("small.png", photo(31, 64)), None), "bicubic", 4, None))
    with pytest.raises(UnsupportedTexture, match="both sides need 80 pixels"):
        next(samples(PicturePair("p", write("small.png", photo(64, 96)), None), "bicubic", 16, None))
    for scale, side in ((4, 32), (16, 80)):
        (least,) = samples(PicturePair("p", write("least.png", photo(side, 96)), None), "bicubic", scale, None)
        assert least.hr.shape[0] == side
    hr.write_bytes(hr.read_bytes()[:-40])
    with pytest.raises(TextureError):
        next(samples(PicturePair("p", hr, None), "bicubic", 4, None))


def test_bicubic_is_the_one_of_the_papers_and_wraps_where_the_texture_does(wall):
    lr = wall(12, 16)
    x = torch.from_numpy(lr).permute(2, 0, 1)[None].float()
    large = F.interpolate(x, scale_factor=4.0, mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    ours = methods.bicubic(4)(lr, ENDS)
    assert np.abs(ours - np.clip(large, 0, 255))[8:-8, 8:-8].max() <= 0.51
    wrapped = methods.bicubic(4)(lr, ("wrap", "wrap"))
    assert np.array_equal(wrapped, methods.bicubic(4)(np.tile(lr, (3, 3, 1)), ENDS)[48:96, 64:128])
    assert not np.array_equal(wrapped, ours)


def test_lanczos_keeps_plain_colour_and_wraps(wall):
    plain = np.full((9, 7, 3), (10, 200, 90), np.uint8)
    assert np.array_equal(methods.lanczos(3)(plain, ENDS), np.full((27, 21, 3), (10, 200, 90), np.uint8))
    lr = wall(12, 16)
    wrapped = methods.lanczos(4)(lr, ("wrap", "wrap"))
    assert np.array_equal(wrapped, methods.lanczos(4)(np.tile(lr, (3, 3, 1)), ENDS)[48:96, 64:128])


def test_a_net_that_repeats_pixels_gives_them_back(nearest_model, photo):
    for shape in ((13, 17), (300, 260)):  # odd sides; more than one piece
        lr = photo(*shape)
        enlarged = methods.through_net(nearest_model(4), (8, 4), CPU)(lr, ENDS)
        assert np.array_equal(enlarged, lr.repeat(4, 0).repeat(4, 1))
        grey = methods.through_net(nearest_model(2), (8, 4), CPU)(lr[..., :1], ENDS)
        assert np.array_equal(grey, lr[..., :1].repeat(2, 0).repeat(2, 1))


def test_a_net_gets_sides_that_it_can_divide(nearest_model, photo):
    class Unshuffled(nn.Module):
        def forward(self, x):
            return F.interpolate(F.pixel_unshuffle(x, 4)[:, ::16], scale_factor=16.0)

    model, lr = replace(nearest_model(4), net=Unshuffled(), multiple_of=4), photo(13, 18)
    kept = lr[::4, ::4].repeat(16, 0).repeat(16, 1)[:52, :72]
    for edges in (ENDS, ("wrap", "clamp")):
        assert np.array_equal(methods.through_net(model, (8, 4), CPU)(lr, edges), kept)


@pytest.mark.parametrize(("architecture", "around"), [("RRDBNet", (24, 30 + 8)), ("DAT", (24 + 16, 32 + 16))])
def test_a_net_sees_a_small_picture_bare_and_others_as_in_a_run(nearest_model, photo, architecture, around):
    seen = []

    class Watched(nn.Module):
        def forward(self, x):
            seen.append(tuple(x.shape[2:]))
            return x.repeat_interleave(4, -1).repeat_interleave(4, -2)

    model = replace(nearest_model(4), net=Watched(), architecture=architecture)
    enlarge = methods.through_net(model, (8, 4), CPU)
    enlarge(photo(23, 30), ENDS)
    enlarge(photo(24, 30), ("wrap", "clamp"))
    assert seen == [(23, 30), around]
    seen.clear()
    enlarge(photo(300, 240), ENDS)
    assert len(seen) > 1
    assert set(seen) == {(152 + 16, 120 + 16)}


def test_a_net_sees_the_other_side_of_a_texture_that_tiles(near_identity, wall):
    lr = wall(24, 32)
    enlarge = methods.through_net(build_model(near_identity(0), "tiny", ""), (16, 8), CPU)
    straight, moved = enlarge(lr, ("wrap", "wrap")), enlarge(np.roll(lr, (5, 9), (0, 1)), ("wrap", "wrap"))
    assert np.abs(np.roll(straight, (20, 36), (0, 1)).astype(int) - moved).max() <= 1
    assert np.abs(straight.astype(int) - enlarge(lr, ENDS)).max() > 1


@pytest.mark.parametrize(
    ("size", "edges"), [((24, 32), ("wrap", "wrap")), ((23, 30), ("clamp", "wrap")), ((23, 30), ENDS)]
)
def test_what_is_not_seen_bare_is_what_a_run_makes(near_identity, wall, tmp_path, monkeypatch, size, edges):
    save_weights(tmp_path / "tiny.safetensors", near_identity(0, noise=0.03), {})
    link = choose_chain([str(tmp_path / "tiny.safetensors")], None)[0]
    model, lr = link.load(), wall(*size)
    route = Routes(None).through([link], Settings(4, 0, color_fix=False))
    task = upscale_texture(Texture(lr, Container("png")), Policy("none", edges), route.passes, route.settings)
    run = drive(task, lambda requests: answer_requests(requests, Device([model], CPU, "fp32")))
    monkeypatch.setattr(methods, "WHOLE", 1)
    assert np.array_equal(methods.through_net(model, (link.context, link.border), CPU)(lr, edges), run.pixels)


def test_a_large_picture_in_tiles_is_as_in_one_piece(tiny_model, photo, monkeypatch):
    lr = photo(180, 200)
    whole = methods.through_net(tiny_model, (16, 8), CPU)(lr, ENDS)
    monkeypatch.setattr(methods, "WHOLE", 1)
    tiled = methods.through_net(tiny_model, (16, 8), CPU)(lr, ENDS)
    assert np.abs(whole.astype(int) - tiled)[32:-32, 32:-32].max() <= 1  # the borders have context only in tiles


def test_a_net_without_a_finite_result_is_refused(nearest_model, photo):
    class Broken(nn.Module):
        def forward(self, x):
            return x.repeat_interleave(4, -1).repeat_interleave(4, -2) / 0

    model = replace(nearest_model(4), net=Broken(), name="broken")
    with pytest.raises(WeightsError, match="broken: its result is not finite"):
        methods.through_net(model, (8, 4), CPU)(photo(16, 16), ENDS)


def test_scores_are_those_of_the_metrics(write, wall):
    (sample,) = samples(PicturePair("p", write("p.png", wall(64, 96)), None), "bicubic", 4, None)
    sr = methods.bicubic(4)(sample.lr, sample.edges)
    found = score(sr, sample, 4)
    assert found.psnr_y == psnr_y(sr, sample.hr, 4)
    assert found.seam > 0
    assert isnan(score(sr, replace(sample, edges=ENDS), 4).seam)
    perfect = score(sample.hr, sample, 4)
    assert (perfect.psnr_y, perfect.gmsd, perfect.lsd, perfect.hf_ratio) == (inf, 0, 0, 1)
    assert perfect.ssim_y == pytest.approx(1)


def test_lr_psnr_reduces_as_the_protocol_did(write, photo):
    for sample in samples(PicturePair("p", write("p.png", photo()), None), "game", 4, None):
        assert score(sample.hr, sample, 4).lr_psnr > 60  # halves may round either way


def row(image, method, psnr, seam=nan):
    return Row(image, "bicubic", method, Scores(psnr_y=psnr, seam=seam))


def test_means_count_what_every_method_has():
    rows = [
        *(row("a", "bicubic", 20), row("a", "net", 23), row("a", "HR", nan)),
        *(row("b", "bicubic", 30, 1.0), row("b", "net", 29.5, 3.0), row("b", "HR", nan, 1.1)),
        *(row("flat", "bicubic", inf), row("flat", "net", 48, 9.0), row("flat", "HR", nan)),
        *(row("exact", "bicubic", 50), row("exact", "net", inf), row("exact", "HR", nan)),
    ]
    bicubic, net, hr = summarise(rows)
    assert [mean.method for mean in (bicubic, net, hr)] == ["bicubic", "net", "HR"]
    assert (bicubic.scores.psnr_y, net.scores.psnr_y, net.gain) == (25, 26.25, 1.25)
    assert (net.worst, net.worst_image, net.images) == (-0.5, "b", 2)
    assert (bicubic.gain, bicubic.worst) == (0, 0)
    assert (bicubic.scores.seam, net.scores.seam, hr.scores.seam) == (1.0, 3.0, 1.1)
    assert isnan(hr.scores.psnr_y)
    assert isnan(hr.worst)
    assert isnan(net.scores.ssim_y)


def test_each_degradation_has_means_of_its_own():
    rows = [replace(row("a", "bicubic", 20 + k), degradation=f"d{k}") for k in range(3)]
    assert [(mean.degradation, mean.scores.psnr_y) for mean in summarise(rows)] == [("d0", 20), ("d1", 21), ("d2", 22)]


@pytest.fixture
def nets(tmp_path, near_identity):
    """Two files of weights of one name in two folders."""
    paths = [tmp_path / "nets" / str(k) / "net.safetensors" for k in range(2)]
    for k, path in enumerate(paths):
        save_weights(path, near_identity(k), {})
    return [str(path) for path in paths]


def test_the_job_yields_every_picture_through_every_method(write, photo, nets, tmp_path):
    for name in ("b.png", "a.png"):
        write(f"pack/{name}", photo(seed=ord(name[0])))
    write("pack/c.png", photo(16, 16))
    (tmp_path / "pack/d.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    first, second, small, broken = evaluate(nets[:1], [tmp_path / "pack"], device=CPU)
    for case, name in ((first, "a.png"), (second, "b.png")):
        assert isinstance(case, Case)
        assert (case.image, case.degradation, case.total) == (name, "bicubic", 4)
        assert [each.method for each in case.rows] == ["bicubic", "lanczos", "net", "HR"]
        assert list(case.pictures) == ["LR", "bicubic", "lanczos", "net", "HR"]
        assert case.pictures["net"].shape == case.pictures["HR"].shape == (48, 64, 3)
        for each in case.rows[:-1]:
            assert each.scores.psnr_y == psnr_y(case.pictures[each.method], case.pictures["HR"], 4)
        assert isnan(case.rows[-1].scores.psnr_y)
        assert case.rows[-1].scores.lr_psnr > 50
    assert small == Skipped("c.png", "too small; both sides need 32 pixels", 3, 4, is_damaged=False)
    assert isinstance(broken, Skipped)
    assert broken.is_damaged
    assert not broken.reason.startswith("d.png")


@pytest.mark.thorough
def test_the_job_gives_the_same_twice_and_each_degradation_of_a_game(write, photo, nets, tmp_path):
    write("pack/a.png", photo())
    runs = [list(evaluate(nets[:1], [tmp_path / "pack"], "game", crop=32, device=CPU)) for _ in range(2)]
    assert [case.degradation for case in runs[0]] == list(GAME)
    assert [case.rows for case in runs[0]] == [case.rows for case in runs[1]]


def test_models_of_one_name_are_told_apart(write, photo, nets, tmp_path):
    write("pack/a.png", photo())
    (case,) = evaluate(nets, [tmp_path / "pack"], device=CPU)
    assert [each.method for each in case.rows] == ["bicubic", "lanczos", *nets, "HR"]
    with pytest.raises(UsageError, match="named twice"):
        next(evaluate([nets[0], nets[0]], [tmp_path / "pack"], device=CPU))


def test_wrong_use_is_refused(write, photo, nets, tmp_path):
    write("pack/a.png", photo())
    with pytest.raises(UsageError, match="no protocol best"):
        next(evaluate([], [tmp_path / "pack"], "best", device=CPU))
    with pytest.raises(UsageError, match="--crop 31 leaves too little; use at least 32"):
        next(evaluate([], [tmp_path / "pack"], crop=31, device=CPU))
    assert isinstance(next(evaluate([], [tmp_path / "pack"], crop=32, device=CPU)), Case)
    with pytest.raises(UsageError, match="no model nobody"):
        next(evaluate(["nobody"], [tmp_path / "pack"], device=CPU))


def test_models_of_two_scales_are_not_compared(write, photo, nets, tmp_path, monkeypatch, nearest_model):
    write("pack/a.png", photo())
    models = iter([nearest_model(2), nearest_model(4)])
    monkeypatch.setattr("texup.models.loading.load_model", lambda *_, **__: next(models))
    with pytest.raises(UsageError, match=r"models of one scale can be compared; these are net x2, net x4"):
        next(evaluate(nets, [tmp_path / "pack"], device=CPU))
