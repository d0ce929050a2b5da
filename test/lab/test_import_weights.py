"""Import of the authors' weights: files with the names and order of their layers, and formulas of their networks."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.fft import dct
from scipy.special import erf
from support import paper_data
from support.commands import rows_of

from uplift_ros import cli
from uplift_ros.lab.import_weights import FROM_AUTHORS17
from uplift_ros.models import weights
from uplift_ros.models.synsp import SynSP
from uplift_ros.models.uplift import UpliftUpsample

h5py = pytest.importorskip("h5py")

THEIR_JOINTS = (3, 2, 1, 4, 5, 6, 0, 8, 7, 9, 10, 16, 15, 14, 11, 12, 13)
"""Their joints among h36m17."""

STRIDES = {41: ((4, 4, 3), ((1, 1), (0, 0), (0, 0))), 71: ((3, 10, 3), ((0, 0), (0, 0), (0, 0)))}


def keras_network(tokens: int) -> dict[str, list[np.ndarray]]:
    """Random arrays by layer, in Keras' shapes and order."""
    rng = np.random.default_rng(tokens)

    def draw(*shape):
        return rng.normal(0, 0.5 / np.sqrt(max(shape[-2] if len(shape) > 1 else 4, 1)), shape).astype(np.float32)

    def dense(inputs, outputs):
        return [draw(inputs, outputs), draw(outputs)]

    def norm(width):
        return [1 + draw(width), draw(width)]

    def block(width, mlp):
        return [*norm(width), *(part for _ in range(4) for part in dense(width, width)), *norm(width), *mlp]

    layers = {
        "keypoint_embedding": dense(2, 32),
        "token_dropout": [],
        "spatial_pe": [draw(17, 32)],
        "temporal_pe": [draw(tokens, 384)],
        "strided_input_token_layer": [draw(384)],
        "spatial_norm": norm(32),
        "spatial_to_temporal_fc": dense(544, 384),
        "temporal_fc": dense(384, 51),
        "strided_temporal_fc": dense(384, 51),
    }
    for index in range(1, 5):
        layers[f"spatial_block_{index}"] = block(32, [*dense(32, 64), *dense(64, 32)])
        layers[f"temporal_block_{index}"] = block(384, [*dense(384, 768), *dense(768, 384)])
    length = tokens
    for index, (stride, (left, right)) in enumerate(zip(*STRIDES[tokens], strict=True), 1):
        layers[f"strided_temporal_pe_{index}"] = [draw(length, 384)]
        mlp = [draw(1, 384, 768), draw(768), draw(3, 768, 384) / 2, draw(384)]
        layers[f"strided_temporal_block_{index}"] = block(384, mlp)
        length = (length + left + right - 3) // stride + 1
    return layers


def write_keras(path, layers):
    """Write weights as Keras does: a group for each layer, with an attribute that lists its arrays."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, arrays in layers.items():
            group = file.create_group(name)
            names = [f"{name}/part_{10 - index}/kernel:0" for index in range(len(arrays))]  # Keras' numbers vary
            group.attrs["weight_names"] = [text.encode() for text in names]
            for text, array in zip(names, arrays, strict=True):
                group[text] = array
    return path


def keras_forward(layers, poses, mask, strides, paddings):
    """The published network on one window: poses (T, 17, 2) in their joints' order, mask (T,)."""

    def norm(x, gamma, beta, eps=1e-5):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * gamma + beta

    def attend(x, arrays, penalty=0.0):
        q, k, v = (x @ arrays[2 * i] + arrays[2 * i + 1] for i in range(3))
        q, k, v = (part.reshape(*part.shape[:-1], 8, -1).swapaxes(-2, -3) for part in (q, k, v))
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]) + penalty
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        attended = scores / scores.sum(-1, keepdims=True) @ v
        attended = attended.swapaxes(-2, -3).reshape(x.shape)
        return attended @ arrays[6] + arrays[7]

    def block(x, arrays, activation, penalty=0.0):
        x = x + attend(norm(x, *arrays[:2]), arrays[2:10], penalty)
        hidden = activation(norm(x, *arrays[10:12]) @ arrays[12] + arrays[13])
        return x + hidden @ arrays[14] + arrays[15]

    def dense(name, x):
        return x @ layers[name][0] + layers[name][1]

    def relu(x):
        return np.maximum(x, 0)

    x = dense("keypoint_embedding", poses) + layers["spatial_pe"][0]
    for index in range(1, 5):
        x = block(x, layers[f"spatial_block_{index}"], lambda h: h * 0.5 * (1 + erf(h / np.sqrt(2))))
    x = norm(x, *layers["spatial_norm"], eps=1e-6).reshape(len(x), -1)
    x = np.where(mask[:, None], dense("spatial_to_temporal_fc", x), layers["strided_input_token_layer"][0])
    x = x + layers["temporal_pe"][0]
    for index in range(1, 5):
        penalty = np.where(mask, 0.0, -1e9) if index == 1 else 0.0
        x = block(x, layers[f"temporal_block_{index}"], relu, penalty)
    sequence = dense("temporal_fc", x)
    for index, (stride, (left, right)) in enumerate(zip(strides, paddings, strict=True), 1):
        arrays = layers[f"strided_temporal_block_{index}"]
        x = x + layers[f"strided_temporal_pe_{index}"][0]
        x = x + attend(norm(x, *arrays[:2]), arrays[2:10])
        hidden = np.pad(relu(norm(x, *arrays[10:12]) @ arrays[12][0] + arrays[13]), ((left, right), (0, 0)))
        starts = range(0, len(hidden) - 2, stride)
        branch = np.stack([sum(hidden[s + tap] @ arrays[14][tap] for tap in range(3)) for s in starts]) + arrays[15]
        x = x[int(left == 0) : len(x) - int(right == 0)][::stride] + branch
    return dense("strided_temporal_fc", x)[0].reshape(17, 3), sequence.reshape(-1, 17, 3)


@pytest.mark.parametrize("tokens", [41, 71])
def test_an_imported_uplifter_computes_what_the_authors_network_does(tmp_path, tokens):
    layers = keras_network(tokens)
    path = write_keras(tmp_path / "h36m.h5", layers)
    assert cli.main(["import", str(path), "-o", str(tmp_path / "h36m.safetensors")]) == 0
    model = weights.load(str(tmp_path / "h36m.safetensors"), UpliftUpsample)
    rng = np.random.default_rng(0)
    poses, mask = rng.normal(0, 0.5, (tokens, 17, 2)), np.arange(tokens) % 5 == tokens // 2 % 5
    central, sequence = keras_forward(layers, poses * mask[:, None, None], mask, *STRIDES[tokens])
    ours = torch.from_numpy(poses[None][:, :, list(FROM_AUTHORS17)]).float()
    with torch.no_grad():
        our_central, our_sequence = model(ours, torch.from_numpy(mask[None]))
    np.testing.assert_allclose(our_central[0, list(THEIR_JOINTS)], central, atol=2e-5 * np.abs(central).max())
    np.testing.assert_allclose(our_sequence[0][:, list(THEIR_JOINTS)], sequence, atol=2e-5 * np.abs(sequence).max())
    architecture, config, provenance = weights.read_header(str(tmp_path / "h36m.safetensors"))
    assert (architecture, config["normalisation"], provenance["imported"]) == ("uplift", "screen", "h36m.h5")
    assert "MIT" in provenance["licence"]


def test_imported_weights_are_evaluated(tmp_path):
    paper_data.write_h36m(tmp_path, frames=21, actions=("Walking 1",))
    write_keras(tmp_path / "h36m.h5", keras_network(41))
    write_synsp(tmp_path / "fcn.pth.tar", synsp_state())
    release = paper_data.write_release(tmp_path, "h36m_fcn_3D")
    for name, options in (
        ("h36m.h5", [*paper_data.h36m_options(tmp_path), "--subjects", "S9", "--stride", "20", "--model"]),
        ("fcn.pth.tar", ["--data", str(release), "--refine", "synsp", "--refiner-model"]),
    ):
        imported = str(tmp_path / f"{name}.safetensors")
        assert cli.main(["import", str(tmp_path / name), "-o", imported]) == 0
        (row,) = rows_of(tmp_path, "evaluate", *options, imported)
        assert (row["frames"], np.isfinite(row["mpjpe"])) == ({"h36m.h5": 84, "fcn.pth.tar": 34}[name], True)


def test_the_authors_joints_are_those_of_h36m17_in_another_order():
    assert [THEIR_JOINTS[joint] for joint in FROM_AUTHORS17] == list(range(17))


def synsp_state(channels=51, width=16, layers=2) -> dict[str, torch.Tensor]:
    """Random parameters by the names of SynSP's release, also those that it never uses."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(shape, generator=generator) / shape[-1] ** 0.5

    state = {}

    def linear(name, inputs, outputs, bias=True):
        state[f"{name}.weight"] = draw(outputs, inputs)
        if bias:
            state[f"{name}.bias"] = draw(outputs)

    def norm(name):
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + 0.1 * draw(width), draw(width)

    for name in ("proj_i_p", "proj_i_a", "proj_i_2"):
        linear(f"{name}.0", channels, width)
        linear(f"{name}.1", width, width)
    for name in ("proj_o_p", "proj_o_a", "proj_o_2"):
        linear(f"{name}.0", width, 2 * width)
        linear(f"{name}.1", 2 * width, channels)
    for stack in ("encoder_local", "encoder_global", "decoder", "decoder_2"):
        norm(f"{stack}.layer_norm")
        for index in range(layers):
            layer = f"{stack}.layer_stack.{index}"
            for attention in ("slf_attn",) if "encoder" in stack else ("slf_attn", "enc_attn"):
                for part in ("w_qs", "w_ks", "w_vs"):
                    linear(f"{layer}.{attention}.{part}", width, 64, bias=False)
                linear(f"{layer}.{attention}.fc", 64, width, bias=False)
                norm(f"{layer}.{attention}.layer_norm")
            linear(f"{layer}.pos_ffn.w_1", width, width)
            linear(f"{layer}.pos_ffn.w_2", width, width)
            norm(f"{layer}.pos_ffn.layer_norm")
    return state


def synsp_forward(state, poses, layers=2):
    """The published network on single views (B, T, C): position, acceleration and final output."""
    width = state["proj_i_a.0.weight"].shape[0]

    def linear(name, x):
        return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def pair(name, x):
        return linear(f"{name}.1", linear(f"{name}.0", x))

    def norm(name, x):
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    def layer(name, x, memory, attention):
        q, k, v = (
            linear(f"{name}.{attention}.w_qs", x),
            *(linear(f"{name}.{attention}.{part}", memory) for part in ("w_ks", "w_vs")),
        )
        attended = torch.softmax(q @ k.transpose(-1, -2) / 8, -1) @ v
        x = norm(f"{name}.{attention}.layer_norm", x + linear(f"{name}.{attention}.fc", attended))
        ffn = linear(f"{name}.pos_ffn.w_2", F.relu(linear(f"{name}.pos_ffn.w_1", x)))
        return norm(f"{name}.pos_ffn.layer_norm", x + ffn)

    def encode(stack, x):
        for index in range(layers):
            x = layer(f"{stack}.layer_stack.{index}", x, x, "slf_attn")
        return x

    def decode(stack, x, memory, again=0):
        for index in [*range(layers), *[layers - 1] * again]:
            x = layer(f"{stack}.layer_stack.{index}", x, memory, "enc_attn")
        return x

    frequencies = torch.from_numpy(dct(poses.double().numpy(), axis=1)).float()
    query = pair("proj_i_a", frequencies)
    position = torch.arange(poses.shape[1])[:, None] / 10000 ** (torch.arange(width) // 2 * 2 / width)
    table = torch.where(torch.arange(width) % 2 == 0, position.sin(), position.cos())
    local, shared = encode("encoder_local", query + table), encode("encoder_global", query + table)
    z = decode("decoder", query, torch.cat([local, shared + 1], 1), again=1) + query
    out_p, out_a = pair("proj_o_p", z), pair("proj_o_a", z)
    difference = ((out_p - out_a) / 2).abs()
    worst = difference.amax(1, keepdim=True) + 1e-5
    quality = torch.exp(-(difference + 1e-6) / worst).mean(-1, keepdim=True)
    z = decode("decoder_2", query, torch.cat([z, shared + 1 + quality], 1)) + query
    return out_p, out_a, pair("proj_o_2", z)


def write_synsp(path, state, **more):
    torch.save(
        {"epoch": 69, "state_dict": state, "performance": [{"mpjpe": np.float64(51.4)}], "sigma": {}, **more}, path
    )
    return path


def test_an_imported_refiner_computes_what_the_authors_network_does(tmp_path):
    state = synsp_state()
    path = write_synsp(tmp_path / "69_checkpoint.pth.tar", state)
    assert cli.main(["import", str(path), "-o", str(tmp_path / "synsp.safetensors")]) == 0
    model = weights.load(str(tmp_path / "synsp.safetensors"), SynSP)
    assert (model.config.joints, model.config.coordinates, model.config.window, model.config.layers) == (17, 3, 8, 2)
    poses = torch.randn(3, 8, 51, generator=torch.Generator().manual_seed(1)) / 3
    with torch.no_grad():
        output = model(poses)
        expected = synsp_forward(state, poses)
    for ours, theirs in zip(output[:3], expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    _, _, provenance = weights.read_header(str(tmp_path / "synsp.safetensors"))
    assert "non-commercial" in provenance["licence"]


class Malicious:
    def __reduce__(self):
        return open, ("created", "w")


def test_files_that_do_not_fit_are_refused_in_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layers = keras_network(41)
    layers["temporal_fc"][0] = np.zeros((384, 42), np.float32)
    write_keras(tmp_path / "other_head.h5", layers)
    write_keras(tmp_path / "other_network.h5", {"dense": [np.zeros((2, 2), np.float32)]})
    (tmp_path / "text.h5").write_text("no HDF5")
    state = synsp_state()
    write_synsp(tmp_path / "joints.pth.tar", synsp_state(channels=39))
    write_synsp(tmp_path / "part.pth.tar", {name: state[name] for name in state if "decoder_2" not in name})
    write_synsp(tmp_path / "code.pth.tar", state, more=Malicious())
    paper_data.write_amass_joints(tmp_path / "amass")
    for file, message in (
        ("other_head.h5", "layer 'temporal_fc'"),
        ("other_network.h5", "other_network.h5 has layers dense"),
        ("text.h5", "text.h5"),
        ("joints.pth.tar", "'proj_i_a.0.weight'"),
        ("part.pth.tar", "'decoder_2.layer_stack.0.enc_attn.w_qs.weight'"),
        ("code.pth.tar", "code.pth.tar"),
        ("amass/CMU.npz", "CMU.npz"),
        ("missing.h5", "missing.h5"),
    ):
        assert cli.main(["import", file, "-o", "out.safetensors"]) == 1
        errors = capsys.readouterr().err
        assert message in errors, errors
        assert errors.count("\n") == 1
    assert not (tmp_path / "created").exists()
    assert not (tmp_path / "out.safetensors").exists()
