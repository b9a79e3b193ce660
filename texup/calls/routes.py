"""The ways through nets that one run needs, for the user's choice and for what his rules say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from texup.errors import UsageError
from texup.models.chain import Link, choose_chain, pixel_art_chain, sees_borders
from texup.policy.rules import Rule
from texup.upscaling.run import Pass, Route, Settings, plan_passes, with_context

if TYPE_CHECKING:
    from texup.models.model import UpscaleModel

RGBA = 4  # channels


class Routes:
    """Makes routes, and numbers each net when it is first used.

    What is known of a net comes from the catalog, or else from its weights, which are loaded for it.
    """

    def __init__(self, overlap: int | None) -> None:
        """Make routes with ``overlap`` texels of context; None for as many as each net needs.

        Raises:
            WeightsError: the catalog is damaged, or its net for pixel art is.
        """
        self.links: list[Link] = []
        """The nets by their numbers."""
        self.loaded: dict[str, UpscaleModel] = {}
        """Those that had to be loaded, by their hashes."""
        self._overlap, self._for_pixel_art = overlap, pixel_art_chain()

    def scale(self, link: Link) -> int:
        """Return how much a net enlarges."""
        return self._loaded(link).scale if link.scale is None else link.scale

    def through(self, used: Sequence[Link], settings: Settings) -> Route:
        """Return the route through nets, with that of pixel art beside it; at scale 1 pixel art stays as it is.

        Args:
            used: the nets.
            settings: those of the route, but for the margin, which is found here.

        Raises:
            UsageError: the nets cannot reach the scale.
            WeightsError: a file of weights was refused.
        """
        route = self._plain(used, settings)
        if not self._for_pixel_art:
            return route
        own = self._plain(self._for_pixel_art, settings)
        return replace(route, pixel_art=own if settings.scale > 1 else replace(own, passes=()))

    def of_rule(self, rule: Rule, usual: Route) -> Route:
        """Return the route that a rule asks for, where it does not say so as ``usual`` has it."""
        used = [self.links[step.model] for step in dict.fromkeys(usual.passes)]
        if rule.models or rule.blend is not None:
            used = choose_chain(rule.models, rule.blend)
        return self.through(used, replace(usual.settings, scale=rule.scale or usual.settings.scale))

    def _loaded(self, link: Link) -> UpscaleModel:
        self.loaded[link.sha256] = self.loaded.get(link.sha256) or link.load()
        return self.loaded[link.sha256]

    def _plain(self, used: Sequence[Link], settings: Settings) -> Route:
        self.links += [link for link in dict.fromkeys(used) if link not in self.links]
        context = self._overlap if self._overlap is not None else max(link.context for link in used)
        around = with_context(settings, context, max(link.border for link in used))
        return Route(self._steps(used, settings.scale), around)

    def _steps(self, used: Sequence[Link], scale: int) -> list[Pass]:
        scales = [self.scale(link) for link in used]
        if scale > 1 and all(each == 1 for each in scales):
            names = ", ".join(link.name for link in used)
            raise UsageError(f"--scale {scale}: {names} does not enlarge; add a model that does")
        return [self._step(used[step.model], step.scale) for step in plan_passes(scales, scale)]

    def _step(self, link: Link, scale: int) -> Pass:
        channels = self._loaded(link).in_channels if link.channels is None else link.channels
        return Pass(self.links.index(link), scale, channels == RGBA, self._is_told(link))

    def _is_told(self, link: Link) -> bool:
        return sees_borders(self._loaded(link)) if link.told is None else link.told
