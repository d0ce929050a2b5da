"""Products in bfloat16 for training: which layers use them, and that nothing else changes."""

import torch
import torch.nn.functional as F
from torch import nn

from uplift_ros.lab.training.precision import Bfloat16Products, Bfloat16Transformer


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(64, 32)


def test_linear_layers_multiply_in_bfloat16_and_give_float32():
    linear, x = layer(), torch.randn(5, 64)
    exact = linear(x)
    with Bfloat16Products():
        product = linear(x)
    assert product.dtype == torch.float32
    assert not torch.equal(product, exact)
    torch.testing.assert_close(product, exact, rtol=0.05, atol=0.05)


def test_gradients_come_back_in_float32():
    linear = layer()
    with Bfloat16Products():
        linear(torch.randn(5, 64)).sum().backward()
    assert linear.weight.grad is not None
    assert linear.weight.grad.dtype == torch.float32


def test_other_products_stay_exact():
    x, query = torch.randn(5, 64), torch.randn(1, 2, 5, 16)
    product, attended = x @ x.T, F.scaled_dot_product_attention(query, query, query)
    with Bfloat16Products():
        assert torch.equal(x @ x.T, product)
        assert torch.equal(F.scaled_dot_product_attention(query, query, query), attended)


def test_a_transformer_multiplies_and_attends_in_bfloat16_but_for_exact_layers():
    head, x, query = layer(), torch.randn(5, 64), torch.randn(1, 2, 5, 16)
    exact, attended = head(x), F.scaled_dot_product_attention(query, query, query)
    with Bfloat16Transformer(exact=[head]):
        torch.testing.assert_close(head(x), exact, rtol=0, atol=0)
        assert layer()(x).dtype == torch.bfloat16
        found = F.scaled_dot_product_attention(query, query, query)
    assert not torch.equal(found, attended)
    torch.testing.assert_close(found.float(), attended, rtol=0.05, atol=0.02)


def test_a_transformers_attention_defers_masked_tokens():
    query, mask = torch.randn(1, 2, 5, 16), torch.zeros(1, 1, 1, 5)
    mask[..., 2] = -1e9
    with Bfloat16Transformer():
        found = F.scaled_dot_product_attention(query, query, query, attn_mask=mask)
        query[:, :, 2] = 9.0
        changed = F.scaled_dot_product_attention(query, query, query, attn_mask=mask)
    kept = [0, 1, 3, 4]
    torch.testing.assert_close(found[:, :, kept], changed[:, :, kept])
