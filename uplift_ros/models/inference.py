"""A trained Uplift and Upsample network made fast: the stages and results of `uplift.py`, which is how to read it.

What is done in another way, and what it brings, is measured in docs/BENCHMARKS.md:

- Wide linear layers have their weights packed once for the processor, in bfloat16 if asked (`Product`).
- Spatial attention, whose heads are only 4 wide, is computed for many poses at once (`_attend_narrow`).
- Upsampling tokens are the same in every window: what they bring to the first temporal block is computed once.
- A strided block computes only the tokens that its convolution reads; the convolution is one product of matrices.
- Large batches go through in pieces that stay in the cache.

Letters as in `uplift.py`.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uplift_ros.models.product import Product
from uplift_ros.models.uplift import MASKED_SCORE, Attention, Block, StridedBlock, UpliftUpsample

POSES = 48
"""Poses in a piece: their attention scores of one spatial block fill half a megabyte."""

TOKENS = 656
"""Tokens in a piece, that is 16 windows of N = 81: their hidden layer fills two megabytes."""

FEW_POSES = 24
"""Below it, PyTorch's own attention is faster than one for many poses."""


class UpliftInference:
    """The network for inference, on the device that the model lies on.

    Args:
        model: trained; it is not changed, and what its parameters become later does not count any more.
        precision: of the products of the temporal and strided stages. float32 equals the model but for rounding. With
            bfloat16 and float16 everything else stays in float32; poses then are 0.4 mm off on average.
    """

    WARM: tuple[int, ...] = (1,)

    @torch.inference_mode()
    def __init__(self, model: UpliftUpsample, precision: torch.dtype = torch.float32) -> None:
        self.config, self.model = model.config, model
        self.temporal_position = model.temporal_position.detach()
        self._on_cpu = self.temporal_position.device.type == "cpu"
        self._spatial_blocks = [cast(Block, block) for block in model.spatial_blocks] if model.config.spatial else []
        self._to_token = Product(model.to_token.weight, model.to_token.bias)
        self._temporal_blocks = [_TemporalBlock(cast(Block, block), precision) for block in model.temporal_blocks]
        self._strided_blocks = [_StridedBlock(cast(StridedBlock, block), precision) for block in model.strided_blocks]
        absent = model.upsampling_token + self.temporal_position
        self._absent_qkv = self._temporal_blocks[0].project(absent)  # (T, 3 D), of upsampling tokens

    @property
    def device(self) -> torch.device:
        return self.temporal_position.device

    def warm_up(self) -> None:
        """Run every stage once for each of `WARM` people: the first calls choose and build kernels."""
        shape = (self.config.tokens, self.config.temporal_width)
        for people in self.WARM:
            self.pose_tokens(torch.zeros(people, self.config.joints, self.config.channels, device=self.device))
            mask = torch.ones(people, self.config.tokens, dtype=torch.bool, device=self.device)
            tokens = self.temporal(torch.zeros(people, *shape, device=self.device), mask)
            self.central(tokens)
            self.sequence(tokens)

    @torch.inference_mode()
    def pose_tokens(self, poses: Tensor) -> Tensor:
        """Poses (M, J, 2 or 3) to tokens (M, D)."""
        return self._in_pieces(self._pose_tokens, POSES, poses)

    def place(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Pose tokens (M, D) where `mask` (B, T) is true, the upsampling token elsewhere: (B, T, D)."""
        return self.model.place(tokens, mask)

    @torch.inference_mode()
    def temporal(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Temporal stage on (B, T, D); where `mask` is false, the upsampling token must stand."""
        return self._in_pieces(self._temporal, TOKENS // self.config.tokens, tokens, mask)

    @torch.inference_mode()
    def sequence(self, tokens: Tensor) -> Tensor:
        """Sequence head: (..., D) to (..., J, 3)."""
        return self.model.sequence(tokens)

    @torch.inference_mode()
    def central(self, tokens: Tensor) -> Tensor:
        """Strided stage and central head: (B, T, D) to (B, J, 3)."""
        return self._in_pieces(self._central, TOKENS // self.config.tokens, tokens)

    def _in_pieces(self, function: Callable[..., Tensor], size: int, *inputs: Tensor) -> Tensor:
        pieces = -(-len(inputs[0]) // max(size, 1))
        if pieces <= 1 or not self._on_cpu:
            return function(*inputs)
        split = zip(*(values.tensor_split(pieces) for values in inputs), strict=True)
        return torch.cat([function(*piece) for piece in split])

    def _pose_tokens(self, poses: Tensor) -> Tensor:
        model = self.model
        if not self.config.spatial:
            return self._to_token(poses.flatten(1))
        x = model.keypoint_embedding(poses) + model.joint_position  # (M, J, d)
        narrow = self._on_cpu and len(poses) >= FEW_POSES
        for block in self._spatial_blocks:
            attention, normed = block.attention, block.attention_norm(x)
            x = x + (_attend_narrow(attention, normed) if narrow else attention(normed))
            x = x + block.mlp(block.mlp_norm(x))
        return self._to_token(model.spatial_norm(x).flatten(1))

    def _temporal(self, tokens: Tensor, mask: Tensor) -> Tensor:
        x = tokens + self.temporal_position
        first, *others = self._temporal_blocks
        if self._on_cpu:
            qkv = self._absent_qkv.repeat(len(x), 1, 1)
            qkv[mask] = first.project(x[mask])
        else:  # shapes that depend on the mask would have to wait for the device
            qkv = torch.where(mask[..., None], first.project(x), self._absent_qkv)
        deferred = (~mask)[:, None, None, :].to(x.dtype) * MASKED_SCORE if self.config.deferred else None
        x = first.finish(x, qkv, deferred)
        for block in others:
            x = block.finish(x, block.project(x))
        return x

    def _central(self, tokens: Tensor) -> Tensor:
        for block in self._strided_blocks:
            tokens = block(tokens)
        middle = tokens[:, tokens.shape[1] // 2]
        return self.model.central_head(middle).unflatten(-1, (self.config.joints, 3))


class _TemporalBlock:
    def __init__(self, block: Block, precision: torch.dtype) -> None:
        self._block, attention = block, block.attention
        self._qkv = Product(attention.qkv.weight, attention.qkv.bias, precision)
        self._out = Product(attention.out.weight, attention.out.bias, precision)
        expand, _, reduce = cast(list[nn.Linear], list(block.mlp))
        self._expand = Product(expand.weight, expand.bias, precision)
        self._reduce = Product(reduce.weight, reduce.bias, precision)

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values (..., 3 D)."""
        return self._qkv(self._block.attention_norm(x)).to(x.dtype)

    def finish(self, x: Tensor, qkv: Tensor, score_mask: Tensor | None = None) -> Tensor:
        """The block's output for its input x (B, L, D) and what `project` made of it."""
        q, k, v = qkv.chunk(3, dim=-1)
        x = x + self._out(_attend(q, k, v, self._block.attention.heads, score_mask))
        return x + self._reduce(self._expand(self._block.mlp_norm(x)).relu_())


class _StridedBlock:
    """The convolution of three tokens reads L' windows, of which it leaves out some tokens at large strides."""

    def __init__(self, block: StridedBlock, precision: torch.dtype) -> None:
        self._block, attention = block, block.attention
        length, width = block.position.shape
        left, right = block.padding
        starts = torch.arange(-left, length + right - 2, block.stride, device=block.position.device)
        read = (starts[:, None] + torch.arange(3, device=starts.device)).flatten()  # (3 L')
        self._read = read.clamp(0, length - 1)
        self._outside = (read != self._read).nonzero().flatten()
        weight, bias = attention.qkv.weight, attention.qkv.bias
        self._query = Product(weight[:width], bias[:width], precision)
        self._key_value = Product(weight[width:], bias[width:], precision)
        self._out = Product(attention.out.weight, attention.out.bias, precision)
        self._expand = Product(block.expand.weight, block.expand.bias, precision)
        kernel = block.reduce.weight.transpose(1, 2).flatten(1)  # (D, 3 times the hidden width)
        self._reduce = Product(kernel, cast(Tensor, block.reduce.bias), precision)

    def __call__(self, x: Tensor) -> Tensor:
        block = self._block
        x = x + block.position
        normed = block.attention_norm(x)
        query = self._query(normed[:, self._read]).to(x.dtype)
        key, value = self._key_value(normed).to(x.dtype).chunk(2, dim=-1)
        x = x[:, self._read] + self._out(_attend(query, key, value, block.attention.heads))  # (B, 3 L', D)
        hidden = self._expand(block.mlp_norm(x)).relu_()
        hidden[:, self._outside] = 0
        middle = x.unflatten(1, (-1, 3))[:, :, 1]
        return middle + self._reduce(hidden.unflatten(1, (-1, 3)).flatten(2))  # (B, L', D)


def _attend(query: Tensor, key: Tensor, value: Tensor, heads: int, score_mask: Tensor | None = None) -> Tensor:
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=score_mask).transpose(1, 2).flatten(2)


def _attend_narrow(attention: Attention, x: Tensor) -> Tensor:
    """`attention` of x (M, J, d) with poses and heads last: long vectors in place of matrices of four columns."""
    poses, joints, width = x.shape
    heads = attention.heads
    qkv = attention.qkv(x).view(poses, joints, 3, heads, width // heads).permute(2, 4, 1, 0, 3)
    q, k, v = qkv.reshape(3, width // heads, joints, poses * heads)
    q = q * (width // heads) ** -0.5
    scores = q[0, :, None] * k[0]  # (J queries, J keys, M heads)
    for a, b in zip(q[1:], k[1:], strict=True):
        scores.addcmul_(a[:, None], b)
    weights = scores.softmax(1)
    attended = torch.stack([(weights * column).sum(1) for column in v])
    return attention.out(attended.view(-1, joints, poses, heads).permute(2, 1, 3, 0).reshape(poses, joints, width))
