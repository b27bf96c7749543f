"""Released weights give the numbers of the released networks, whatever their architecture, or are refused by name."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from pathlib import Path

import attrs
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gentoolkit.interop.ddgan import import_discriminator, import_generator, sides
from gentoolkit.interop.ddgan_layout import generator_layout
from gentoolkit.interop.tensor_file import TensorFile
from gentoolkit.registry import GentoolError

ROOT = Path(__file__).parents[2]
STORED = ROOT / "tests" / "data" / "ddgan"
TINY = {"width": 8, "mults": (1, 2), "blocks": 1, "attention": (0,), "zemb": 16, "linears": 3}

spec = importlib.util.spec_from_file_location("published", ROOT / "benchmarks" / "published.py")
published = importlib.util.module_from_spec(spec)
spec.loader.exec_module(published)

GENERATORS = {
    "as CIFAR-10": (3, 32, {"mults": (1, 2, 2, 2), "blocks": 2, "attention": (1,), "linears": 5}),
    "as CelebA-HQ": (3, 64, {"mults": (1, 1, 2, 2, 4, 4), "blocks": 2, "attention": (4,)}),
    "grey, attention at the bottom": (1, 16, {"mults": (1, 2, 2), "attention": (2,), "linears": 1}),
    "no attention but the middle's": (3, 16, {"attention": (), "blocks": 3, "zemb": 24}),
    "attention everywhere": (3, 8, {"mults": (2, 1), "attention": (0, 1), "blocks": 2}),
    "one level": (3, 8, {"mults": (2,), "attention": (0,)}),
    "one level, its attention the middle's": (3, 8, {"mults": (1,), "attention": ()}),
    "oblong": (3, (8, 16), {}),
    "input skip": (3, 16, {"mults": (1, 2, 1), "pyramid": "input-skip"}),
    "no pyramid": (3, 16, {"mults": (1, 1, 1), "attention": (1,), "pyramid": "none"}),
    "output skip": (1, 16, {"mults": (1, 2, 2), "output_skip": True}),
    "no filter": (3, 16, {"mults": (1, 2, 2), "fir": False}),
    "no filter, both skips": (3, 16, {"fir": False, "pyramid": "input-skip", "output_skip": True}),
}


def batch(channels, size, n=3, nz=7):
    noise = torch.Generator().manual_seed(1)
    shape = (n, channels, *sides(size))
    x, other = torch.randn(shape, generator=noise), torch.randn(shape, generator=noise)
    return x, other, torch.arange(n) % 4, torch.randn(n, nz, generator=noise)


def saved(tmp_path, weights, change=lambda tensors: tensors):
    path = tmp_path / "net.pth"
    torch.save(change(weights.file()), path)
    return path


def tiny_file(tmp_path, change=lambda tensors: tensors, **more):
    """A generator's file for 16x16 images."""
    weights = published.Weights(0)
    x, _, t, z = batch(3, 16)
    published.generator(weights, x, t, z, **{**TINY, **more})
    return saved(tmp_path, weights, change)


def judge_file(tmp_path, channels=3, size=16, large=False):
    weights = published.Weights(0)
    x, other, t, _ = batch(channels, size)
    published.discriminator(weights, other, t, x, width=4, large=large, embedding=16)
    return saved(tmp_path, weights)


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


def test_the_stored_outputs_of_the_authors_networks_are_reproduced():
    stored = torch.load(STORED / "tiny16_io.pt", weights_only=True)
    net = import_generator(STORED / "tiny16_netG.pth", image_size=16, steps=4)
    assert relative(net(stored["x_k"], stored["t"], stored["z"]), stored["generator_out"]) < 1e-5
    # The network that other architectures are compared with is theirs, too.
    weights = published.Weights(0)
    weights.made = {n.removeprefix("module."): v for n, v in torch.load(STORED / "tiny16_netG.pth", weights_only=True).items()}
    again = published.generator(weights, stored["x_k"], stored["t"], stored["z"], **TINY)
    assert relative(again, stored["generator_out"]) < 1e-5


@pytest.mark.parametrize("name", GENERATORS)
def test_every_architecture_of_a_generator_is_read_from_its_shapes(tmp_path, name):
    channels, size, options = GENERATORS[name]
    options = {**TINY, **options}
    weights = published.Weights(0)
    x, _, t, z = batch(channels, size)
    expected = published.generator(weights, x, t, z, **options).detach()
    told = options.get("pyramid", "residual") == "residual"
    net = import_generator(saved(tmp_path, weights), size, 4, fir=None if told else options.get("fir", True))
    assert float(expected.std()) > 0.02
    assert relative(net(x, t, z), expected) < 1e-5
    assert sum(p.numel() for p in net.parameters()) == sum(w.numel() for w in weights.made.values())
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("channels", "size", "n"), [(3, 64, 4), (1, 128, 8), (1, (64, 72), 2)])
def test_discriminators_small_and_large(tmp_path, large, channels, size, n):
    weights = published.Weights(0)
    x, other, t, _ = batch(channels, size, n)
    expected = published.discriminator(weights, other, t, x, width=4, large=large, embedding=16).detach()
    net = import_discriminator(saved(tmp_path, weights), size)
    assert float(expected.std()) > 1e-3 * float(expected.abs().max())
    assert relative(net(other, t, x), expected) < 1e-5
    assert sum(p.numel() for p in net.parameters()) == sum(w.numel() for w in weights.made.values())


def test_a_discriminator_gives_gradients_to_its_images(tmp_path):
    """Twice, as a gradient penalty needs; its weights are frozen."""
    net = import_discriminator(judge_file(tmp_path), 16)
    x, other, t, _ = batch(3, 16)
    (g,) = torch.autograd.grad(net(other.requires_grad_(), t, x).sum(), other, create_graph=True)
    g.square().sum().backward()
    assert float(other.grad.abs().max()) > 0


def test_one_index_may_stand_for_all(tmp_path):
    x, other, _, z = batch(3, 16)
    net, judge = import_generator(tiny_file(tmp_path), 16, 4), import_discriminator(judge_file(tmp_path), 16)
    assert torch.equal(net(x, 2, z), net(x, torch.full((3,), 2.0), z))
    assert not torch.equal(net(x, 2, z), net(x, 3, z))
    assert torch.equal(judge(other, 2, x), judge(other, torch.tensor([2, 2, 2], dtype=torch.int32), x))


@pytest.fixture
def double():
    """In float64 no unit falls on the other side of a leaky ReLU's kink by rounding alone."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("judge", [False, True])
def test_gradients_of_the_weights_are_theirs_with_a_gradient_penalty_too(tmp_path, judge):
    """Their gradients go through the importer like weights do, and must then be ours."""
    x, other, t, z = batch(3, 16, n=4)
    args = (other.requires_grad_(), t, x) if judge else (x, t, z)
    options = {"width": 4, "embedding": 16} if judge else TINY
    theirs = published.discriminator if judge else published.generator

    def read(path):
        net = import_discriminator(path, 16) if judge else import_generator(path, 16, 4)
        return net.double().requires_grad_()

    def loss(out):
        if not judge:
            return out.square().sum()
        (g,) = torch.autograd.grad(out.sum(), other, create_graph=True)
        return torch.nn.functional.softplus(out).sum() + g.square().sum()

    weights = published.Weights(0)
    with torch.no_grad():
        theirs(weights, *args, **options)
    weights.made = {n: w.detach().float().double().requires_grad_() for n, w in weights.made.items()}
    loss(theirs(weights, *args, **options)).backward()
    net = read(saved(tmp_path, weights))
    loss(net(*args)).backward()
    torch.save(weights.file("grad"), tmp_path / "gradients.pth")  # in which float32 keeps seven digits
    expected = dict(read(tmp_path / "gradients.pth").named_parameters())
    for name, p in net.named_parameters():
        wanted = expected[name].detach()
        assert float((p.grad - wanted).norm()) <= 1e-6 * float(wanted.norm()), name


def test_the_prefix_may_be_missing_and_halves_are_widened(tmp_path):
    x, _, t, z = batch(3, 16)
    whole = import_generator(tiny_file(tmp_path), 16, 4)(x, t, z)
    bare = tiny_file(tmp_path, lambda tensors: {n.removeprefix("module."): v for n, v in tensors.items()})
    assert torch.equal(import_generator(bare, 16, 4)(x, t, z), whole)
    half = tiny_file(tmp_path, lambda tensors: {n: v.half() for n, v in tensors.items()})
    assert import_generator(half, 16, 4)(x, t, z).dtype == torch.float32


def without(name):
    return lambda tensors: {n: v for n, v in tensors.items() if n != name}


def with_(name, value):
    return lambda tensors: {**tensors, name: value}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("module.all_modules.5.Conv_1.bias"), "no tensor all_modules.5.Conv_1.bias"),
        (without("module.all_modules.1.weight"), "no tensor all_modules.1.weight"),
        (without("module.all_modules.4.NIN_0.W"), "no tensor all_modules.4.NIN_0.W"),
        (without("module.all_modules.5.Dense_0.weight"), "no tensor all_modules.5.Dense_0.weight"),
        (without("module.all_modules.5.Conv_2.weight"), "no tensor all_modules.5.Conv_2.weight"),
        (without("module.all_modules.5.Conv_0.weight"), "no tensor all_modules.5.Conv_0.weight"),
        (without("module.all_modules.6.Conv2d_0.weight"), "no tensor all_modules.6.Conv2d_0.weight"),
        (without("module.all_modules.17.bias"), "no tensor all_modules.17.bias"),
        (without("module.z_transform.3.weight"), "no tensor z_transform.3.weight"),
        (without("module.z_transform.1.weight"), "no tensor z_transform.1.weight"),
        (with_("module.all_modules.19.weight", torch.zeros(3)), "no place in the network.*all_modules.19.weight"),
        (with_("module.all_modules.4.NIN_0.W", torch.zeros(3)), r"NIN_0.W has shape \(3,\); it should have 2 dim"),
        (with_("module.all_modules.2.weight", torch.zeros(3, 3, 3)), r"all_modules.2.weight has shape \(3, 3, 3\)"),
        (with_("module.z_transform.1.weight", torch.zeros(3)), r"z_transform.1.weight has shape \(3,\)"),
        (with_("module.all_modules.3.extra", torch.zeros(2)), "no place in the network.*all_modules.3.extra"),
        (with_("module.ema", torch.zeros(2)), "no place in the network.*: ema"),
        (with_("module.all_modules.8.Conv_0.bias", torch.zeros(2)), r"all_modules.8.Conv_0.bias has shape \(2,\)"),
        (with_("module.all_modules.3.Conv_0.weight", torch.zeros(9, 8, 3, 3)), "level 0 has 9 channels, no multiple"),
        (with_("module.all_modules.40.weight", torch.zeros(2)), "has all_modules.40, but no all_modules.19"),
        (with_("epoch", 3), "'epoch' is int"),
        (with_("module.steps", torch.zeros(2, dtype=torch.int64)), "'module.steps' is torch.int64"),
        (with_("module.sparse", torch.eye(3).to_sparse()), "'module.sparse' are not all in the file"),
        (with_("module.meta", torch.empty(3, device="meta")), "'module.meta' are not all in the file"),
        (with_("module.bomb", torch.zeros(()).expand(10**12)), "'module.bomb' are not all in the file"),
        (
            with_("module.all_modules.1.bias", torch.full((32,), torch.nan)),
            "'module.all_modules.1.bias' has values that are not f",
        ),
        (lambda tensors: {}, "holds no tensors"),
        (lambda tensors: [1, 2], "but list"),
        (lambda tensors: {"weight": torch.zeros(2)}, "it has no all_modules"),
    ],
)
def test_what_is_no_generator_is_refused_by_name(tmp_path, change, said):
    with pytest.raises(GentoolError, match=said):
        import_generator(tiny_file(tmp_path, change), 16, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("module.start_conv.weight"), "no tensor start_conv.weight"),
        (without("module.conv2.conv1.0.weight"), "no tensor conv2.conv1.0.weight"),
        (without("module.conv3.skip.0.weight"), "no tensor conv3.skip.0.weight"),
        (without("module.end_linear.bias"), "no tensor end_linear.bias"),
        (with_("module.conv1.skip.0.bias", torch.zeros(8)), "no place in the network.*conv1.skip.0.bias"),
        (with_("module.conv2.conv1.0.weight", torch.zeros(17, 8, 3, 3)), "conv2 has 17 channels, no multiple"),
        (with_("module.start_conv.weight", torch.zeros(8, 5, 1, 1)), r"start_conv.weight has shape \(8, 5, 1, 1\)"),
    ],
)
def test_what_is_no_discriminator_is_refused_by_name(tmp_path, change, said):
    path = judge_file(tmp_path)
    torch.save(change(torch.load(path, weights_only=True)), path)
    with pytest.raises(GentoolError, match=said):
        import_discriminator(path, 16)


def mutants(draw, tensors):
    """The tensors with a few dropped, renamed or reshaped."""
    made = dict(tensors)
    for name in draw(st.lists(st.sampled_from(sorted(made)), max_size=3, unique=True)):
        value = made.pop(name)
        what = draw(st.sampled_from(["drop", "rename", "reshape"]))
        if what == "rename":
            index = draw(st.sampled_from(["0", "2", "3", "7", "18", "19", "9" * 20, "²", ""]))
            made[re.sub(r"\d+", index, name, count=1)] = value
        elif what == "reshape":
            made[name] = torch.zeros(draw(st.lists(st.integers(0, 9), max_size=4)))
    return made


@pytest.mark.parametrize("judge", [False, True])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_ends_in_anything_but_a_network_or_a_message(tmp_path, judge, data):
    path = judge_file(tmp_path) if judge else tiny_file(tmp_path)
    torch.save(mutants(data.draw, torch.load(path, weights_only=True)), path)
    with contextlib.suppress(GentoolError):
        net = import_discriminator(path, 16) if judge else import_generator(path, 16, 4, fir=True)
        assert sum(p.numel() for p in net.parameters()) > 0


class Innocent:
    pass


def test_files_are_read_as_tensors_alone(tmp_path):
    for content in (Innocent(), {"args": Innocent(), "netG_dict": {}}):
        torch.save(content, tmp_path / "content.pth")
        with pytest.raises(GentoolError, match="cannot be read as plain tensors") as refused:
            import_generator(tmp_path / "content.pth", 32, 4)
        assert "weights_only" not in str(refused.value), "no advice to run what the file holds"
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(GentoolError, match="cannot be read as plain tensors"):
        import_discriminator(tmp_path / "text.pth", 32)
    with pytest.raises(GentoolError, match="there is no file"):
        import_generator(tmp_path / "none.pth", 32, 4)


def test_networks_are_not_taken_for_each_other(tmp_path):
    with pytest.raises(GentoolError, match="holds a discriminator"):
        import_generator(judge_file(tmp_path), 16, 4)
    with pytest.raises(GentoolError, match="holds a generator"):
        import_discriminator(tiny_file(tmp_path), 16)


def test_sizes_that_cannot_be_are_refused(tmp_path):
    file = tiny_file(tmp_path)
    for size, steps, said in (
        (15, 4, "sides that 2 divides; 15x15"),
        (16, 0, "at least one step"),
        ((8, 8, 8), 4, "one positive"),
    ):
        with pytest.raises(GentoolError, match=said):
            import_generator(file, size, steps)
    with pytest.raises(GentoolError, match="until 64 pixels are one; 32x64 is too small"):
        import_discriminator(judge_file(tmp_path, size=64, large=True), (32, 64))
    three = {n: v for n, v in torch.load(judge_file(tmp_path)).items() if not n.startswith("module.conv4")}
    torch.save(three, tmp_path / "three.pth")
    with pytest.raises(GentoolError, match=r"3 blocks conv1, conv2, ...; they have 4 .small. or 6 .large."):
        import_discriminator(tmp_path / "three.pth", 32)


def test_what_the_file_does_not_tell_is_asked_for(tmp_path):
    file = tiny_file(tmp_path, pyramid="none")
    with pytest.raises(GentoolError, match="say fir = True"):
        import_generator(file, 16, 4)
    with pytest.raises(GentoolError, match="the tensors are those of fir = True"):
        import_generator(tiny_file(tmp_path), 16, 4, fir=False)


def test_the_layout_names_every_option(tmp_path):
    file = TensorFile(tiny_file(tmp_path, mults=(1, 3), blocks=2, attention=(1,)))
    layout = generator_layout(file.path, file.shapes)
    found = attrs.asdict(layout.denoiser)
    assert {n: found[n] for n in ("width", "mults", "blocks", "attention", "tanh")} == {
        **{"width": 8, "mults": (1, 3), "blocks": 2, "attention": (1,), "tanh": True}
    }
    assert (layout.latent.dim, layout.latent.width, layout.latent.layers, layout.channels) == (7, 16, 3, 3)
    assert re.search("fan-out", layout.latent.init)
