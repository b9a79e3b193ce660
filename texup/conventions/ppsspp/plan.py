"""PPSSPP (PlayStation Portable): dumps in new/ and named replacements, with the paths in textures.ini following."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from texup.conventions.convention import Convention, Planned, Sidecar, Wishes
from texup.conventions.ppsspp.check import check
from texup.conventions.ppsspp.game import Game, folded, games_of, ini_findings, resolve, spot_by_name
from texup.conventions.ppsspp.names import DUMPS, format_name, parse
from texup.conventions.ppsspp.textures_ini import INI_NAME, Key, as_path, path_problem, rewrite
from texup.packs.pack import Finding, Pack
from texup.packs.walk import Entry, is_safe
from texup.policy.classify import Treatment
from texup.textures.storing import Store

ZIP_NAME = "textures.zip"
_FOREIGN = (".ktx2", ".zim")  # formats that PPSSPP reads and texup does not
_READ = (".png", ".dds", *_FOREIGN)


def detect(pack: Pack) -> float:
    """Return the share of textures that PPSSPP would find, and more where it is told by its folders or textures.ini."""
    textures = {entry.path for entry in pack.entries if entry.kind == "texture"}
    if not textures:
        return 0.0
    games = games_of(pack)
    found = {path for game in games for file, path in game.files.items() if file in game.spots or parse(file)}
    share = len(textures & found) / len(textures)
    is_home = any(game.site.id or game.inis for game in games)
    return share + 0.2 if share and is_home else share


def plan(pack: Pack, wishes: Wishes) -> Iterator[Planned | Finding]:
    """Upscale every texture that PPSSPP would find, into ``PSP/TEXTURES/GAMEID``."""
    entries = {entry.path: entry for entry in pack.entries}
    for game in games_of(pack):
        if any(entries[path].kind == "texture" for path in game.files.values()):
            yield from _game_findings(game)
        for file, path in game.files.items():
            yield from _plan_file(game, file, entries[path], wishes)


def _game_findings(game: Game) -> Iterator[Finding]:
    yield from ini_findings(game)
    if game.site.below not in ("", DUMPS):
        text = f"the folder is a part of {game.id}; textures.ini above it is not seen, give texup the whole folder"
        yield Finding("warning", "", text)
    elif game.spots and not game.site.id and game.id == game.site.folder:
        yield Finding("warning", "", f"no folder says the game's id, as ULUS12345; '{game.id}' is taken, rename it")
    if ZIP_NAME in game.files:
        text = "PPSSPP would read it in place of all loose files; unpack it and remove it"
        yield Finding("warning", game.files[ZIP_NAME], text)


def _plan_file(game: Game, file: str, entry: Entry, wishes: Wishes) -> Iterator[Planned | Finding]:
    suffix = _suffix(file)
    if file in game.inis:
        yield Planned(entry.path, "rewrite", "its paths follow the files", _home(game) + _own_place(game, file))
    elif file == ZIP_NAME or file.lower() == INI_NAME:
        yield Planned(entry.path, "skip", "it would hide all loose files" if file == ZIP_NAME else "cannot be read")
    elif file not in game.spots:
        if wishes.copy_other and spot_by_name(file) is None:
            yield Planned(entry.path, "copy", "PPSSPP would not find it", _home(game) + file)
        else:
            yield Planned(entry.path, "skip", _why_not_found(game, file, entry))
    elif suffix in _FOREIGN:
        yield Finding("warning", entry.path, f"texup does not read {suffix[1:].upper()}; copied as it is")
        yield Planned(entry.path, "copy", target=_home(game) + _own_place(game, file))
    elif suffix not in _READ:
        yield Finding("warning", entry.path, "PPSSPP reads only PNG, DDS, KTX2 and ZIM; save it as PNG")
        yield Planned(entry.path, "skip", "a format that PPSSPP does not read")
    else:
        yield _plan_texture(game, file, entry.path, wishes)


def _plan_texture(game: Game, file: str, path: str, wishes: Wishes) -> Planned:
    """Plan a file that is found: levels that inis name are files of their own, others come from level 0."""
    spots = game.spots[file]
    if all(level and key not in game.mapped for key, level in spots):
        return Planned(path, "skip", _why_no_level(game, spots[0][0], wishes))
    place = _own_place(game, file)
    target = _home(game) + place
    notes = [f"written as {place}"] if place != file.removeprefix(DUMPS) else []
    treatment, level_target = Treatment(), ""
    is_dds = _suffix(file) == ".dds"
    if any(key in game.mapped and (level or key in game.levels) for key, level in spots):
        notes += ["its format is kept, as its levels are files of their own"] if wishes.dds else []
    elif wishes.dds or is_dds:
        store: Store = "bc7" if wishes.dds == "auto" else wishes.dds
        target, treatment = f"{target[:-4]}.dds", Treatment(store=store, mips="inside")
    elif not game.ignores_mipmaps and any(key in game.levels for key, _ in spots):
        treatment, level_target = Treatment(mips="files"), f"{target[:-4]}_{{}}.png"
    return Planned(path, "upscale", "; ".join(notes), target, treatment, level_target=level_target)


def _why_no_level(game: Game, key: Key, wishes: Wishes) -> str:
    """Return why a level that only its name tells is left out."""
    largest = game.file_of.get((key, 0))
    if largest is None:
        return "PPSSPP needs level 0 of it, which is not there"
    if wishes.dds or _suffix(largest) != ".png":
        return f"the levels of {largest} are in its own file"
    if game.ignores_mipmaps:
        return "textures.ini sets ignoreMipmap: there are no files of levels"
    return f"made again from {largest}"


def _why_not_found(game: Game, file: str, entry: Entry) -> str:
    spot = spot_by_name(file)
    bare = file.removeprefix(DUMPS)
    if entry.kind != "texture" and not parse(file):
        return "not a texture"
    if spot and spot in game.named:
        is_blank = game.named[spot] == ""
        return f"textures.ini {'says never to replace it' if is_blank else 'names another file for its key'}"
    if spot and spot in game.file_of:
        return f"PPSSPP would see only one of it and {game.file_of[spot]}"
    if bare != file and bare in game.files:
        return f"{bare} stands in the pack already"
    if parse(file):
        return "PPSSPP would not find it: by its key alone only in the pack's root, else through textures.ini"
    return "PPSSPP would not find it: textures.ini does not name it"


def _own_place(game: Game, file: str) -> str:
    """Return where a file goes below the game's folder: dumps out of new/, keys in PPSSPP's own spelling."""
    bare = file.removeprefix(DUMPS)
    if file in game.inis:
        return INI_NAME if file.lower() == INI_NAME else file
    name = parse(bare)
    if name and spot_by_name(file) in game.spots[file]:
        return format_name(name)
    return file if bare in game.files else bare


def _home(game: Game) -> str:
    return f"PSP/TEXTURES/{game.id if is_safe(game.id) and '/' not in game.id else 'GAMEID'}/"


def _suffix(file: str) -> str:
    return file[file.rfind(".") :].lower() if "." in file else ""


def sidecars(pack: Pack, planned: Sequence[Planned], _wishes: Wishes) -> Iterator[Sidecar]:
    """Yield each ini with paths that lead to the results, "/" in them, and nothing else changed."""
    plans = {plan.path: plan for plan in planned}
    for game in games_of(pack):
        by_lower = folded(game.files)
        for file, ini in game.inis.items():
            plan = plans.get(game.files[file])
            if plan is None or plan.action != "rewrite":
                continue
            home = plan.target[: -len(_own_place(game, file))]
            changes: dict[int, str] = {}
            for value in ini.hashes().values():
                if value.text and not path_problem(value.text):
                    found = resolve(value.text, game.files, by_lower)
                    target = plans[game.files[found]].target if found and game.files[found] in plans else ""
                    changes[value.line] = target.removeprefix(home) or as_path(value.text)
            yield Sidecar(plan.target, rewrite(ini, changes), plan.path)


PPSSPP = Convention(
    id="ppsspp",
    title="PPSSPP (PlayStation Portable)",
    detect=detect,
    parse=parse,
    format=format_name,
    plan=plan,
    check=check,
    sidecars=sidecars,
    home=3,
    facts={
        "dump": "PSP/TEXTURES/GAMEID/new",
        "writes": "PSP/TEXTURES/GAMEID",
        "alpha": "as it is",
        "mips": "files KEY_1, KEY_2... where the dump has them, or inside DDS",
    },
)
