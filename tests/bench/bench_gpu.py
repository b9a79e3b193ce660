"""Everything that waits for a card, measured and printed in about twenty minutes.

Run: ``python tests/bench/bench_gpu.py [--device cuda] [--pack DIR] [--data DIR] [--only PART ...] | tee gpu.txt``.
``--pack`` are textures of a game, ``--data`` pictures to train on. Each part stands alone: one that fails says why, and
the next goes on. With ``--device cpu --quick`` it shows within minutes that it works, a stand-in of threads in place of
the card; its numbers mean nothing then.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from bench_pack import peer, seconds, texup  # noqa: E402
from PIL import Image  # noqa: E402

from tests.cards import with_queues  # noqa: E402
from texup.engines.devices.accelerators import accelerators, memory_of  # noqa: E402
from texup.engines.devices.device import Device, bytes_per_pixel, pick_device  # noqa: E402
from texup.engines.devices.transfers import Straight  # noqa: E402
from texup.models.catalog import load_catalog  # noqa: E402
from texup.models.chain import choose_chain  # noqa: E402
from texup.models.model import UpscaleModel  # noqa: E402

SIDE = 64
PACKS = (ROOT.parent / "shared" / "data" / "packs" / "freedoom", ROOT / "tests" / "data" / "n64_textures")
TRAIN = (ROOT.parent / "shared" / "data" / "train", ROOT / "tests" / "data")
TINY = 'net = { architecture = "SRVGGNetCompact", num_feat = 4, num_conv = 2 }\nbatch = 2\nlr_patch = 8\n'
Options = argparse.Namespace
Lines = Iterator[str]


def model_of(name: str) -> UpscaleModel:
    """Return a net of the catalog."""
    return choose_chain([name], None)[0].load()


def nets(options: Options) -> list[str]:
    """Return the nets that are measured."""
    return ["texup-x4-fast"] if options.quick else list(load_catalog().models)


def precisions(options: Options) -> tuple[str, ...]:
    """Return the types that are measured."""
    return ("bf16", "fp32") if options.quick else ("fp16", "bf16", "fp32")


def card(model: UpscaleModel, precision: str, options: Options) -> Device:
    """Return a net on the card, or on a stand-in."""
    device = Device([model], pick_device(options.device), precision)
    return with_queues(device, at_once=1 << 20) if device.device.type == "cpu" else device


def tiles(options: Options, count: int, *, samples: bool = True) -> list[np.ndarray]:
    """Return tiles of real textures of 8 bits, or of noise of no bits at all."""
    if not samples:
        return list(np.random.default_rng(0).random((count, SIDE, SIDE, 3), np.float32))
    found: list[np.ndarray] = []
    for path in sorted(options.pack.rglob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        if min(pixels.shape[:2]) >= SIDE // 2 and len(found) < count:
            repeats = (-(-SIDE // pixels.shape[0]), -(-SIDE // pixels.shape[1]), 1)
            found.append(np.tile(pixels, repeats)[:SIDE, :SIDE].astype(np.float32) / np.float32(255))
    return [found[k % len(found)] for k in range(count)]


def rate(device: Device, batch: list[np.ndarray], spent: float, lanes: int | None = None) -> float:
    """Return the texels a second that a device does of equal batches."""
    lanes = lanes or device.lanes
    with device.ready(), ThreadPoolExecutor(lanes) as pool:
        for _ in range(4):  # the third makes the graph
            assert device.upscale(0, batch)[0].problem is None
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < spent or not done:
            done += sum(len(found) for found in pool.map(lambda _: device.upscale(0, batch), range(2 * lanes)))
        return done * SIDE**2 / (time.perf_counter() - began)


def machine(options: Options) -> Lines:
    """Say what is here, and what its bus carries."""
    place = pick_device(options.device)
    yield f"torch {torch.__version__}, CUDA {torch.version.cuda}, devices {', '.join([*accelerators(), 'cpu'])}"
    if place.type == "cuda":
        yield f"{torch.cuda.get_device_name(place)}, capability {torch.cuda.get_device_capability(place)}"
        yield "free and all memory: {:.1f} and {:.1f} GB".format(*(size / 1e9 for size in memory_of(place)))  # type: ignore[operator]
    size = 1 << (20 if options.quick else 28)
    there = torch.empty(size, dtype=torch.uint8, device=place)
    for name, pinned in (("usual", False), ("pinned", True)):
        if pinned and place.type != "cuda":
            continue
        here = torch.zeros(size, dtype=torch.uint8, pin_memory=pinned)
        for way, to, of in (("to the card", there, here), ("back", here, there)):
            spent = statistics.median(copied(to, of) for _ in range(5))
            yield f"{name} memory, {way}: {size / spent / 1e9:.1f} GB a second"


def copied(to: torch.Tensor, of: torch.Tensor) -> float:
    """Return the seconds of a copy."""
    return seconds(lambda: (to.copy_(of), torch.cuda.synchronize() if torch.cuda.is_available() else None))


def tests(options: Options) -> Lines:
    """Run the tests that need a card."""
    files = [
        str(path) for path in sorted((ROOT / "tests" / "unit").glob("*.py")) if "pytest.mark.gpu" in path.read_text()
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", *files, "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    yield from [line for line in done.stdout.splitlines() if line.strip()][-12:]
    if done.returncode not in (0, 5):
        raise RuntimeError(f"pytest ended with {done.returncode}")


def speed(options: Options) -> Lines:
    """Measure each net in each type by the size of its batch, and the memory of the largest."""
    counts = (1, 4) if options.quick else (1, 4, 16, 64, 0)
    yield f"million texels a second, batches of {SIDE} x {SIDE}; 0: as many as texup takes"
    for name in nets(options):
        model = model_of(name)
        for precision in precisions(options):
            device, found = card(model, precision, options), []
            for count in counts:
                own = count or max(1, device.batch_pixels // SIDE**2)
                found.append(f"{own}: {rate(device, tiles(options, own), options.seconds) / 1e6:.2f}")
            yield f"{name} {precision}: {', '.join(found)}{needed(device, own)}"
            yield from device.notes()


def needed(device: Device, count: int) -> str:
    """Return what the largest batch took of the card's memory, beside what texup counts on."""
    if device.device.type != "cuda":
        return ""
    before = torch.cuda.memory_allocated(device.device)
    torch.cuda.reset_peak_memory_stats(device.device)
    device.upscale(0, [np.zeros((SIDE, SIDE, 3), np.float32)] * count)
    took = (torch.cuda.max_memory_allocated(device.device) - before) / (count * SIDE**2)
    return f"; {took:,.0f} bytes a texel, counted on {bytes_per_pixel(device.models[0], device.precision):,}"


def overlap(options: Options) -> Lines:
    """Compare one batch after the other, three at once, and the usual copies of float32; in few bytes and in many."""
    yield "times as fast as waiting for each step, planes of 8 bits and of float32"
    for name in nets(options):
        model = model_of(name)
        device = card(model, precisions(options)[0], options)
        count = 4 if options.quick else max(1, device.batch_pixels // SIDE**2)
        ways = {"three at once": (device.way, device.lanes), "one at a time": (device.way, 1)}
        ways["float32 there and back"] = (Straight(device.device), 1)
        found = []
        for samples in (True, False):
            batch = tiles(options, count, samples=samples)
            rates = {}
            for way, (device.way, lanes) in ways.items():
                rates[way] = rate(device, batch, options.seconds, lanes)
            base = rates.pop("float32 there and back")
            found.append(", ".join(f"{way} {texels / base:.2f}" for way, texels in rates.items()))
        yield f"{name}, {count} a batch: 8 bits: {found[0]}; float32: {found[1]}"


def graphs(options: Options) -> Lines:
    """Compare small batches with and without graphs; ``MOST_TEXELS`` in graphs.py should be where it gains nothing."""
    yield "times as fast with graphs, by tiles a batch"
    for name in nets(options):
        device, found = card(model_of(name), precisions(options)[0], options), []
        for count in (1, 4) if options.quick else (1, 2, 4, 8, 16, 32, 64):
            batch = tiles(options, count)
            device.way.graphs.is_off, device.way.graphs.most_texels = False, 1 << 20  # type: ignore[attr-defined]
            fast = rate(device, batch, options.seconds)
            device.way.save_memory()
            found.append(f"{count}: {fast / rate(device, batch, options.seconds):.2f}")
        yield f"{name}: {', '.join(found)}"
        yield from device.notes()


def errors(options: Options) -> Lines:
    """Compare types with fp32, a batch with its planes alone, and a batch with itself, in levels of 8 bits."""
    batch = tiles(options, 4 if options.quick else 64)
    for name in nets(options):
        model = model_of(name)
        made = {}
        for precision in precisions(options):
            device = card(model, precision, options)
            results = device.upscale(0, batch)
            made[precision] = np.stack([result.plane for result in results])  # type: ignore[arg-type]
            again = [np.stack([one.plane for one in device.upscale(0, batch)]), []]  # type: ignore[arg-type]
            again[1] = np.stack([device.upscale(0, [plane])[0].plane for plane in batch])  # type: ignore[arg-type]
            told = " and ".join(shown(made[precision], other) for other in again)
            yield f"{name} {precision}: {sum(r.redone for r in results)} tiles done again; again, and alone: {told}"
        few = batch[:8]
        exact = np.stack([one.plane for one in Device([model], torch.device("cpu")).upscale(0, few)])  # type: ignore[arg-type]
        yield f"{name} fp32 against the CPU's: {shown(exact, made['fp32'][:8])}"  # a card may convolve fp32 in TF32
        for precision in precisions(options)[:-1]:
            yield f"{name} {precision} against fp32: {shown(made['fp32'], made[precision])}"


def shown(one: np.ndarray, other: np.ndarray) -> str:
    """Return how far results are apart."""
    apart = np.abs(one.clip(0, 1) - other.clip(0, 1)) * 255
    return f"mean {apart.mean():.4f}, p99.9 {np.quantile(apart, 0.999):.3f}, most {apart.max():.2f}"


def packs(options: Options) -> Lines:
    """Do a pack with texup and with the loop of one texture after the other; and on several cards."""
    paths = [path for path in sorted(options.pack.rglob("*.png")) if max(Image.open(path).size) <= 128]
    count = 4 if options.quick else 500
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "pack")
        source.mkdir()
        for k, path in enumerate(paths[:: max(1, len(paths) // count)][:count]):
            (source / f"{k:04}_{path.name}").write_bytes(path.read_bytes())
        name, ratios = nets(options)[0], []
        for k in range(1 if options.quick else 3):
            theirs = seconds(peer, source, Path(folder, f"peer{k}"), name, options.device)
            ours = seconds(texup, source, Path(folder, f"texup{k}"), name, options.device)
            ratios.append(theirs / ours)
            yield f"{name}, {count} textures of {options.pack.name}: loop {theirs:.1f} s, texup {ours:.1f} s"
        yield f"median ratio {statistics.median(ratios):.2f}"
        if len(accelerators()) > 1 or options.quick:
            several = "cpu:0,cpu:1" if pick_device(options.device).type == "cpu" else "all"
            yield f"--device {several}: {seconds(texup, source, Path(folder, 'all'), name, several):.1f} s"


def training(options: Options) -> Lines:
    """Train for a minute by a recipe of the shipped nets, and by the one that waits for a card."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = Path(folder, "tiny.toml")
        tiny.write_text(TINY)
        for recipe in [str(tiny)] if options.quick else ["compact48-psnr-more", "rrdb-psnr"]:
            budget = ["--iterations", "2"] if options.quick else ["--seconds", "60"]
            command = [sys.executable, "-m", "texup", "train", recipe, "--data", str(options.data), *budget]
            out = ["--out", str(Path(folder, "run", Path(recipe).stem)), "--device", options.device]
            done = subprocess.run([*command, *out], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            yield from (f"{Path(recipe).stem}: {line}" for line in lines[-4:-1])
            if done.returncode:
                raise RuntimeError(lines[-1] if lines else f"ended with {done.returncode}")


PARTS: dict[str, Callable[[Options], Lines]] = {
    "machine": machine,
    "tests": tests,
    "errors": errors,
    "speed": speed,
    "overlap": overlap,
    "graphs": graphs,
    "packs": packs,
    "training": training,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--pack", type=Path, default=next(path for path in PACKS if path.is_dir()))
    parser.add_argument("--data", type=Path, default=next(path for path in TRAIN if path.is_dir()))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, help="for each rate [default: 1.5]")
    parser.add_argument("--quick", action="store_true", help="show that it works")
    options = parser.parse_args()
    if options.quick:
        options.data = TRAIN[-1]
    warnings.filterwarnings("ignore")  # of Pillow, about palettes, and of torch, about the loop's arrays
    options.seconds = options.seconds or (0.05 if options.quick else 1.5)
    failed = []
    for name in options.only:
        began = time.perf_counter()
        print(f"== {name}", flush=True)
        try:
            for line in PARTS[name](options):
                print(line, flush=True)
        except Exception:  # noqa: BLE001 - the other parts are worth having
            failed.append(name)
            traceback.print_exc(file=sys.stdout)
        print(f"   {time.perf_counter() - began:.0f} s", flush=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
