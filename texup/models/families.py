"""Families of nets that texup does not run by itself, known by their keys so that a refusal can name them.

References:
    The keys are those of the reference implementations, as spandrel's ``architectures/*/__init__.py`` lists them;
    SRFormer: HVision-NKU/SRFormer; EDSR: sanghyun-son/EDSR-PyTorch and BasicSR, ``basicsr/archs/edsr_arch.py``.
"""

from __future__ import annotations

from collections.abc import Collection

INSTALL = "pip install --no-deps 'spandrel==0.4.*' einops"
"""What brings the nets of spandrel without torchvision, which would replace torch."""

_BLOCK = "layers.0.residual_group.blocks.0"
# Name -> keys that its files all have; the more special first.
FAMILIES: dict[str, tuple[str, ...]] = {
    "HAT": ("layers.0.residual_group.overlap_attn.qkv.weight",),
    "SRFormer": (f"{_BLOCK}.attn.kv.weight",),
    "Swin2SR": (f"{_BLOCK}.attn.logit_scale",),
    "SwinIR": (f"{_BLOCK}.attn.relative_position_bias_table",),
    "ATD": ("layers.0.residual_group.td",),
    "CRAFT": ("layers.0.residual_group.hf_blocks.0.attn.temperature",),
    "DRCT": ("layers.0.swin1.attn.qkv.weight",),
    "RGT": ("before_RG.1.weight", "layers.0.blocks.0.gamma"),
    "DAT": ("before_RG.1.weight", "layers.0.blocks.0.ffn.fc1.weight"),
    "GRL": ("layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale",),
    "RCAN": ("body.0.body.0.body.3.conv_du.0.weight",),
    "EDSR": ("body.0.body.0.weight", "tail.0.0.weight"),
    "EDSR of BasicSR": ("body.0.conv1.weight", "conv_after_body.weight", "upsample.0.weight"),
    "DITN": ("UFONE.0.ITLs.0.attn.temperature",),
    "SAFMN": ("feats.0.safm.mfr.0.weight",),
    "SAFMN-BCIE": ("feats.0.layers.0.safm.mfr.0.weight",),
    "FDAT": ("groups.0.blocks.0.inter.cg.1.weight",),
    "MoESR": ("blocks.0.blocks.0.conv.dwconv_hw.weight",),
    "MoSR": ("gblocks.1.fc1.weight",),
    "Swift-SRGAN": ("initial.cnn.depthwise.weight",),
    "OmniSR": ("residual_layer.0.residual_layer.0.layer.0.fn.0.weight",),
    "PLKSR": ("feats.1.channe_mixer.0.weight",),
    "RealCUGAN": ("unet1.conv1.conv.0.weight",),
    "SeemoRe": ("body.0.local_block.norm_1.weight",),
    "DCTLSA": ("B1.body.0.transformer_body.0.blocks.0.attn.qkv.weight",),
    "MM-RealSR": ("de_net.conv_first.0.weight",),
    "SCUNet": ("m_head.0.weight", "m_tail.0.weight"),
    "FBCNN": ("qf_pred.0.res.0.weight",),
    "DRUNet": ("m_down1.0.res.0.weight",),
    "NAFNet": ("middle_blks.0.beta",),
    "AuraSR": ("mid_attn.layers.0.0.to_out.weight",),
    "GFPGAN": ("stylegan_decoder.style_conv1.weight",),
}
# Nobody runs these for texup: spandrel has no such nets, or they do other work than to enlarge textures.
NOT_BORROWED: dict[str, str] = {
    "SRFormer": "spandrel has no such net either",
    "EDSR": "spandrel has no such net either",
    "EDSR of BasicSR": "spandrel has no such net either",
    "AuraSR": "it draws by chance, so that no two runs are the same",
    "GFPGAN": "it is for faces",
    "RestoreFormer": "it is for faces",
    "LaMa": "it fills holes",
}


def family_of(keys: Collection[str]) -> str | None:
    """Return the name of the family that has all of its keys among ``keys``."""
    return next((name for name, own in FAMILIES.items() if all(key in keys for key in own)), None)
