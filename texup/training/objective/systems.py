"""The nets of a recipe: generator, feature net and discriminator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from texup.errors import UsageError, nearest
from texup.models.kinds import KINDS
from texup.nets.discriminators import SRGANDiscriminator, UNetDiscriminator, VGGStyleDiscriminator
from texup.nets.features import VGGFeatures
from texup.training.config import Discriminator, Features, Recipe
from texup.training.objective.features import load_efficientnet, load_vgg19


def build_generator(net: Mapping[str, Any], scale: int) -> nn.Module:
    """Return the net of a recipe's ``net`` table.

    Raises:
        UsageError: the architecture is unknown, or its arguments are.
    """
    arguments = dict(net)
    name = arguments.pop("architecture", "RRDBNet")
    if name not in KINDS:
        raise UsageError(f"net.architecture: {name!r} is unknown; {nearest(str(name), KINDS)}")
    if "scale" in arguments:
        raise UsageError(f"net: {name} cannot be built: scale stands above the net table, not in it")
    try:
        return KINDS[name].net(scale=scale, **arguments)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:  # what odd widths and counts end in
        reason = str(error).partition("\n")[0]
        raise UsageError(f"net: {name} cannot be built: {reason}") from error


def build_features(features: Features, vgg_weights: Path | None) -> nn.Module:
    """Return the feature net: the trained VGG19 where its weights are given, else what the recipe says.

    Raises:
        UsageError: the recipe insists on VGG19 and no weights are given, or on EfficientNet and it is not installed,
            or a tap is unknown.
        WeightsError: the file is not torchvision's.
    """
    try:
        if features.kind == "efficientnet-lite0":
            if vgg_weights is not None:
                raise UsageError("the recipe compares features of EfficientNet-Lite0: leave --vgg-weights out")
            return load_efficientnet(features.taps)
        if vgg_weights is not None:
            return load_vgg19(vgg_weights, features.taps, before_activation=features.before_activation)
        if features.kind == "vgg19":
            raise UsageError("the recipe compares features of VGG19: give its weights with --vgg-weights")
        return VGGFeatures(features.width, features.taps, before_activation=features.before_activation)
    except ValueError as error:
        raise UsageError(f"features.taps: {error}") from error


def check_nets(recipe: Recipe) -> None:
    """Build the nets that learn for a moment: what cannot be is refused before any picture is decoded.

    Raises:
        UsageError: a net cannot be built.
    """
    build_generator(recipe.net, recipe.scale)
    if recipe.loss.adversarial:
        build_discriminator(recipe.discriminator, recipe)


def features_fact(recipe: Recipe, vgg_weights: Path | None) -> str:
    """Say in words which features a run compares; results of trained and of random ones are not alike."""
    if not recipe.loss.perceptual and not recipe.loss.gram:
        return "none"
    taps = ", ".join(recipe.features.taps)
    if vgg_weights is not None:
        return f"{taps} of VGG19 with torchvision's weights, trained on ImageNet"
    if recipe.features.kind == "efficientnet-lite0":
        return f"{taps} of EfficientNet-Lite0, trained on ImageNet"
    again = f"redrawn every {recipe.features.redraw_every} iterations" if recipe.features.redraw_every else "drawn once"
    return f"{taps} of VGG19's structure at {recipe.features.width:g} of its width, random weights, {again}"


def build_discriminator(wanted: Discriminator, recipe: Recipe) -> nn.Module:
    """Return the discriminator for the high-resolution patches of ``recipe``.

    Raises:
        UsageError: it cannot judge patches of that size.
    """
    size = recipe.lr_patch * recipe.scale
    try:
        if wanted.architecture == "UNetDiscriminator":
            return UNetDiscriminator(num_feat=wanted.num_feat)
        if wanted.architecture == "VGGStyleDiscriminator":
            if recipe.early.share and recipe.early.lr_patch != recipe.lr_patch:
                raise ValueError("it judges one patch size only; drop `early`")
            return VGGStyleDiscriminator(size, wanted.num_feat)
        return SRGANDiscriminator(size, wanted.num_feat, residual=wanted.residual, dropout=wanted.dropout)
    except ValueError as error:
        raise UsageError(f"discriminator: {wanted.architecture} for patches of {size}: {error}") from error


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Keep gradients from the parameters of ``net``: they pass through it all the same."""
    net.requires_grad_(requires_grad=False)
    try:
        yield
    finally:
        net.requires_grad_(requires_grad=True)
